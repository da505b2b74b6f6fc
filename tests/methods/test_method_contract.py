"""Methods: the contract that each of them keeps, and the mathematics of those that are here."""

import copy
import inspect
import io
import math
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence

from benchmark.config.settings import parse as parse_settings
from benchmark.registry import METHODS
from benchmark.training.hardware import Precision
from benchmark.training.loop import advance
from datasets.base import Spec
from datasets.toy import SPEC as TOY
from methods import losses
from methods.base import Batch, Code, Kind, Method, Sees, defaults, settings
from methods.gan import GAN
from methods.infogan import InfoGAN
from methods.posterior import Posterior
from methods.posthoc import PostHoc
from methods.vae import VAE, BetaVAE

CPU = torch.device("cpu")
MNIST = Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), label="digit")
COLOUR = Spec("colour", (3, 24, 20), 256, ("hue", "x"), (5, 7))
SPECS = {spec.name: spec for spec in (TOY, MNIST, COLOUR)}
TRAINED = [name for name in METHODS.names() if METHODS[name].value.trains()]
N = 8


# What is switched on late, early.
SOON: dict[str, dict[str, Any]] = {"infogan_cr": {"cr_start": 1}}
# Offsets that a batch norm or the difference of two means takes away again.
IDLE = {"wgan": ["generator.0.bias", "generator.3.bias"]}
IDLE["wgan_gp"] = [*IDLE["wgan"], "critic.1.bias"]


def fits(method: str, spec: Spec) -> bool:
    return METHODS[method].value.sees != "label" or spec.label is not None


def pair(method: str, spec: str) -> Any:
    """The U-Nets of pix2pix take seconds on larger images than the toy's."""
    slow = [pytest.mark.slow] if method == "pix2pix" and spec != "toy" else []
    return pytest.param(method, spec, marks=slow)


PAIRS = [pair(m, s) for m in METHODS.names() for s in SPECS if fits(m, SPECS[s])]


def built(name: str, spec: Spec = TOY, seed: int = 0, **given: Any) -> Method:
    torch.manual_seed(seed)
    method: Method = METHODS[name].value(spec, **given)
    return method


