"""What each method of the beta-VAE family asks of its codes, beside its paper's equation."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, MixtureSameFamily, Normal
from torch.optim import Adagrad, Adam

from datasets.base import Spec
from datasets.dsprites import SPEC as DSPRITES
from datasets.toy import SPEC as TOY
from methods.adavae import AdaVAE
from methods.annealedvae import AnnealedVAE
from methods.base import Batch, defaults
from methods.betatcvae import BetaTCVAE, total_correlation
from methods.dipvae import DIPVAE
from methods.factorvae import FactorVAE, discriminator, permuted
from methods.posterior import Posterior
from methods.vae import VAE, BetaVAE, Untrained

B, L = 64, 10
FACES = Spec("faces3d", (1, 64, 64), 256, ("id", "pose"), (50, 21))
CHAIRS = Spec("chairs", (1, 64, 64), 256, ("chair", "azimuth"), (1393, 31))
CELEBA = Spec("celeba", (3, 64, 64), 256, (), ())
ODD = Spec("odd", (3, 24, 20), 256, ("hue", "x"), (5, 7))


def of_paper(cls: type[VAE], spec: Spec, **given: Any) -> Any:
    """The method as a run with nets=paper makes it."""
    chosen = {"nets": "paper"} | given
    torch.manual_seed(0)
    return cls(spec, **(defaults(cls, spec.name, chosen) | chosen))


def shapes(module: nn.Module, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> list[Any]:
    """The shapes of the weights of its layers of a kind, in order."""
    layers = (m for m in module.modules() if isinstance(m, kind))
    return [tuple(m.get_parameter("weight").shape) for m in layers]


def posteriors(b: int = B) -> tuple[Tensor, Posterior, Tensor]:
    """The three arguments of `regulariser`: kl, q, z."""
    torch.manual_seed(3)
    mean, logvar, noise = torch.randn(3, b, L)
    q = Posterior(mean, torch.exp(logvar / 2))
    return torch.tensor(20.0), q, q.mean + q.scale * noise


def images(n: int = B) -> Batch:
    return Batch(torch.rand(n, *TOY.shape, generator=torch.Generator().manual_seed(1)).round())


class TestNetsOfThePaper:
    @pytest.mark.parametrize("cls", [VAE, BetaVAE])
    def test_on_dsprites_higgins_trains_dense_layers_by_adagrad(self, cls: type[VAE]) -> None:
        method = of_paper(cls, DSPRITES)
        widths = [(1200, 4096), (1200, 1200), (20, 1200)]
        assert shapes(method.encoder, nn.Linear) == widths
        widths = [(1200, 10), (1200, 1200), (1200, 1200), (4096, 1200)]
        assert shapes(method.decoder, nn.Linear) == widths
        assert sum(isinstance(m, nn.Tanh) for m in method.decoder.modules()) == 3
        optimiser = method.optimisers()["elbo"]
        assert isinstance(optimiser, Adagrad)
        assert optimiser.defaults["lr"] == 0.01
        assert optimiser.defaults["fused"]  # a captured step needs its counts on the device

    @pytest.mark.parametrize(("spec", "beta"), [(FACES, 20), (CHAIRS, 5), (CELEBA, 250), (ODD, 4)])
    def test_elsewhere_higgins_has_32_latents_and_beta_by_data_set(
        self, spec: Spec, beta: float
    ) -> None:
        method = of_paper(BetaVAE, spec)
        assert (len(method.codes), method.beta) == (32, beta)
        assert len(shapes(method.encoder, nn.Conv2d)) == 4
        optimiser = method.optimisers()["elbo"]
        assert isinstance(optimiser, Adam)
        assert optimiser.defaults["lr"] == 1e-4

    def test_what_is_given_wins(self) -> None:
        method = of_paper(BetaVAE, CELEBA, latents=10, beta=1.5)
        assert (len(method.codes), method.beta) == (10, 1.5)

    @pytest.mark.parametrize("cls", [BetaTCVAE, AnnealedVAE, FactorVAE, DIPVAE, AdaVAE])
    def test_no_other_paper_trains_by_adagrad(self, cls: type[VAE]) -> None:
        assert isinstance(of_paper(cls, DSPRITES).optimisers()["elbo"], Adam)

    def test_beta_tcvae_has_batch_norm_and_512_features(self) -> None:
        method = of_paper(BetaTCVAE, FACES)
        assert (method.lr, method.batch_size, len(method.codes)) == (1e-3, 2048, 10)
        channels = [(32, 1), (32, 32), (64, 32), (64, 64), (512, 64), (20, 512)]
        assert [s[:2] for s in shapes(method.encoder, nn.Conv2d)] == channels
        channels = [(10, 512), (512, 64), (64, 64), (64, 32), (32, 32), (32, 1)]
        assert [s[:2] for s in shapes(method.decoder, nn.ConvTranspose2d)] == channels
        for half in (method.encoder, method.decoder):
            assert len(shapes(half, nn.BatchNorm2d)) == 5
        assert shapes(of_paper(BetaTCVAE, DSPRITES), nn.BatchNorm2d) == []

    def test_beta_tcvae_takes_images_of_any_size(self) -> None:
        method = of_paper(BetaTCVAE, ODD)
        x = torch.rand(4, *ODD.shape)
        assert method.encode(Batch(x)).shape == (4, 10)
        assert method.decode(method.sample(4)).shape == x.shape

    def test_annealedvae_and_factorvae(self) -> None:
        assert of_paper(AnnealedVAE, TOY).lr == 5e-4
        chairs, dsprites = (of_paper(FactorVAE, spec) for spec in (CHAIRS, DSPRITES))
        assert (chairs.gamma, chairs.lr_d) == (3.2, 1e-5)
        assert (dsprites.gamma, dsprites.lr_d) == (35, 1e-4)

    def test_adavae_has_those_of_its_authors_code(self) -> None:
        kernels = [s[2:] for s in shapes(of_paper(AdaVAE, DSPRITES).encoder, nn.Conv2d)]
        assert kernels == [(4, 4), (4, 4), (2, 2), (2, 2)]


class TestNetsOfDisentanglementLib:
    def test_weights_are_glorots(self) -> None:
        """U(-b, b) with b^2 = 6 / (inputs + outputs), kernels counted; biases are 0."""
        torch.manual_seed(0)
        method = VAE(DSPRITES, nets="dlib")
        for layer in method.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                outputs, inputs, *kernel = layer.weight.shape
                bound = math.sqrt(6 / ((inputs + outputs) * math.prod(kernel)))
                weight, bias = layer.weight.detach(), layer.bias
                assert weight.abs().max() <= bound
                assert weight.abs().max() > 0.95 * bound
                assert abs(weight.std() * math.sqrt(3) / bound - 1) < 0.1
                assert bias is not None
                assert not bias.any()

    def test_untrained_codes_are_several_times_larger(self) -> None:
        x = torch.zeros(64, *DSPRITES.shape)
        for i in range(64):
            x[i, 0, i // 2 : i // 2 + 16, 10 + i // 3 : 30 + i // 3] = 1
        found = []
        for nets in ("shared", "dlib"):
            torch.manual_seed(0)
            codes = Untrained(DSPRITES, nets=nets).encode(Batch(x))
            found.append(codes.std(0).mean().item())
        assert found[1] > 5 * found[0]


class TestAnnealedVAE:
    def test_capacity_rises_from_0_and_stays(self) -> None:
        method = AnnealedVAE(TOY, gamma=7.0, c_max=8.0, c_steps=4)
        found = [float(method.regulariser(*posteriors())) for _ in range(7)]
        assert found == [7 * (20 - c) for c in (0, 2, 4, 6, 8, 8, 8)]

    def test_information_below_the_capacity_is_penalised_too(self) -> None:
        method = AnnealedVAE(TOY, gamma=7.0, c_max=50.0, c_steps=1)
        method.regulariser(*posteriors())
        assert float(method.regulariser(*posteriors())) == 7 * 30

    def test_the_step_is_saved(self) -> None:
        method, other = AnnealedVAE(TOY), AnnealedVAE(TOY)
        for _ in range(3):
            method.regulariser(*posteriors())
        other.load_state_dict(method.state_dict())
        assert other.step == 3


class TestBetaTCVAE:
    def test_total_correlation_is_that_of_the_mixture(self) -> None:
        _, posterior, z = posteriors()
        q = Normal(posterior.mean, posterior.scale)
        weights = torch.distributions.Categorical(logits=torch.zeros(B))
        joint = MixtureSameFamily(weights, Independent(q, 1))
        columns = torch.distributions.Categorical(logits=torch.zeros(L, B))
        marginals = MixtureSameFamily(columns, Normal(q.mean.T, q.stddev.T))
        expected = joint.log_prob(z) - marginals.log_prob(z).sum(1)  # type: ignore[no-untyped-call]
        torch.testing.assert_close(total_correlation(z, posterior), expected.mean())

    def test_it_is_the_papers_estimator_but_for_a_constant(self) -> None:
        """Minibatch-weighted sampling, of N images: the paper's appendix C.1."""
        n, (_, q, z) = 737_280, posteriors()
        log_q = Normal(q.mean, q.scale).log_prob(z[:, None])  # type: ignore[no-untyped-call]
        weight = math.log(n * B)
        expected = log_q.sum(2).logsumexp(1) - weight - (log_q.logsumexp(1) - weight).sum(1)
        constant = (L - 1) * math.log(n)
        torch.testing.assert_close(total_correlation(z, q) + constant, expected.mean())

    def test_it_is_large_where_codes_repeat_each_other(self) -> None:
        torch.manual_seed(0)
        q = Posterior(torch.randn(512, 2), torch.full((512, 2), math.exp(-2)))
        noise = q.scale * torch.randn(512, 2)
        apart = total_correlation(q.mean + noise, q)
        q.mean[:, 1] = q.mean[:, 0]
        together = total_correlation(q.mean + noise, q)
        assert together - apart > 1

    def test_beta_weighs_it(self) -> None:
        kl, q, z = posteriors()
        tc = total_correlation(z, q)
        found = BetaTCVAE(TOY, beta=6.0).regulariser(kl, q, z)
        torch.testing.assert_close(found, kl + 5 * tc)


