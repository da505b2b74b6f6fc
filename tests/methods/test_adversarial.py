"""The mathematics of the adversarial methods beside the equations of their papers."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.registry import METHODS
from datasets.base import Spec
from datasets.toy import SPEC as TOY
from methods.base import Batch, Method, defaults
from methods.cgan import CGAN
from methods.dcgan import DCGAN
from methods.gan import GAN
from methods.infogan import InfoGAN
from methods.infogan_cr import InfoGANCR
from methods.maxout import DecayingSGD, Maxout
from methods.pix2pix import Pix2Pix, patch_gan
from methods.wgan import WGAN
from methods.wgan_gp import WGANGP, gradient_norm

N = 8
MNIST = Spec("mnist", (1, 28, 28), 256, ("digit",), (10,), label="digit")
SVHN = Spec("svhn", (3, 32, 32), 256, ("digit",), (10,), label="digit")


def images(n: int = N, shape: tuple[int, ...] = TOY.shape) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(1))


def inputs(module: nn.Module) -> list[Tensor]:
    """What the module is given from now on."""
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    return seen


@pytest.mark.parametrize(
    ("name", "latents", "batch"),
    [("gan", 100, 100), ("cgan", 100, 100), ("wgan", 100, 64), ("wgan_gp", 128, 50)],
)
def test_the_papers_networks_have_its_latents_and_batch(
    name: str, latents: int, batch: int
) -> None:
    cls = METHODS[name].value
    method = cls(MNIST, **defaults(cls, "mnist", {"nets": "paper"}))
    assert sum(code.name.startswith("z") for code in method.codes) == latents
    assert method.batch_size == batch


TANH: list[tuple[type[Method], dict[str, Any]]] = [
    (DCGAN, {"width": 4}),
    (WGAN, {"nets": "paper", "n_critic": 1}),
    (InfoGAN, {"nets": "paper"}),
    (Pix2Pix, {"width": 4}),
]


@pytest.mark.parametrize(("cls", "given"), TANH)
class TestTanh:
    """Papers whose generators end in tanh."""

    def test_networks_see_images_in_minus_1_to_1(self, cls: Any, given: dict[str, Any]) -> None:
        """Black is -1; generated images, first grey, are about 0."""
        method, black = cls(SVHN, **given), torch.zeros(N, *SVHN.shape)
        convolutions = [m for m in method.modules() if isinstance(m, nn.Conv2d)]
        looks = [inputs(layer) for layer in convolutions if layer.in_channels in (3, 6)]
        list(method.losses(Batch(black, y=black)))
        seen = [x for look in looks for whole in look for x in whole.chunk(whole.shape[1] // 3, 1)]
        real = [x for x in seen if torch.equal(x, black - 1)]
        fake = [x for x in seen if abs(x.mean()) < 0.2]
        assert real
        assert fake
        assert len(real) + len(fake) == len(seen)

    def test_images_are_tanh(self, cls: Any, given: dict[str, Any]) -> None:
        method, last = cls(SVHN, **given), list[Tensor]()
        ups = [m for m in method.generator.modules() if isinstance(m, nn.ConvTranspose2d)]
        nn.init.normal_(ups[-1].weight)
        ups[-1].register_forward_hook(lambda module, args, output: last.append(output))
        pairs = isinstance(method, Pix2Pix)
        x = method.translate(images(N, SVHN.shape)) if pairs else method.decode(method.sample(N))
        torch.testing.assert_close(x, (last[0].tanh() + 1) / 2)
        assert x.std() > 0.1


class TestFirstGAN:
    def test_maxout_is_the_largest_piece(self) -> None:
        layer, x = Maxout(6, 4, 5), torch.randn(N, 6)
        pieces = (x @ layer.linear.weight.T + layer.linear.bias).reshape(N, 4, 5)
        assert torch.equal(layer(x), pieces.max(2).values)

    def test_the_networks_are_those_of_the_paper(self) -> None:
        method = GAN(MNIST, nets="paper", latents=100)
        assert [tuple(p.shape) for p in method.generator.parameters() if p.ndim == 2] == [
            (1200, 100),
            (1200, 1200),
            (784, 1200),
        ]
        pieces = [tuple(p.shape) for p in method.discriminator.parameters() if p.ndim == 2]
        assert pieces == [(1200, 784), (1200, 240), (1, 240)]

    def test_the_papers_generator_is_given_a_uniform_z_of_variance_1(self) -> None:
        """As noise 'uniform' in https://github.com/goodfeli/adversarial."""
        torch.manual_seed(0)
        method = GAN(MNIST, nets="paper")
        seen = inputs(method.generator[1])  # type: ignore[index]
        method.decode(method.sample(500))
        assert seen[0].abs().max() == pytest.approx(math.sqrt(3), rel=1e-2)
        assert seen[0].var() == pytest.approx(1, rel=0.05)

    def test_the_papers_rates(self) -> None:
        """The published loss of D is halved, and descent is plain."""
        found = GAN(MNIST, nets="paper").optimisers()
        assert {k: o.param_groups[0]["lr"] for k, o in found.items()} == {"d": 0.05, "g": 0.1}

    def test_the_schedule(self) -> None:
        weight = nn.Parameter(torch.ones(1))
        optimiser = DecayingSGD([weight], 0.1, 1.1, saturate=4)
        seen = []
        for _ in range(200):
            weight.grad = torch.zeros(1)
            optimiser.step()
            seen.append(tuple(map(float, optimiser.schedule(weight))))
        assert seen[0] == pytest.approx((0.1 / 1.1, 0.55))
        assert seen[3] == pytest.approx((0.1 / 1.1**4, 0.7))
        assert seen[-1] == pytest.approx((1e-6, 0.7))

    def test_the_schedule_is_saved(self) -> None:
        weight = nn.Parameter(torch.ones(1))
        one, other = (DecayingSGD([weight], 0.1, 1.1) for _ in range(2))
        weight.grad = torch.zeros(1)
        one.step()
        other.load_state_dict(one.state_dict())
        assert other.schedule(weight) == one.schedule(weight)
        assert other.schedule(weight)[0] == pytest.approx(0.1 / 1.1)


