import pytest
import torch
from torch import Tensor, nn

from carsray.models.activated import ActivatedConv2d, can_fuse

GEOMETRIES = {
    "1 x 1": nn.Conv2d(8, 16, 1),
    "without bias": nn.Conv2d(8, 16, 3, padding=1, bias=False),
    "depthwise at stride 2": nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8),
    "dilated": nn.Conv2d(8, 16, 3, padding=2, dilation=2),
    "reflecting": nn.Conv2d(8, 16, 3, padding=1, padding_mode="reflect"),
    "padded by name": nn.Conv2d(8, 16, 3, padding="same"),
}


def pictures() -> Tensor:
    made = 9 * torch.randn(3, 8, 10, 10, generator=torch.Generator().manual_seed(0))
    return made.to(memory_format=torch.channels_last)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6()], ids=str)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_in_bfloat16_every_bit_is_that_of_one_after_the_other(geometry: str, activation: nn.Module) -> None:
    convolution = GEOMETRIES[geometry]
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert can_fuse(convolution) == (geometry not in ("reflecting", "padded by name"))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = activation(convolution(pictures()))
        found = ActivatedConv2d(convolution, activation)(pictures())
    assert (found.dtype, found.stride()) == (expected.dtype, expected.stride())
    assert torch.equal(found, expected)
    assert (expected == 0).any()
    assert (expected > 0).any()


def test_in_other_types_one_runs_after_the_other() -> None:
    convolution = GEOMETRIES["1 x 1"]
    with torch.no_grad():
        found = ActivatedConv2d(convolution, nn.ReLU6())(pictures())
        assert torch.equal(found, convolution(pictures()).clamp(0, 6))
    assert found.dtype == torch.float32
