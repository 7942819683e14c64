"""Depthwise convolutions as they train in bfloat16 on the processor."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv2d


class DepthwiseConv2d(nn.Conv2d):
    """nn.Conv2d with one channel a group, but for its gradients under the processor's autocast.

    oneDNN has a fast bfloat16 kernel for those of a 3 x 3 kernel at stride 1. At stride 2 its own takes ten times as
    long for a quarter of the pixels: they are computed at stride 1, where nothing comes back to the pixels in between.
    Larger kernels are faster in float32.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mixed = input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if mixed and torch.is_grad_enabled():
            if self.kernel_size != (3, 3):
                with torch.autocast("cpu", enabled=False):
                    exact: Tensor = super()._conv_forward(input.float(), weight, bias)
                return exact.to(torch.get_autocast_dtype("cpu"))
            if self.stride != (1, 1) and bias is None and self.padding_mode == "zeros":
                dtype, shape = torch.get_autocast_dtype("cpu"), (self.stride, self.padding, self.dilation)
                stepped: Tensor = _Stepping.apply(input.to(dtype), weight.to(dtype), *shape)
                return stepped
        ordinary: Tensor = super()._conv_forward(input, weight, bias)
        return ordinary


Pair = tuple[int, int]


class _Stepping(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.shape = stride, padding, dilation
        return conv2d(x, weight, None, stride, padding, dilation, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slopes: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        x, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.shape
        dense = _spread(slopes, stride, _dense_size(x, weight, padding, dilation))
        wanted = [*ctx.needs_input_grad[:2], False]
        of_x, of_weight, _ = torch.ops.aten.convolution_backward(
            dense, x, weight, None, (1, 1), padding, dilation, False, (0, 0), len(weight), wanted
        )
        return of_x, of_weight, None, None, None


def _dense_size(x: Tensor, weight: Tensor, padding: Pair, dilation: Pair) -> Pair:
    """Height and width of what would come out at stride 1."""
    height, width = (x.shape[2 + n] + 2 * padding[n] - dilation[n] * (weight.shape[2 + n] - 1) for n in (0, 1))
    return height, width


def _spread(slopes: Tensor, stride: Pair, size: Pair) -> Tensor:
    """Slopes (B, C, H', W') where the strided convolution stopped, zeros elsewhere: (B, C, *size), channels last."""
    batch, channels = slopes.shape[:2]
    dense = slopes.new_zeros(batch, *size, channels).permute(0, 3, 1, 2)
    dense[:, :, :: stride[0], :: stride[1]] = slopes
    return dense


def use_depthwise(network: nn.Module) -> None:
    """Give every depthwise convolution of a network its kind, in place; names, values and hooks stay."""
    for layer in network.modules():
        if type(layer) is nn.Conv2d and 1 < layer.groups == layer.in_channels:
            layer.__class__ = DepthwiseConv2d