class TestCGAN:
    @pytest.mark.parametrize("nets", ["shared", "paper"])
    def test_both_players_hear_the_label(self, nets: Any) -> None:
        torch.manual_seed(0)
        method = CGAN(TOY, nets=nets).eval()
        z = method.sample(1).repeat(3, 1)
        z[:, 0] = torch.arange(3.0)
        x = method.decode(z)
        assert not torch.equal(x[0], x[1])
        x, hot = images(1).repeat(3, 1, 1, 1), method.hot(torch.arange(3))
        assert len(set(method.discriminator(x, hot)[:, 0].tolist())) == 3

    def test_the_papers_z_is_in_the_unit_hypercube(self) -> None:
        method = CGAN(TOY, nets="paper")
        seen = inputs(method.generator.z)  # type: ignore[arg-type]
        method.decode(method.sample(500))
        assert 0 <= seen[0].min() < 0.01 < 0.99 < seen[0].max() <= 1

    def test_fakes_have_the_labels_of_the_batch(self) -> None:
        method, seen = CGAN(TOY), []
        method.generator.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        label = torch.arange(N)[:, None] % 3
        list(method.losses(Batch(images(), label)))
        assert torch.equal(seen[0].argmax(1), label[:, 0])
        assert torch.equal(seen[0].sum(1), torch.ones(N))


class TestDCGAN:
    @pytest.mark.parametrize("side", [16, 28, 64])
    def test_the_guidelines(self, side: int) -> None:
        method = DCGAN(Spec("x", (3, side, side), 256, (), ()))
        kinds = (nn.Linear, nn.MaxPool2d, nn.Upsample)
        assert not [m for m in method.modules() if isinstance(m, kinds)]
        assert not [m for m in method.generator.modules() if isinstance(m, nn.LeakyReLU)]
        assert not [m for m in method.features.modules() if isinstance(m, nn.ReLU)]
        first, last = method.generator[1], method.generator[-3]
        assert isinstance(first, nn.ConvTranspose2d)
        assert isinstance(last, nn.ConvTranspose2d)
        norms = [m for m in method.generator if isinstance(m, nn.BatchNorm2d)]
        ups = [m for m in method.generator if isinstance(m, nn.ConvTranspose2d)]
        assert len(norms) == len(ups) - 1
        assert method.decode(method.sample(2)).shape == (2, 3, side, side)

    def test_its_first_weights(self) -> None:
        weights = torch.cat([p.flatten() for n, p in DCGAN(MNIST).named_parameters() if p.ndim > 2])
        assert weights.std().item() == pytest.approx(0.02, rel=0.02)

    def test_channels_are_the_papers_at_64(self) -> None:
        method = DCGAN(Spec("faces", (3, 64, 64), 256, (), ()))
        ups = [m for m in method.generator if isinstance(m, nn.ConvTranspose2d)]
        assert [m.out_channels for m in ups] == [512, 256, 128, 64, 3]