def batch_of(spec: Spec, sees: str = "images", n: int = N) -> Batch:
    """A batch of noise, with what a method that `sees` so much is given."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randint(spec.levels, (n, *spec.shape), generator=draw) / (spec.levels - 1)
    sizes = torch.tensor(spec.factor_sizes)
    factors = (torch.rand(n, len(sizes), generator=draw) * sizes).long()
    if sees == "label":
        assert spec.label_column is not None
        factors = factors[:, spec.label_column, None]
    y = torch.rand(x.shape, generator=draw) if sees == "pairs" else None
    return Batch(
        x,
        factors if sees in ("factors", "label") else None,
        0 if sees == "one-factor" else None,
        y,
    )


def learn(method: Method, batch: Batch, steps: int = 2, precision: Precision = "float32") -> Method:
    """Take two steps, or fit in closed form."""
    torch.manual_seed(1)
    optimisers = method.train().optimisers()
    for step in range(steps if optimisers else 0):
        one = replace(batch, phase=method.phase(step))
        for name, value in advance(method, one, optimisers, precision).items():
            assert value.isfinite(), name
            assert not value.requires_grad
    if not optimisers:
        method.fit(batch)
    return method.eval()


@torch.no_grad()
def encoded(method: Method, batch: Batch) -> Tensor:
    torch.manual_seed(2)
    return method.encode(batch)


@pytest.mark.parametrize(("name", "where"), PAIRS)
class TestContract:
    def test_it_learns_encodes_decodes_saves_and_loads(self, name: str, where: str) -> None:
        spec = SPECS[where]
        batch = batch_of(spec, METHODS[name].value.sees, 24)
        method = learn(built(name, spec), batch)
        assert method.encodes or method.decodes
        if method.encodes:
            codes = encoded(method, batch)
            assert codes.shape == (24, len(method.informative))
            assert codes.float().isfinite().all()
            assert torch.equal(codes, encoded(revived(method, name, spec), batch))
            again = learn(built(name, spec), batch)
            assert torch.equal(codes, encoded(again, batch))
        if method.decodes:
            self.check_images(method, spec)
            z = method.sample(3)
            assert torch.equal(images(method, z), images(revived(method, name, spec), z))

    def check_images(self, method: Method, spec: Spec) -> None:
        torch.manual_seed(3)
        z = method.sample(5)
        assert z.shape == (5, len(method.codes))
        x = images(method, z)
        assert x.shape == (5, *spec.shape)
        assert x.min() >= 0
        assert x.max() <= 1
        assert x.std(0).max() > 0, "every z gives the same image"

    def test_codes_are_named_once_and_noise_comes_last(self, name: str, where: str) -> None:
        method = built(name, SPECS[where])
        names = [code.name for code in method.codes]
        assert len(set(names)) == len(names) > 0
        assert method.codes[: len(method.informative)] == method.informative
        for code in method.codes:
            assert code.kind in get_args(Kind)
            assert (code.size > 1) == (code.kind in ("categorical", "ordinal"))


@torch.no_grad()
def images(method: Method, z: Tensor) -> Tensor:
    return method.decode(z)


def revived(method: Method, name: str, spec: Spec) -> Method:
    """The method after a file of its weights."""
    file = io.BytesIO()
    torch.save(method.state_dict(), file)
    file.seek(0)
    other = built(name, spec, seed=9)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other.eval()


@pytest.mark.parametrize("name", METHODS.names())
class TestDeclared:
    def test_supervision(self, name: str) -> None:
        assert METHODS[name].value.sees in get_args(Sees)

    def test_source(self, name: str) -> None:
        assert "https://" in METHODS[name].source or name == "random"
        assert METHODS[name].value.__doc__

    def test_steps_of_the_paper(self, name: str) -> None:
        cls = METHODS[name].value
        assert cls.trains() == bool(built(name).optimisers())
        assert not cls.trains() or cls.paper_steps[""] > 0
        assert all(n >= 0 for n in cls.paper_steps.values())

    def test_settings_of_the_paper(self, name: str) -> None:
        """Each is a hyper-parameter, of its type, and differs from the default."""
        cls = METHODS[name].value
        tables = [(dict([text.split("=")]), of) for text, of in cls.settings_with.items()]
        for given, table in [({}, cls.paper_settings), *tables]:
            assert "" in table
            for where, values in table.items():
                for setting, value in values.items():
                    usual = settings(cls)[setting].default
                    assert type(value) is type(usual)
                    assert value != usual
                    assert defaults(cls, where, given)[setting] == value

    def test_every_setting_can_be_set(self, name: str) -> None:
        """Its default, written as on the command line, is read back as itself."""
        for setting, parameter in settings(METHODS[name].value).items():
            assert parameter.default is not parameter.empty, setting
            text = str(parameter.default)
            text = text.lower() if isinstance(parameter.default, bool) else text
            read = parse_settings([f"{name}.{setting}={text}"], [name])[name][setting]
            assert read == [parameter.default]
            assert type(read[0]) is type(parameter.default)

    def test_every_setting_is_kept(self, name: str) -> None:
        """A number that is given arrives: nothing is written over on the way."""
        for setting, parameter in settings(METHODS[name].value).items():
            other = another(parameter)
            spec = MNIST if setting == "nets" else TOY
            method, usual = built(name, spec, **{setting: other}), built(name, spec)
            if setting == "latents":
                assert len(method.codes) - len(usual.codes) == other - parameter.default
            else:
                assert getattr(method, setting) == other, setting


def another(parameter: inspect.Parameter) -> Any:
    """A value that is not the default."""
    if parameter.annotation is bool:
        return not parameter.default
    if get_origin(parameter.annotation) is Literal:
        return get_args(parameter.annotation)[1]
    return 3


class TestStep:
    @pytest.mark.parametrize("name", TRAINED)
    def test_every_weight_moves(self, name: str) -> None:
        method = built(name, **SOON.get(name, {}))
        before = copy.deepcopy(method.state_dict())
        learn(method, batch_of(TOY, method.sees), 2, "bfloat16")
        still = [
            k
            for k, _ in method.named_parameters()
            if torch.equal(before[k], method.state_dict()[k])
        ]
        assert still == IDLE.get(name, [])


class Every(Method):
    """A prior of every kind."""

    def __init__(self, *codes: Code) -> None:
        super().__init__()
        self.codes = codes


class TestPrior:
    def test_moments_and_frequencies(self) -> None:
        method = Every(
            Code("a", "categorical", 10),
            Code("b", "normal"),
            Code("c", "uniform"),
            Code("d", "categorical", 3),
            Code("e", "normal"),
            Code("f", "noise"),
        )
        torch.manual_seed(0)
        z = method.sample(20_000).double().numpy()
        for column, size in ((0, 10), (3, 3)):
            values, counts = np.unique(z[:, column], return_counts=True)
            assert values.tolist() == list(range(size))
            assert stats.chisquare(counts).pvalue > 1e-3
        for column in (1, 4):
            assert stats.kstest(z[:, column], stats.norm.cdf).pvalue > 1e-3
        for column in (2, 5):
            assert abs(z[:, column]).max() < 1
            assert stats.kstest(z[:, column], stats.uniform(-1, 2).cdf).pvalue > 1e-3
        correlations = torch.corrcoef(torch.tensor(z.T)) - torch.eye(6)
        assert correlations.abs().max() < 5 / math.sqrt(20_000)

    def test_the_largest_draw_is_the_last_category(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Rounding must not make a category that does not exist."""
        sizes = range(2, 200)
        method = Every(*(Code(f"c{size}", "categorical", size) for size in sizes))
        largest = 1 - 2**-24
        monkeypatch.setattr(torch, "rand", lambda *shape, device: torch.full(shape, largest))
        assert method.sample(1).tolist() == [[size - 1 for size in sizes]]

    @pytest.mark.parametrize("name", METHODS.names())
    def test_every_method_draws_its_own_codes(self, name: str) -> None:
        method = built(name)
        z = method.sample(500)
        assert z.shape == (500, len(method.codes))
        for code, column in zip(method.codes, z.T, strict=True):
            if code.kind == "categorical":
                assert sorted(column.unique().tolist()) == list(range(code.size))
            if code.kind in ("uniform", "noise"):
                assert -1 <= column.min() < -0.9 < 0.9 < column.max() <= 1
            if code.kind == "normal":
                assert column.abs().max() > 1.5


