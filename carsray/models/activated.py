"""Convolutions that apply the activation behind them as they write, in bfloat16 on the processor."""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

FUSED: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}
"""oneDNN's names of activations, and their limits: https://uxlfoundation.github.io/oneDNN/dev_guide_attributes_post_ops.html"""


class ActivatedConv2d(nn.Module):
    """A convolution that is not trained any more, and the activation behind it: the same bits in one pass over memory.

    PyTorch offers this to its compiler only, under a private name. Where that is gone, on other devices and in other
    types, the two run one after the other.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module) -> None:
        super().__init__()
        self.convolution, self.activation = convolution, activation
        self._name, self._limits = FUSED[type(activation)]
        self._cast: tuple[Tensor, Tensor | None] | None = None
        """Weight and bias in bfloat16."""

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H', W')."""
        if not (pictures.device.type == "cpu" and _in_bfloat16() and can_fuse(self.convolution)):
            activated: Tensor = self.activation(self.convolution(pictures))
            return activated
        convolution = self.convolution
        if self._cast is None:
            bias = None if convolution.bias is None else convolution.bias.to(torch.bfloat16)
            self._cast = convolution.weight.to(torch.bfloat16), bias
        geometry = convolution.padding, convolution.stride, convolution.dilation, convolution.groups
        fused: Any = torch.ops.mkldnn._convolution_pointwise
        made: Tensor = fused(pictures.to(torch.bfloat16), *self._cast, *geometry, self._name, self._limits, "")
        return made


def can_fuse(convolution: nn.Conv2d) -> bool:
    """Whether this PyTorch has the kernel, on this processor and for a convolution of this kind."""
    plain = convolution.padding_mode == "zeros" and not isinstance(convolution.padding, str)
    return plain and _has_kernel()


@cache
def _has_kernel() -> bool:
    names = ("_convolution_pointwise", "_is_mkldnn_bf16_supported")
    if not torch.backends.mkldnn.is_available() or not all(hasattr(torch.ops.mkldnn, name) for name in names):  # type: ignore[no-untyped-call]
        return False
    # Elsewhere PyTorch computes bfloat16 in float32, but for this kernel, which it refuses.
    supported: bool = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return supported


def _in_bfloat16() -> bool:
    return torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16