class TestDIPVAE:
    @pytest.mark.parametrize("variant", ["i", "ii"])
    def test_the_penalty_is_equation_6_or_7(self, variant: str) -> None:
        kl, q, z = posteriors()
        covariance = torch.cov(q.mean.T, correction=0)
        if variant == "ii":
            covariance += q.scale.square().mean(0).diag()
        off = covariance[~torch.eye(L, dtype=torch.bool)].square().sum()
        on = (covariance.diagonal() - 1).square().sum()
        method = DIPVAE(TOY, variant=variant, lambda_od=3.0, lambda_d=2.0)  # type: ignore[arg-type]
        torch.testing.assert_close(method.regulariser(kl, q, z), kl + 3 * off + 6 * on)

    def test_white_codes_cost_nothing(self) -> None:
        kl, q, z = posteriors(4096)
        columns, _ = torch.linalg.qr(q.mean - q.mean.mean(0))
        white = Posterior(columns * math.sqrt(len(columns)), q.scale)
        found = DIPVAE(TOY).regulariser(kl, white, z)
        torch.testing.assert_close(found, kl, rtol=0, atol=1e-3)

    def test_its_weight_of_the_diagonal_is_that_of_the_variant(self) -> None:
        found = {v: defaults(DIPVAE, "toy", {"variant": v})["lambda_d"] for v in ("i", "ii")}
        assert found == {"i": 10, "ii": 1}