LAYOUTS = [
    (Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), "digit"), (10,), 2, 74),
    (Spec("svhn", (3, 32, 32), 256, ("digit",), (10,), "digit"), (10,) * 4, 4, 168),
    (Spec("celeba_32", (3, 32, 32), 256, (), ()), (10,) * 10, 0, 228),
    (Spec("faces3d_32", (1, 32, 32), 256, ("pose",), (9,)), (), 5, 133),
    (Spec("chairs", (1, 64, 64), 256, ("angle",), (31,)), (20,) * 3, 1, 189),
    (Spec("dsprites", (1, 64, 64), 2, ("shape",), (3,), "shape"), (3,), 5, 13),
    (Spec("unheard-of", (3, 20, 36), 256, (), ()), (), 5, 10),
]


class TestInfoGAN:
    @pytest.mark.parametrize(
        ("spec", "categorical", "continuous", "inputs"),
        LAYOUTS,
        ids=lambda v: str(getattr(v, "name", "")),
    )
    def test_layout(
        self, spec: Spec, categorical: tuple[int, ...], continuous: int, inputs: int
    ) -> None:
        method = InfoGAN(spec, **defaults(InfoGAN, spec.name))
        assert method.generator[0].in_features == inputs  # type: ignore[index]
        assert tuple(c.size for c in method.codes if c.kind == "categorical") == categorical
        assert sum(code.kind == "uniform" for code in method.codes) == continuous
        z = method.sample(2)
        x = method.decode(z)
        assert x.shape == (2, *spec.shape)
        discrete, mean = method.read(method.trunk(x))
        assert [logits.shape for logits in discrete] == [(2, size) for size in categorical]
        assert mean.shape == (2, continuous)
        assert method.head(method.trunk(x)).shape == (2, 1)
        assert method.encode(Batch(x)).shape == (2, len(categorical) + continuous)

    @pytest.mark.parametrize("spec", [TOY, LAYOUTS[1][0], LAYOUTS[2][0], LAYOUTS[3][0]])
    def test_information_is_equation_5(self, spec: Spec) -> None:
        method = InfoGAN(spec, lam=0.3, lam_continuous=0.7)
        z = method.sample(N)
        features = method.trunk(batch_of(spec).x)
        discrete, mean = method.read(features)
        expected = torch.zeros(())
        for i, logits in enumerate(discrete):
            log_q = log_p(Categorical(logits=logits), z[:, i]).mean()
            expected = expected + 0.3 * (log_q + math.log(method.sizes[i]))
        c = z[:, len(discrete) : len(discrete) + mean.shape[1]]
        log_q = log_p(Normal(mean, 1), c).sum(1).mean()
        expected = expected + 0.7 * (log_q + mean.shape[1] * math.log(2))
        torch.testing.assert_close(method.information(features, z), expected)
        logged = 0.3 * method.logs["L_I"] + 0.7 * method.logs["L_I_continuous"]
        torch.testing.assert_close(logged, expected.detach())

    def test_generator_gets_one_hot_codes(self) -> None:
        method, seen = InfoGAN(TOY), []
        method.generator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        z = method.sample(N)
        method.decode(z)
        assert torch.equal(seen[0][:, :3].argmax(1), z[:, 0].long())
        assert torch.equal(seen[0][:, :3].sum(1), torch.ones(N))
        assert torch.equal(seen[0][:, 3:], z[:, 1:])

    @pytest.mark.parametrize("inform", [True, False])
    def test_whom_the_information_moves(self, inform: bool) -> None:
        """Gradients with a large lambda beside those without: Q's differ, the others' may."""
        found = [self.gradients(inform, lam) for lam in (0.0, 100.0)]
        moved = {
            player: any(not torch.equal(a, b) for a, b in zip(*pair, strict=True))
            for player, pair in ((p, (found[0][p], found[1][p])) for p in found[0])
        }
        assert moved == {"q": True, "head": False, "trunk": inform, "generator": inform}

    def gradients(self, inform: bool, lam: float) -> dict[str, tuple[Tensor, ...]]:
        torch.manual_seed(0)
        method = InfoGAN(TOY, lam=lam, lam_continuous=lam, inform=inform)
        torch.manual_seed(1)
        game = method.losses(batch_of(TOY))
        (_, d), (_, g) = next(game), next(game)
        modules = {"q": method.q, "head": method.head, "trunk": method.trunk}
        parts = {
            name: torch.autograd.grad(d, list(module.parameters()), retain_graph=True)
            for name, module in modules.items()
        }
        return parts | {"generator": torch.autograd.grad(g, list(method.generator.parameters()))}

    def test_encode_is_the_likeliest_category(self) -> None:
        method = InfoGAN(TOY).eval()
        batch = batch_of(TOY)
        discrete, mean = method.read(method.trunk(batch.x))
        codes = method.encode(batch)
        assert torch.equal(codes[:, 0].long(), discrete[0].argmax(1))
        assert torch.equal(codes[:, 1:], mean)


