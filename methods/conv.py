"""Convolutions of kernel 4, stride 2, padding 1 that are fast in bfloat16 on a CPU.

`Conv` and `UpConv` are `nn.Conv2d` and `nn.ConvTranspose2d` with the same parameters, the same
initialisation and the same state_dict.  Under ``torch.autocast("cpu", torch.bfloat16)`` they
compute with three functions of the same trilinear form, sum(down(big, w) * small):

- `down(big, w)`: the convolution, (B, C, 2H, 2W) to (B, O, H, W), which oneDNN does well;
- `up(small, w)`: its transpose.  oneDNN's strided one is slow, so this is a 2x2 convolution of
  stride 1 to 4C channels, whose 2x2 blocks of pixels are then laid out as the image;
- `weigh(big, small)`: the gradient of w, which is that of the convolution for both modules:
  oneDNN's own for the transposed one takes up to four times as long.

The gradient of each is made of the other two, so any order of differentiation works.
In any other case (another device, dtype or shape) the modules are exactly torch's.
"""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FUSES: bool = torch._C._has_mkldnn and torch.ops.mkldnn._is_mkldnn_bf16_supported()
"""Whether oneDNN is there, and takes bfloat16 on this CPU."""


class _Down(torch.autograd.Function):
    """The convolution."""

    @staticmethod
    def forward(ctx: Any, big: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(big, weight)
        return F.conv2d(_last(big), _last(weight), bias, 2, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        big, weight = ctx.saved_tensors
        grad, (image, kernel, offset) = grads[0], _needs(ctx)
        return (
            _Up.apply(grad, weight, None) if image else None,
            _Weigh.apply(big, grad) if kernel else None,
            grad.sum((0, 2, 3)) if offset else None,
        )


class _Up(torch.autograd.Function):
    """The transposed convolution."""

    @staticmethod
    def forward(ctx: Any, small: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(small, weight)
        (n, _, h, w), (o, c) = small.shape, weight.shape[:2]
        # Pixel 2p - 1 + r takes kernel rows r and r + 2 from pixels p and p - 1: flipped, a 2x2
        # convolution to the channels (r, s, c) of a block of 2x2 pixels.
        kernel = weight.view(o, c, 2, 2, 2, 2).flip(2, 4).permute(3, 5, 1, 2, 4, 0)
        kernel = kernel.reshape(4 * c, 2, 2, o).permute(0, 3, 1, 2)
        bias = None if bias is None else torch.cat([bias] * 4)
        blocks = F.conv2d(_last(small), kernel, bias, 1, 1).permute(0, 2, 3, 1)
        image = torch.empty(
            (n, c, 2 * h, 2 * w), dtype=small.dtype, memory_format=torch.channels_last
        )
        pixels = image.permute(0, 2, 3, 1).view(n, h, 2, w, 2, c)
        for r, s in itertools.product((0, 1), (0, 1)):
            y, x, channel = 1 - r, 1 - s, (2 * r + s) * c
            block = blocks[:, y : h + y, x : w + x, channel : channel + c]
            pixels[:, :, y, :, x].copy_(block)
        return image

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        small, weight = ctx.saved_tensors
        grad, (image, kernel, offset) = grads[0], _needs(ctx)
        return (
            _Down.apply(grad, weight, None) if image else None,
            _Weigh.apply(grad, small) if kernel else None,
            grad.sum((0, 2, 3)) if offset else None,
        )


class _Weigh(torch.autograd.Function):
    """The gradient of the weights of either."""

    @staticmethod
    def forward(ctx: Any, big: Tensor, small: Tensor) -> Tensor:
        ctx.save_for_backward(big, small)
        return _weigh(_last(big), _last(small))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        big, small = ctx.saved_tensors
        return _Up.apply(small, grads[0], None), _Down.apply(big, grads[0], None)


def _weigh(big: Tensor, small: Tensor) -> Tensor:
    """Return the gradient (O, C, 4, 4) of a convolution's weights."""
    (_, c, h, w), o = big.shape, small.shape[1]
    if c > 1 and h * w <= 256:
        # Of a small image the patches are few: one product of matrices does better.
        rows = _patches(big).t() @ small.permute(0, 2, 3, 1).reshape(-1, o)
        return rows.t().reshape(o, 4, 4, c).permute(0, 3, 1, 2)
    weight = _last(big.new_empty(o, c, 4, 4))
    mask = [False, True, False]
    backward = torch.ops.aten.convolution_backward
    grads = backward(small, big, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)
    grad: Tensor = grads[1]
    return grad


def _patches(big: Tensor) -> Tensor:
    """Return the 4x4 patches (B * H / 2 * W / 2, 16 C) that the convolution looks at."""
    x = F.pad(big.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    n, h, w, c = x.shape
    image, row, column, _ = x.stride()
    shape = (n, h // 2 - 1, w // 2 - 1, 4, 4 * c)
    patches = x.as_strided(shape, (image, 2 * row, 2 * column, row, 1))
    return patches.reshape(-1, 16 * c)


def _last(x: Tensor) -> Tensor:
    """`x` in channels last, with strides that say so even if it has one channel."""
    _, c, h, w = x.shape
    return x.contiguous(memory_format=torch.channels_last).as_strided(
        x.shape, (c * h * w, 1, c * w, c)
    )


def _needs(ctx: Any) -> tuple[bool, bool, bool]:
    """Which of (input, weight, bias) want a gradient."""
    image, kernel, offset = ctx.needs_input_grad
    return image, kernel, offset


def _fast(module: nn.Conv2d | nn.ConvTranspose2d, x: Tensor, even: bool) -> bool:
    """Whether the functions above are meant for this module and input."""
    geometry = (module.kernel_size, module.stride, module.padding, module.dilation)
    return (
        x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and geometry == ((4, 4), (2, 2), (1, 1), (1, 1))
        and (module.groups, module.padding_mode, module.output_padding) == (1, "zeros", (0, 0))
        and x.ndim == 4
        and not (even and (x.shape[2] % 2 or x.shape[3] % 2))
    )


def _run(
    function: type[torch.autograd.Function], module: nn.Conv2d | nn.ConvTranspose2d, x: Tensor
) -> Tensor:
    """Apply `function` to the image and the module's parameters, in bfloat16 channels last."""
    tensors = (None if a is None else a.bfloat16() for a in (x, module.weight, module.bias))
    with torch.autocast("cpu", enabled=False):
        out: Tensor = function.apply(*tensors)
    return out


class Conv(nn.Conv2d):
    """`nn.Conv2d`, faster in bfloat16 on a CPU if the kernel is 4, the stride 2, the padding 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        return _run(_Down, self, input) if _fast(self, input, True) else super().forward(input)

    def rectified(self, x: Tensor) -> Tensor:
        """Return relu(self(x)), in one pass over the memory where no gradient is wanted."""
        if torch.is_grad_enabled() or not _fast(self, x, True) or not FUSES:
            return F.relu(self(x), inplace=True)
        big, weight = _last(x.bfloat16()), _last(self.weight.bfloat16())
        bias = None if self.bias is None else self.bias.bfloat16()
        fused = torch.ops.mkldnn._convolution_pointwise
        out: Tensor = fused(big, weight, bias, [1, 1], [2, 2], [1, 1], 1, "relu", [], "")
        return out


class Rectified(nn.Sequential):
    """`nn.Sequential` that asks a `Conv` with an `nn.ReLU` after it for both at once."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layers."""
        x, before = input, None
        for layer, after in itertools.zip_longest(self, [*self][1:]):
            if isinstance(layer, Conv) and isinstance(after, nn.ReLU):
                x = layer.rectified(x)
            elif not (isinstance(before, Conv) and isinstance(layer, nn.ReLU)):
                x = layer(x)
            before = layer
        return x


class UpConv(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d`, faster in bfloat16 on a CPU if kernel 4, stride 2 and padding 1."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve, transposed."""
        if output_size is None and _fast(self, input, False):
            return _run(_Up, self, input)
        return super().forward(input, output_size)
