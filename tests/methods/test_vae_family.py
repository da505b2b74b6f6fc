"""What each method of the beta-VAE family asks of its codes, beside its paper's equation."""

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MixtureSameFamily, Normal

from datasets.toy import SPEC as TOY
from methods.annealedvae import AnnealedVAE
from methods.base import Batch
from methods.betatcvae import BetaTCVAE, total_correlation
from methods.dipvae import DIPVAE
from methods.factorvae import FactorVAE, discriminator, permuted
from methods.posterior import Posterior
from methods.vae import VAE

B, L = 64, 10


def posteriors(b: int = B) -> tuple[Tensor, Posterior, Tensor]:
    """The three arguments of `regulariser`: kl, q, z."""
    torch.manual_seed(3)
    mean, logvar, noise = torch.randn(3, b, L)
    q = Posterior(mean, torch.exp(logvar / 2))
    return torch.tensor(20.0), q, q.mean + q.scale * noise


def images(n: int = B) -> Batch:
    return Batch(torch.rand(n, *TOY.shape, generator=torch.Generator().manual_seed(1)).round())


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