class TestVAE:
    def test_the_loss_is_reconstruction_plus_beta_kl(self) -> None:
        method = BetaVAE(TOY, beta=7.0)
        batch = batch_of(TOY)
        torch.manual_seed(5)
        ((name, loss),) = method.losses(batch)
        torch.manual_seed(5)
        mu, logvar = method.encoder(batch.x).chunk(2, 1)
        q = Normal(mu, (logvar / 2).exp())
        z = q.mean + q.stddev * torch.randn(N, 10)
        log_likelihood = log_p(Bernoulli(logits=method.decoder(z)), batch.x).flatten(1).sum(1)
        kl = kl_divergence(q, Normal(0.0, 1.0)).sum(1)
        expected = (-log_likelihood + 7 * kl).mean()
        assert name == "elbo"
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(method.logs["kl"], kl.mean().detach())
        own = list(method.parameters())
        gradients = (torch.autograd.grad(one, own, retain_graph=True) for one in (loss, expected))
        for a, b in zip(*gradients, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)

    def test_beta_1_is_the_vae(self) -> None:
        batch = batch_of(TOY)
        one = learn(built("vae"), batch, 3)
        other = learn(built("betavae", beta=1.0), batch, 3)
        four = learn(built("betavae"), batch, 3)
        pairs = list(zip(one.parameters(), other.parameters(), four.parameters(), strict=True))
        assert all(torch.equal(a, b) for a, b, _ in pairs)
        assert not all(torch.equal(a, c) for a, _, c in pairs)

    def test_posterior_and_decoder_are_the_codes_own(self) -> None:
        method = VAE(TOY).eval()
        batch = batch_of(TOY)
        mu = method.posterior(batch.x).mean
        assert mu.shape == (N, 10)
        assert torch.equal(method.encode(batch), mu)
        expected = Bernoulli(logits=method.decoder(mu)).mean
        torch.testing.assert_close(method.decode(mu), expected)


