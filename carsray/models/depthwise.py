"""Depthwise convolutions that train in float32 on the processor, in a network that otherwise computes in bfloat16."""

import torch
from torch import Tensor, nn


class DepthwiseConv2d(nn.Conv2d):
    """nn.Conv2d, but for gradients under the processor's autocast: computed in float32, handed on in bfloat16.

    oneDNN has no fast bfloat16 kernel for the gradients of a convolution with one channel a group. Without gradients it
    has one, and float32 would be the slower.
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mixed = input.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        if not (mixed and torch.is_grad_enabled()):
            ordinary: Tensor = super()._conv_forward(input, weight, bias)
            return ordinary
        with torch.autocast("cpu", enabled=False):
            exact: Tensor = super()._conv_forward(input.float(), weight, bias)
        return exact.to(torch.get_autocast_dtype("cpu"))


def train_depthwise_in_float32(network: nn.Module) -> None:
    """Give every depthwise convolution of a network its kind, in place; names, values and hooks stay."""
    for layer in network.modules():
        if type(layer) is nn.Conv2d and 1 < layer.groups == layer.in_channels:
            layer.__class__ = DepthwiseConv2d