class Slope(nn.Module):
    """f(x) = slope * sum x."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x.flatten(1).sum(1, keepdim=True)


class TestWGAN:
    def test_a_step_is_n_looks_of_the_critic_and_one_of_the_generator(self) -> None:
        names = [name for name, _ in WGAN(TOY, n_critic=3).losses(Batch(images(24)))]
        assert names == ["critic"] * 3 + ["g"]

    def test_weights_stay_within_the_bound(self) -> None:
        method = WGAN(TOY, clip=0.01)
        largest = max(float(p.detach().abs().max()) for p in method.critic.parameters())
        assert largest > 0.01
        list(method.losses(Batch(images(40))))
        largest = max(float(p.detach().abs().max()) for p in method.critic.parameters())
        assert largest == pytest.approx(0.01)

    def test_the_critics_loss_is_the_distance(self) -> None:
        method = WGAN(TOY, n_critic=1).eval()
        method.critic = nn.Sequential(Slope(2.0))
        batch = Batch(images())
        torch.manual_seed(0)
        _, loss = next(iter(method.losses(batch)))
        torch.manual_seed(0)
        fake = method.decode(method.sample(N))
        expected = 2 * (fake - batch.x).flatten(1).sum(1).mean()
        torch.testing.assert_close(loss, expected, rtol=0, atol=1e-3)

    def test_the_penalty_is_that_of_the_gradients_norm(self) -> None:
        """The gradient of a sum of 256 pixels has norm 16 everywhere."""
        method = WGANGP(TOY, lam=10.0)
        method.critic = nn.Sequential(Slope(3.0))
        found = method.penalty(images(), images().flip(0))
        assert found.item() == pytest.approx(10 * (3 * 16 - 1) ** 2, rel=1e-5)
        (gradient,) = torch.autograd.grad(found, list(method.critic.parameters()))
        assert gradient.item() == pytest.approx(2 * 10 * (3 * 16 - 1) * 16, rel=1e-5)

    def test_the_gradient_is_taken_between_the_images(self) -> None:
        seen: list[Tensor] = []
        critic = nn.Sequential(Slope(1.0))
        critic.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        gradient_norm(critic, torch.zeros(N, 1, 4, 4), torch.ones(N, 1, 4, 4))
        share = seen[0].flatten(1)
        assert (share == share[:, :1]).all()
        assert len(set(share[:, 0].tolist())) == N
        assert 0 <= share.min() < share.max() <= 1

    @pytest.mark.parametrize("nets", ["shared", "paper"])
    def test_its_critic_has_no_norm_of_batches(self, nets: Any) -> None:
        critic = WGANGP(TOY, nets=nets).critic
        assert not [m for m in critic.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm1d)]


class TestInfoGANCR:
    def test_the_regulariser_is_switched_on_late(self) -> None:
        method = InfoGANCR(TOY, cr_start=2)
        batches = [Batch(images(), phase=method.phase(step)) for step in range(4)]
        steps = [[name for name, _ in method.losses(batch)] for batch in batches]
        assert steps == [["d", "g", "g"]] * 2 + [["cr", "d", "g", "g"]] * 2

    def test_a_pair_shares_one_code_and_the_noise(self) -> None:
        one, other, shared = InfoGANCR(TOY).pairs(200, torch.device("cpu"))
        same = one == other
        assert (same[:, :5].sum(1) == 1).all()
        assert torch.equal(same[:, :5].long().argmax(1), shared)
        assert same[:, :5].any(0).all()
        assert same[:, 5:].all()

    def test_a_reader_that_knows_nothing_has_the_entropy_of_the_choice(self) -> None:
        method = InfoGANCR(TOY)
        for p in method.cr[-1].parameters():
            nn.init.zeros_(p)
        one, other, shared = method.pairs(N, torch.device("cpu"))
        found = method.contrast(method.pair(one, other), shared)
        assert found.item() == pytest.approx(math.log(5))

    def test_q_is_trained_with_d_and_both_losses_hold_the_information(self) -> None:
        """As in the authors' `infogan_cr.py`: `infod_loss` and `de_loss`, Adam at 2e-3 and 1e-3."""
        method = InfoGANCR(TOY, lam=0.5)
        groups = {name: o.param_groups[0] for name, o in method.optimisers().items()}
        d = [*method.trunk.parameters(), *method.head.parameters(), *method.q.parameters()]
        assert {id(p) for p in groups["d"]["params"]} == {id(p) for p in d}
        assert [groups[name]["lr"] for name in ("cr", "d", "g")] == [2e-3, 2e-3, 1e-3]
        found = self.losses_of(method)
        method.lam = 0.0
        for one, other in zip(found, self.losses_of(method), strict=True):
            # Half of -log N(c; mu, 1) of five codes, which is at least 5/2 log(2 pi).
            assert one - other > 0.5 * 2.5 * math.log(2 * math.pi)

    def losses_of(self, method: InfoGANCR) -> list[float]:
        torch.manual_seed(0)
        return [loss.item() for _, loss in copy.deepcopy(method).losses(Batch(images()))]

    def test_the_networks_are_those_of_the_authors(self) -> None:
        method = InfoGANCR(Spec("s", (1, 64, 64), 2, ("a",), (2,)))
        kinds = [type(m).__name__ for m in method.generator]
        assert kinds[:6] == ["Linear", "ReLU", "BatchNorm1d"] * 2
        assert kinds[7:16] == ["ConvTranspose2d", "LeakyReLU", "BatchNorm2d"] * 3
        leaks = {m.negative_slope for m in method.modules() if isinstance(m, nn.LeakyReLU)}
        assert leaks == {0.2}
        names = [n for n, _ in method.named_parameters() if "parametrizations" in n]
        layers = {"trunk": 5, "head": 1, "q": 2, "cr": 5}
        assert {k: sum(n.startswith(f"{k}.") for n in names) for k in layers} == layers
        assert len(names) == sum(layers.values())