class TestGAN:
    def test_the_losses_are_those_of_the_paper(self) -> None:
        method = GAN(MNIST).eval()  # a spectral norm in training changes with every look
        batch = batch_of(MNIST)
        torch.manual_seed(4)
        (_, d), (_, g) = method.losses(batch)
        torch.manual_seed(4)
        fake = method.decode(method.sample(N))
        real, false = (torch.sigmoid(method.discriminator(x)) for x in (batch.x, fake))
        torch.testing.assert_close(d, -(real.log().mean() + (1 - false).log().mean()))
        torch.testing.assert_close(g, -false.log().mean())

    def test_the_post_hoc_encoder_leaves_the_generator_alone(self) -> None:
        generator = built("gan")
        before = copy.deepcopy(generator.state_dict())
        reader = learn(PostHoc(TOY, generator), batch_of(TOY), 2)
        after = generator.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert all(not name.startswith("_generator") for name in reader.state_dict())
        assert reader.encode(batch_of(TOY)).shape == (N, 10)

    def test_the_post_hoc_encoder_reads_what_is_legible(self) -> None:
        """A generator whose image shows its code: the error falls from Var z = 1 to near 0."""
        reader = PostHoc(TOY, Plain())
        optimisers = reader.train().optimisers()
        torch.manual_seed(0)
        before = float(reader.error(reader.sample(256, CPU)).detach().mean())
        for _ in range(150):
            advance(reader, batch_of(TOY, n=32), optimisers, "float32")
        after = float(reader.error(reader.sample(256, CPU)).detach().mean())
        assert before > 0.8
        assert after < 0.25


class Plain(Method):
    """Writes its one code as the grey of the image."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = (Code("z1", "normal"),)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(z)[:, :, None, None].expand(-1, 1, 16, 16)


class TestReference:
    def test_principal_components_are_those_of_the_pixels(self) -> None:
        batch = batch_of(TOY, n=400)
        codes = encoded(learn(built("pca"), batch), batch).double()
        x = batch.x.flatten(1).double()
        values = torch.linalg.svdvals(x - x.mean(0))[:10]
        torch.testing.assert_close(codes.mean(0), torch.zeros(10).double(), rtol=0, atol=1e-5)
        torch.testing.assert_close(codes.T @ codes, values.square().diag(), rtol=1e-4, atol=1e-2)

    def test_independent_components_are_white_and_less_gaussian(self) -> None:
        torch.manual_seed(0)
        sources = torch.rand(2000, 2)
        x = torch.zeros(2000, 1, 16, 16)
        x[:, 0, :8] = (sources[:, :1] * 0.6 + sources[:, 1:] * 0.4)[:, :, None]
        x[:, 0, 8:] = (sources[:, :1] * 0.3 + sources[:, 1:] * 0.7)[:, :, None]
        codes = encoded(learn(built("ica", latents=2), Batch(x)), Batch(x))
        match = torch.corrcoef(torch.cat([codes, sources], 1).T)[:2, 2:].abs()
        assert match.max(1).values.min() > 0.99
        assert sorted(match.argmax(1).tolist()) == [0, 1]

    def test_truth_is_the_factors(self) -> None:
        batch = batch_of(TOY, "factors")
        assert batch.factors is not None
        assert torch.equal(built("truth").encode(batch).long(), batch.factors)

    @pytest.mark.parametrize("spec", [TOY, MNIST])
    def test_pixels_are_whole_numbers(self, spec: Spec) -> None:
        batch = batch_of(spec)
        codes = built("pixels", spec).encode(batch)
        assert codes.dtype == torch.uint8
        assert codes.max() == spec.levels - 1
        torch.testing.assert_close(codes / (spec.levels - 1), batch.x.flatten(1))

    def test_random_codes_do_not_look(self) -> None:
        method = built("random")
        one = encoded(method, batch_of(TOY))
        assert torch.equal(one, encoded(method, Batch(torch.zeros(N, 1, 16, 16))))
        assert not torch.equal(one, method.encode(batch_of(TOY)))

    def test_untrained_is_the_vae_before_its_first_step(self) -> None:
        batch = batch_of(TOY)
        assert torch.equal(built("untrained").encode(batch), built("vae").encode(batch))


def log_p(distribution: Any, value: Tensor) -> Tensor:
    """The log-density; torch.distributions has no types."""
    found: Tensor = distribution.log_prob(value)
    return found


POSTERIORS = [name for name in METHODS.names() if built(name).has_posterior]


class TestPosterior:
    @pytest.mark.parametrize("name", POSTERIORS)
    def test_what_is_sampled_has_the_mean_and_deviation_that_are_stated(self, name: str) -> None:
        """In training, by what the decoder or the classifier is given; of images alike."""
        n = 1024
        method, seen = built(name, **UNCLAMPED.get(name, {})), list[Tensor]()
        spread_scales(method)
        batch = batch_of(TOY, method.sees, 1)
        y = None if batch.y is None else batch.x  # a pair that agrees is averaged into itself
        parts = (batch.x, batch.factors, y)
        x, factors, y = (None if part is None else part.repeat_interleave(n, 0) for part in parts)
        assert x is not None
        part = method.classifier if name == "vib" else method.decoder
        assert isinstance(part, nn.Module)
        part.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        q = method.posterior(batch.x)
        assert torch.equal(q.mean, method.encode(batch))
        assert q.scale.max() > 1.5 * q.scale.min()
        with torch.no_grad():
            list(method.losses(Batch(x, factors, batch.active, y)))
        z = seen[0]
        torch.testing.assert_close(
            z.mean(0), q.mean[0], rtol=0, atol=0.15 * float(q.scale.detach().max())
        )
        torch.testing.assert_close(z.std(0), q.scale[0], rtol=0.15, atol=0)

    def test_it_is_a_normal_distribution(self) -> None:
        q = Posterior(torch.randn(N, 5), torch.rand(N, 5) + 0.1)
        normal = Normal(q.mean, q.scale)
        torch.testing.assert_close(q.kl(), kl_divergence(normal, Normal(0.0, 1.0)).mean(0))
        z = torch.randn(N, 5)
        torch.testing.assert_close(q.log_prob(z), log_p(normal, z))
        assert Posterior(torch.zeros(1, 1), torch.ones(1, 1)).kl().item() == 0


UNCLAMPED: dict[str, dict[str, Any]] = {"dcign": {"clamp": "none"}}


@torch.no_grad()
def spread_scales(method: Method) -> None:
    """Give the latents' deviations a range: an untrained encoder states much the same for all."""
    *_, bias = method.encoder.parameters()  # type: ignore[union-attr]
    assert isinstance(bias, Tensor)
    bias += torch.linspace(-2, 5, len(bias))


