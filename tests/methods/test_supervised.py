"""The mathematics of the methods that are told something of the factors: Ada-VAE, DC-IGN, VIB."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.optim import Optimizer

from benchmark.training.loop import advance
from datasets.faces_drawn import SPEC as FACES
from datasets.toy import SPEC as TOY
from methods import vib
from methods.adavae import AdaVAE, shared_where_alike
from methods.base import Batch, defaults
from methods.dcign import DCIGN
from methods.posterior import Posterior
from methods.vae import BetaVAE
from methods.vib import VIB

N = 8


def images(n: int = N) -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(n, *TOY.shape, generator=draw).round()


def pair() -> tuple[Posterior, Posterior]:
    """Posteriors of five latents, of which the first two differ much."""
    torch.manual_seed(0)
    mean, logvar = torch.randn(N, 5), torch.randn(N, 5)
    other = mean + 0.01
    other[:, :2] += 3
    return Posterior(mean, (logvar / 2).exp()), Posterior(other, (logvar / 2 + 0.01).exp())


class TestAdaVAE:
    @pytest.mark.parametrize("variant", ["gvae", "mlvae"])
    def test_latents_that_agree_become_one(self, variant: str) -> None:
        one, other = pair()
        found1, found2 = shared_where_alike(one, other, variant)
        q1, q2 = (Normal(q.mean, q.scale) for q in (one, other))
        kl = kl_divergence(q1, q2)
        middle = (kl.min(1, keepdim=True).values + kl.max(1, keepdim=True).values) / 2
        alike = kl < middle
        assert alike[:, 2:].all()
        assert not alike.all()
        assert torch.equal(found1.mean[~alike], one.mean[~alike])
        assert torch.equal(found2.scale[~alike], other.scale[~alike])
        assert torch.equal(found1.mean[alike], found2.mean[alike])
        v1, v2 = q1.variance[alike], q2.variance[alike]
        if variant == "gvae":
            mean, variance = (one.mean + other.mean)[alike] / 2, (v1 + v2) / 2
        else:  # the product of two densities adds precisions; normalised over the pair
            variance = 2 * v1 * v2 / (v1 + v2)
            mean = (one.mean[alike] / v1 + other.mean[alike] / v2) / (1 / v1 + 1 / v2)
        torch.testing.assert_close(found1.mean[alike], mean)
        torch.testing.assert_close(found1.scale[alike].square(), variance)

    def test_two_of_the_same_image_are_averaged_into_themselves(self) -> None:
        one, _ = pair()
        for found in shared_where_alike(one, one, "gvae"):
            torch.testing.assert_close(found.mean, one.mean)
            torch.testing.assert_close(found.scale, one.scale)

    @pytest.mark.parametrize("variant", ["gvae", "mlvae"])
    def test_of_the_same_images_twice_it_is_the_beta_vae(self, variant: Any) -> None:
        method, plain = AdaVAE(TOY, beta=3.0, variant=variant), BetaVAE(TOY, beta=3.0)
        plain.load_state_dict(method.state_dict())
        torch.manual_seed(1)
        ((_, loss),) = method.losses(Batch(images(), y=images()))
        torch.manual_seed(1)
        ((_, expected),) = plain.losses(Batch(torch.cat([images(), images()])))
        torch.testing.assert_close(loss, expected)


class TestDCIGN:
    def test_the_decay_rates_are_those_of_the_authors_rmsprop(self) -> None:
        """Its b1 = 0.1 and b2 = 0.01, of https://github.com/willwhitney/dc-ign."""
        assert DCIGN(TOY).optimisers()["elbo"].defaults["betas"] == (0.9, 0.99)

    def test_each_factor_has_its_latent_and_the_label_has_the_rest(self) -> None:
        """The toy's shape is its label; size, x and y have one latent each."""
        groups = DCIGN(TOY, intrinsic=6).groups
        latents = torch.arange(9)
        assert {k: latents[v].tolist() for k, v in groups.items()} == {
            0: [3, 4, 5, 6, 7, 8],
            1: [0],
            2: [1],
            3: [2],
        }

    def test_ten_batches_of_the_intrinsic_factor_for_one_of_another(self) -> None:
        assert DCIGN(TOY).factor_weights == (10, 1, 1, 1)
        method = DCIGN(FACES, intrinsic=7)
        assert method.factor_weights == (10, 1, 1, 1)
        assert method.groups == {0: slice(3, None), 1: slice(0, 1), 2: slice(1, 2), 3: slice(2, 3)}
        assert DCIGN(TOY, ratio=1.0).factor_weights == (1, 1, 1, 1)

    def decoded(self, clamp: Any, active: int) -> tuple[Tensor, Tensor]:
        """Return what is encoded, a sample of it, and what is decoded."""
        method, seen = DCIGN(TOY, clamp=clamp), []
        method.decoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        torch.manual_seed(2)
        list(method.losses(Batch(images(), active=active)))
        torch.manual_seed(2)
        return method.posterior(images()).sample(), seen[0]

    @pytest.mark.parametrize(("clamp", "active"), [("paper", 2), ("paper", 0), ("code", 1)])
    def test_inactive_latents_are_clamped(self, clamp: Any, active: int) -> None:
        z, decoded = self.decoded(clamp, active)
        group = DCIGN(TOY).groups[active]
        inactive = torch.ones(z.shape[1], dtype=torch.bool)
        inactive[group] = False
        anchor = z.mean(0, keepdim=True) if clamp == "paper" else z[:1]
        torch.testing.assert_close(decoded[:, inactive], anchor.expand_as(z)[:, inactive])
        torch.testing.assert_close(decoded[:, group], z[:, group])

    def test_without_clamping_it_is_the_vae(self) -> None:
        z, decoded = self.decoded("none", 1)
        torch.testing.assert_close(decoded, z)

    def test_the_gradient_of_inactive_latents_is_their_distance_by_100(self) -> None:
        method = DCIGN(TOY)
        z = torch.randn(N, 9, requires_grad=True)
        active = torch.zeros(9, dtype=torch.bool)
        active[2] = True
        anchor = z.mean(0, keepdim=True).detach()
        (gradient,) = torch.autograd.grad(method.invariance(z, anchor, active) * N, z)
        expected = (z - anchor).detach() / 100
        torch.testing.assert_close(gradient[:, ~active], expected[:, ~active])
        assert (gradient[:, active] == 0).all()

    def test_no_other_gradient_reaches_an_inactive_latent(self) -> None:
        """In the code's variant none does: only the active row of the heads moves."""
        method = DCIGN(TOY, clamp="code")
        ((_, loss),) = method.losses(Batch(images(), active=3))
        *_, weight, _ = method.encoder.parameters()
        (gradient,) = torch.autograd.grad(loss, [weight])
        moved = gradient.abs().sum(1).nonzero()[:, 0].tolist()
        assert moved == [2, 2 + 9]

    def test_the_papers_networks_pool_and_unpool(self) -> None:
        method = DCIGN(TOY, **defaults(DCIGN, "toy", {"nets": "paper"}) | {"nets": "paper"})
        assert len(method.codes) == 200
        list(method.losses(Batch(images(), active=0)))
        kinds = [type(m).__name__ for m in method.modules()]
        assert (kinds.count("MaxPool2d"), kinds.count("Upsample")) == (3, 3)


