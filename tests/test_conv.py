"""Convolutions: ours beside torch's own modules."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmark.training.hardware import Precision, autocast
from methods import nets
from methods.conv import Conv, Rectified, UpConv, _Down, _Up

CPU = torch.device("cpu")

Shapes = tuple[int, int, int, int]


class TestConv:
    """`Conv` and `UpConv` beside torch's own modules."""

    @pytest.mark.parametrize("shape", [(2, 3, 6, 8), (1, 1, 2, 2), (3, 2, 4, 10)])
    @pytest.mark.parametrize("bias", [True, False])
    @pytest.mark.parametrize("up", [False, True])
    def test_the_mathematics(self, shape: Shapes, bias: bool, up: bool) -> None:
        n, c, h, w = shape
        torch.manual_seed(0)
        weight = torch.randn(5, c, 4, 4).double().requires_grad_()
        size = (n, 5, h // 2, w // 2) if up else shape
        x = torch.randn(size).double().requires_grad_()
        offset = torch.randn(c if up else 5).double().requires_grad_() if bias else None
        inputs = [x, weight, *([] if offset is None else [offset])]
        ours = (_Up if up else _Down).apply(x, weight, offset)
        theirs = (F.conv_transpose2d if up else F.conv2d)(x, weight, offset, 2, 1)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
        direction = torch.randn_like(theirs)
        mine, right = (torch.autograd.grad(y, inputs, direction) for y in (ours, theirs))
        for a, b in zip(mine, right, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("function", [_Down, _Up])
    def test_first_and_second_derivatives(self, function: type[torch.autograd.Function]) -> None:
        torch.manual_seed(0)
        size, offsets = ((1, 2, 4, 2), 3) if function is _Down else ((1, 3, 2, 1), 2)
        inputs = (
            torch.randn(size).double().requires_grad_(),
            torch.randn(3, 2, 4, 4).double().requires_grad_(),
            torch.randn(offsets).double().requires_grad_(),
        )
        assert torch.autograd.gradcheck(function.apply, inputs)
        assert torch.autograd.gradgradcheck(function.apply, inputs)

    @pytest.mark.parametrize("size", [(1, 32, 32), (32, 64, 16), (64, 1, 8)])
    @pytest.mark.parametrize("kind", [Conv, UpConv])
    def test_bfloat16_is_near_float32_and_deterministic(
        self, kind: type[Conv] | type[UpConv], size: tuple[int, int, int]
    ) -> None:
        inputs, outputs, side = size
        ours = pair(kind, inputs, outputs, 4, 2, 1)[0]
        x = torch.randn(8, inputs, side, side)
        direction = torch.randn_like(ours(x).detach())
        exact = derivatives(ours, x, direction, "float32")
        found = derivatives(ours, x, direction, "bfloat16")
        assert found[0].dtype == torch.bfloat16
        assert found[0].is_contiguous(memory_format=torch.channels_last)
        for a, b in zip(found, exact, strict=True):
            assert a.shape == b.shape
            assert (a.float() - b).norm() / b.norm() < 0.02
        for a, b in zip(found, derivatives(ours, x, direction, "bfloat16"), strict=True):
            assert torch.equal(a, b)

    @pytest.mark.parametrize("kind", [Conv, UpConv])
    def test_the_same_parameters(self, kind: type[Conv] | type[UpConv]) -> None:
        """A file of either can be read by the other."""
        ours, theirs = pair(kind, 3, 5, 4, 2, 1)
        one, other = ours.state_dict(), theirs.state_dict()
        assert list(one) == list(other)
        assert all(torch.equal(one[name], other[name]) for name in one)

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    @pytest.mark.parametrize(
        ("kind", "side", "kernel", "stride", "padding"),
        [
            (Conv, 9, 4, 2, 1),
            (Conv, 9, 3, 1, 0),
            (Conv, 8, 4, 2, 0),
            (Conv, 8, 4, 1, 1),
            (UpConv, 5, 3, 1, 0),
            (UpConv, 5, 4, 1, 1),
            (UpConv, 4, 2, 2, 0),
        ],
    )
    def test_other_cases_are_torchs_own(
        self,
        kind: type[Conv] | type[UpConv],
        side: int,
        kernel: int,
        stride: int,
        padding: int,
        precision: Precision,
    ) -> None:
        ours, theirs = pair(kind, 2, 3, kernel, stride, padding)
        x = torch.randn(2, 2, side, side)
        with autocast(CPU, precision):
            assert torch.equal(ours(x), theirs(x))

    def test_other_options_are_torchs_own(self) -> None:
        x = torch.randn(2, 4, 8, 8)
        with autocast(CPU, "bfloat16"):
            for given in ({"groups": 2}, {"dilation": 2}, {"padding_mode": "circular"}):
                ours, theirs = pair(Conv, 4, 4, 4, 2, 1, **given)
                assert torch.equal(ours(x), theirs(x)), given
            for given in ({"groups": 2}, {"output_padding": 1}):
                ours, theirs = pair(UpConv, 4, 4, 4, 2, 1, **given)
                assert torch.equal(ours(x), theirs(x)), given
            ours, theirs = pair(UpConv, 4, 4, 4, 2, 1)
            assert torch.equal(ours(x, [17, 17]), theirs(x, [17, 17]))

    def test_odd_images_can_be_made_larger(self) -> None:
        ours, theirs = pair(UpConv, 2, 3, 4, 2, 1)
        x = torch.randn(2, 2, 3, 5)
        with autocast(CPU, "bfloat16"):
            y = ours(x)
        assert y.shape == (2, 3, 6, 10)
        torch.testing.assert_close(y.float(), theirs(x), rtol=0.05, atol=0.02)


class TestRectified:
    """`Rectified` beside `nn.Sequential`."""

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    @pytest.mark.parametrize("wanted", [False, True])
    def test_the_same_numbers(self, precision: Precision, wanted: bool) -> None:
        torch.manual_seed(0)
        ours = nets.encoder((1, 32, 24), 6)
        assert isinstance(ours, Rectified)
        x = torch.randn(5, 1, 32, 24)
        with torch.set_grad_enabled(wanted), autocast(CPU, precision):
            found, expected = ours(x), nn.Sequential(*ours)(x)
        assert found.requires_grad == wanted
        torch.testing.assert_close(found, expected, rtol=0.02, atol=1e-3)
        if wanted:
            weights = list(ours.parameters())
            one, other = (torch.autograd.grad(y.sum(), weights) for y in (found, expected))
            torch.testing.assert_close(one, other)

    def test_any_order_of_layers(self) -> None:
        """A ReLU that is first, one that is alone, and one that comes twice."""
        torch.manual_seed(0)
        convs = [Conv(2, 2, 4, 2, 1), Conv(2, 2, 4, 2, 1)]
        layers = [nn.ReLU(), convs[0], convs[1], nn.ReLU(), nn.ReLU(), nn.Tanh(), nn.ReLU()]
        x = torch.randn(3, 2, 16, 16)
        with torch.no_grad(), autocast(CPU, "bfloat16"):
            found, expected = Rectified(*layers)(x), nn.Sequential(*layers)(x)
        assert (expected == 0).any()
        assert (expected > 0).any()
        torch.testing.assert_close(found, expected, rtol=0.02, atol=1e-3)


def pair(kind: type[Conv] | type[UpConv], *shape: int, **given: Any) -> tuple[nn.Module, nn.Module]:
    """Our module and torch's, initialised from the same seed."""
    made: list[nn.Module] = []
    theirs = nn.Conv2d if kind is Conv else nn.ConvTranspose2d
    makers: list[Callable[..., nn.Module]] = [kind, theirs]
    for make in makers:
        torch.manual_seed(0)
        made.append(make(*shape, **given))
    return made[0], made[1]


def derivatives(
    module: nn.Module, x: Tensor, direction: Tensor, precision: Precision
) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with autocast(CPU, precision):
        y: Tensor = module(x)
    inputs = [x, *module.parameters()]
    return [y.detach(), *torch.autograd.grad(y, inputs, direction.to(y.dtype))]