class TestLosses:
    @pytest.mark.parametrize("scale", [0.1, 3.0, 40.0])
    def test_bernoulli(self, scale: float) -> None:
        """In bfloat16 only the logits are rounded: value and gradient are float32's at them."""
        short = (torch.randn(N, 2, 5, 5) * scale).bfloat16().requires_grad_()
        long = short.detach().float().requires_grad_()
        x = torch.rand(N, 2, 5, 5)
        expected = -log_p(Bernoulli(logits=long, validate_args=False), x).sum() / N
        (gradient,) = torch.autograd.grad(expected * 3, long)
        for logits in (long, short):
            value = losses.bernoulli(logits, x)
            assert value.dtype == torch.float32
            torch.testing.assert_close(value, expected)
            (own,) = torch.autograd.grad(value * 3, logits)
            assert own.dtype == logits.dtype
            torch.testing.assert_close(own.float(), gradient, rtol=1e-2, atol=1e-4)

    def test_gaussian(self) -> None:
        mu, c = torch.randn(2, N, 5)
        expected = -log_p(Normal(mu, 1), c).sum(1).mean()
        torch.testing.assert_close(losses.gaussian_nll(mu, c), expected)
        assert losses.gaussian_nll(mu[:, :0], c[:, :0]).item() == 0

    def test_the_game(self) -> None:
        real, fake = torch.randn(2, N, 1) * 3
        ones, zeros = torch.ones(N, 1), torch.zeros(N, 1)
        entropy = F.binary_cross_entropy_with_logits
        expected = entropy(real, ones) + entropy(fake, zeros)
        torch.testing.assert_close(losses.discriminator(real, fake), expected)
        torch.testing.assert_close(losses.non_saturating(fake), entropy(fake, ones))
        assert losses.discriminator(real.bfloat16(), fake.bfloat16()).dtype == torch.float32
