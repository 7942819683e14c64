import pytest
import torch
from torch import Tensor, nn

from carsray.models.backbones import backbone_parts
from carsray.models.depthwise import DepthwiseConv2d, train_depthwise_in_float32


@pytest.fixture
def layer() -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(8, 8, 3, padding=1, stride=2, groups=8)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 8, 9, 9, generator=torch.Generator().manual_seed(1)).bfloat16()


def under_autocast(layer: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        result: Tensor = layer(images)
    return result


def test_under_autocast_it_is_float32_handed_on_in_bfloat16(layer: nn.Conv2d, images: Tensor) -> None:
    expected = layer(images.float()).bfloat16()
    train_depthwise_in_float32(layer)
    assert torch.equal(under_autocast(layer, images), expected)


def test_gradients_are_those_of_float64(layer: nn.Conv2d, images: Tensor) -> None:
    exact = nn.Conv2d(8, 8, 3, padding=1, stride=2, groups=8).double()
    exact.load_state_dict(layer.state_dict())
    outside = torch.randn(4, 8, 5, 5, generator=torch.Generator().manual_seed(2)).bfloat16()
    here, there = images.clone().requires_grad_(), images.double().requires_grad_()
    exact(there).backward(outside.double())
    train_depthwise_in_float32(layer)
    under_autocast(layer, here).backward(outside)  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert here.grad is not None
    torch.testing.assert_close(layer.weight.grad.double(), exact.weight.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(here.grad.double(), there.grad, rtol=2**-8, atol=1e-5)  # handed back in bfloat16


def test_without_gradients_it_is_an_ordinary_convolution(layer: nn.Conv2d, images: Tensor) -> None:
    with torch.no_grad():
        expected = under_autocast(layer, images)
        train_depthwise_in_float32(layer)
        assert torch.equal(under_autocast(layer, images), expected)


def test_without_autocast_it_is_an_ordinary_convolution(layer: nn.Conv2d, images: Tensor) -> None:
    expected = layer(images.float())
    train_depthwise_in_float32(layer)
    assert torch.equal(layer(images.float()), expected)


@pytest.mark.parametrize(("groups", "depthwise"), [(1, False), (4, False), (8, True)])
def test_only_one_channel_a_group_is_depthwise(groups: int, depthwise: bool) -> None:
    network = nn.Sequential(nn.Conv2d(8, 16, 3, groups=groups))
    train_depthwise_in_float32(network)
    assert isinstance(network[0], DepthwiseConv2d) is depthwise


def test_a_grey_picture_makes_no_convolution_depthwise() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3))
    train_depthwise_in_float32(network)
    assert type(network[0]) is nn.Conv2d


@pytest.mark.parametrize(("backbone", "count"), [("mobilenet_v2", 17), ("resnet18", 0)])
def test_backbones_come_with_theirs(backbone: str, count: int) -> None:
    layers = backbone_parts(backbone).owner.modules()
    assert sum(isinstance(layer, DepthwiseConv2d) for layer in layers) == count