class TestFactorVAE:
    def test_total_correlation_is_the_mean_log_odds(self) -> None:
        kl, q, z = posteriors()
        method = FactorVAE(TOY, gamma=3.0)
        p = method.discriminator(z).softmax(1)
        expected = kl + 3 * (p[:, 0] / p[:, 1]).log().mean()
        torch.testing.assert_close(method.regulariser(kl, q, z), expected)

    def test_permuted_breaks_every_tie_between_columns(self) -> None:
        torch.manual_seed(0)
        z = torch.randn(2000, 1).expand(-1, L).contiguous()
        found = permuted(z)
        assert torch.equal(found.sort(0).values, z.sort(0).values)
        correlations = torch.corrcoef(found.T) - torch.eye(L)
        assert correlations.abs().max() < 0.1

    def test_each_player_moves_its_own_weights(self) -> None:
        method = FactorVAE(TOY)
        owned = [
            {id(p) for group in optimiser.param_groups for p in group["params"]}
            for optimiser in method.optimisers().values()
        ]
        assert not owned[0] & owned[1]
        assert owned[0] | owned[1] == {id(p) for p in method.parameters()}

    def test_the_discriminator_compares_two_batches(self) -> None:
        """The samples of the first half against the permuted samples of the second."""
        method, seen = FactorVAE(TOY), []
        batch = images()
        game = method.losses(batch)
        next(game)
        method.discriminator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        method.draw = lambda x: method.posterior(x).mean  # type: ignore[method-assign]
        name, loss = next(game)
        mu = method.encode(batch)
        assert name == "d"
        torch.testing.assert_close(seen[0][: B // 2], mu[: B // 2])
        second = seen[0][B // 2 :]
        torch.testing.assert_close(second.sort(0).values, mu[B // 2 :].sort(0).values)
        assert not torch.equal(second, mu[B // 2 :])
        p = method.discriminator(seen[0]).log_softmax(1)
        expected = -(p[: B // 2, 0].mean() + p[B // 2 :, 1].mean()) / 2
        torch.testing.assert_close(loss, expected)

    def test_the_discriminator_estimates_total_correlation(self) -> None:
        """Two codes of correlation r: TC is -log(1 - r^2) / 2."""
        torch.manual_seed(0)
        method = FactorVAE(TOY, latents=2, lr_d=3e-3)
        method.discriminator = discriminator(2, width=32, hidden=2)
        optimiser = method.optimisers()["d"]
        r = 0.9
        joint = torch.linalg.cholesky(torch.tensor([[1, r], [r, 1]]))
        for _ in range(400):
            z, other = (torch.randn(2, 256, 2) @ joint.T).unbind()
            logits = method.discriminator(torch.cat([z, permuted(other)]))
            classes = torch.arange(512) >= 256
            loss = torch.nn.functional.cross_entropy(logits, classes.long())
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        z = torch.randn(4096, 2) @ joint.T
        zero = torch.zeros(())
        tc = float(method.regulariser(zero, Posterior(z, z), z).detach()) / method.gamma
        assert abs(tc + math.log(1 - r**2) / 2) < 0.15


@pytest.mark.parametrize("cls", [VAE, AnnealedVAE, BetaTCVAE, DIPVAE])
def test_the_loss_is_reconstruction_plus_the_regulariser(cls: type[VAE]) -> None:
    torch.manual_seed(0)
    method = cls(TOY)
    torch.manual_seed(1)
    ((_, loss),) = method.losses(images())
    torch.manual_seed(1)
    q = method.posterior(images().x)
    z = q.sample()
    other = type(method)(TOY)  # its step is 0 again
    rest = other.regulariser(method.logs["kl"], q, z)
    torch.testing.assert_close(loss, method.logs["reconstruction"] + rest)


def test_a_subclass_may_leave_out_a_setting_that_brings_others() -> None:
    class Fixed(VAE):
        def __init__(self, spec: Spec, *, lr: float = 1e-3) -> None:
            super().__init__(spec, lr=lr)

    assert defaults(Fixed, "dsprites") == {"lr": 1e-3}