class TestVIB:
    def test_the_loss_is_equation_17(self) -> None:
        method, label = VIB(TOY, beta=0.5, latents=16), torch.arange(N) % 3
        torch.manual_seed(4)
        ((_, loss),) = method.losses(Batch(images(), label[:, None]))
        torch.manual_seed(4)
        mu, rho = method.encoder(images()).chunk(2, 1)
        std = (1 + (rho - 5).exp()).log()
        z = mu + std * torch.randn_like(mu)
        log_p = method.classifier(z).log_softmax(1)[torch.arange(N), label]
        kl = kl_divergence(Normal(mu, std), Normal(0.0, 1.0)).sum(1)
        torch.testing.assert_close(loss, (-log_p + 0.5 * kl).mean())

    def test_the_papers_encoder_sees_images_from_minus_1_to_1(self) -> None:
        method, seen = VIB(TOY, nets="paper"), []
        method.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        method.posterior(torch.cat([torch.zeros(1, *TOY.shape), torch.ones(1, *TOY.shape)]))
        assert seen[0].unique().tolist() == [-1, 1]

    def test_the_papers_rate_falls_every_two_epochs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(vib, "TWO_EPOCHS", 2)
        _, optimiser, rates = self.steps(5)
        assert rates == pytest.approx([1e-4, 1e-4, 0.97e-4, 0.97e-4, 0.97**2 * 1e-4])
        other, again, _ = self.steps(0)
        again.load_state_dict(optimiser.state_dict())
        assert self.advance(other, again) == pytest.approx(0.97**2 * 1e-4)

    def test_the_papers_weights_are_averaged(self) -> None:
        """Each of n steps counts .999 of the next; in evaluation the averages are used."""
        method, optimiser, _ = self.steps(0)
        weights = []
        for _ in range(4):
            self.advance(method, optimiser)
            weights.append(method.get_parameter("encoder.1.weight").detach().clone())
        shares = torch.tensor([0.999**n for n in (3, 2, 1, 0)])
        expected = (torch.stack(weights) * (shares / shares.sum())[:, None, None]).sum(0)
        assert torch.equal(method.used.get_parameter("0.1.weight"), weights[-1])
        found = method.eval().used.get_parameter("0.1.weight")
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
        assert (expected - weights[-1]).abs().max() > 1e-5
        other = VIB(TOY, nets="paper", latents=4).eval()
        other.load_state_dict(method.state_dict())
        assert torch.equal(other.classify(images()), method.classify(images()))

    def steps(self, n: int) -> tuple[VIB, Optimizer, list[float]]:
        torch.manual_seed(0)
        method = VIB(TOY, nets="paper", latents=4).train()
        optimiser = method.optimisers()["ib"]
        return method, optimiser, [self.advance(method, optimiser) for _ in range(n)]

    def advance(self, method: VIB, optimiser: Optimizer) -> float:
        """Take a step; return the rate that it had."""
        batch = Batch(images(), (torch.arange(N) % 3)[:, None])
        advance(method, batch, {"ib": optimiser}, "float32")
        return float(optimiser.param_groups[0]["lr"])

    def test_it_classifies_by_the_mean(self) -> None:
        method = VIB(TOY)
        codes = method.encode(Batch(images()))
        torch.testing.assert_close(method.classify(images()), method.classifier(codes))