class TestPix2Pix:
    def test_the_losses_are_equation_4(self) -> None:
        batch = Batch(images(), y=images().flip(0))
        method = Pix2Pix(TOY, lam=7.0).eval()
        torch.manual_seed(3)
        (_, d), (_, g) = method.losses(batch)
        torch.manual_seed(3)
        assert batch.y is not None
        fake = method.translate(batch.x)
        real, false = (method.logits(batch.x, y).sigmoid() for y in (batch.y, fake))
        torch.testing.assert_close(d, -(real.log().mean() + (1 - false).log().mean()) / 2)
        expected = -false.log().mean() + 7 * (batch.y - fake).abs().mean()
        torch.testing.assert_close(g, expected)

    def test_each_half_alone(self) -> None:
        batch = Batch(images(), y=images())
        assert [n for n, _ in Pix2Pix(TOY, adversarial=False).losses(batch)] == ["g"]
        assert [n for n, _ in Pix2Pix(TOY, lam=0.0).losses(batch)] == ["d", "g"]

    @pytest.mark.parametrize(("halvings", "side"), [(1, 16), (2, 34), (3, 70)])
    def test_a_patch(self, halvings: int, side: int) -> None:
        """The pixels that one logit depends on."""
        net, x = patch_gan((1, 96, 96), 4, halvings).eval(), torch.rand(1, 2, 96, 96)
        logits = net(x.requires_grad_())
        middle = logits.shape[2] // 2
        (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], x)
        assert (gradient.abs().sum((0, 1, 3)) > 0).sum() == side

    def test_the_patch_is_a_setting(self) -> None:
        spec = Spec("x", (1, 64, 64), 256, ("a",), (2,))
        x = images(2, spec.shape)
        sides = [Pix2Pix(spec, width=4, d_layers=n).logits(x, x).shape[2] for n in (1, 2, 3, 4)]
        assert sides == [30, 14, 6, 2]
        assert Pix2Pix(spec, width=4).logits(x, x).shape[2] == 6

    def test_dropout_is_the_noise(self) -> None:
        method, x = Pix2Pix(MNIST).eval(), images(2, MNIST.shape)
        with torch.no_grad():
            assert not torch.equal(method.translate(x), method.translate(x))

    def test_the_skips_carry_the_image(self) -> None:
        """With the bottleneck cut off, the output still depends on the input."""
        method = Pix2Pix(Spec("x", (3, 64, 64), 256, ("a",), (2,)))
        net = method.generator
        for p in net.downs[-1].parameters():
            nn.init.zeros_(p)
        x = images(2, (3, 64, 64)).requires_grad_()
        torch.manual_seed(0)
        (gradient,) = torch.autograd.grad(method.translate(x).sum(), x)
        assert gradient.abs().max() > 0
        assert net.bottleneck == 512

    def test_a_factor_that_is_not_there(self) -> None:
        with pytest.raises(Exception, match="factor=5: toy has 4 factors"):
            Pix2Pix(TOY, factor=5)
