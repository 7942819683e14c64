import pytest
import torch
from torch import Tensor, nn

from carsray.models.backbones import backbone_parts
from carsray.models.depthwise import DepthwiseConv2d, use_depthwise


def layer_of(size: int = 3, stride: int = 2, dilation: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    padding = dilation * (size - 1) // 2
    return nn.Conv2d(8, 8, size, stride, padding, dilation, groups=8, bias=False)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 8, 9, 12, generator=torch.Generator().manual_seed(1)).bfloat16()


def under_autocast(layer: nn.Module, images: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        result: Tensor = layer(images)
    return result


SHAPES = [(3, 1, 1), (3, 2, 1), (3, 3, 1), (3, 2, 2), (5, 1, 1), (5, 2, 1)]


@pytest.mark.parametrize(("size", "stride", "dilation"), SHAPES)
def test_gradients_are_those_of_float64(size: int, stride: int, dilation: int, images: Tensor) -> None:
    layer, exact = layer_of(size, stride, dilation), layer_of(size, stride, dilation).double()
    here, there = images.clone().requires_grad_(), images.double().requires_grad_()
    expected = exact(there)
    slopes = torch.randn(expected.shape, generator=torch.Generator().manual_seed(2)).bfloat16()
    expected.backward(slopes.double())
    use_depthwise(nn.Sequential(layer))
    under_autocast(layer, here).backward(slopes)  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert exact.weight.grad is not None
    assert here.grad is not None
    assert there.grad is not None
    for found, true in ((layer.weight.grad, exact.weight.grad), (here.grad, there.grad)):
        assert (found.double() - true).norm() < 2**-7 * true.norm()  # weights and results are rounded to bfloat16


def test_pictures_that_need_no_gradient_get_none(images: Tensor) -> None:
    layer = layer_of()
    use_depthwise(nn.Sequential(layer))
    under_autocast(layer, images).sum().backward()  # type: ignore[no-untyped-call]
    assert layer.weight.grad is not None
    assert images.grad is None


def test_a_large_kernel_is_trained_in_float32_and_handed_on_in_bfloat16(images: Tensor) -> None:
    layer = layer_of(size=5)
    expected = layer(images.float()).bfloat16()
    use_depthwise(nn.Sequential(layer))
    assert torch.equal(under_autocast(layer, images), expected)


@pytest.mark.parametrize(("size", "trained"), [(3, True), (3, False), (5, False)])
def test_what_comes_out_is_that_of_an_ordinary_convolution(size: int, trained: bool, images: Tensor) -> None:
    layer = layer_of(size)
    with torch.set_grad_enabled(trained):
        expected = under_autocast(layer, images)
        use_depthwise(nn.Sequential(layer))
        assert torch.equal(under_autocast(layer, images), expected)


def test_without_autocast_it_is_an_ordinary_convolution(images: Tensor) -> None:
    layer = layer_of()
    expected = layer(images.float())
    use_depthwise(nn.Sequential(layer))
    assert torch.equal(layer(images.float()), expected)


@pytest.mark.parametrize(("groups", "depthwise"), [(1, False), (4, False), (8, True)])
def test_only_one_channel_a_group_is_depthwise(groups: int, depthwise: bool) -> None:
    network = nn.Sequential(nn.Conv2d(8, 16, 3, groups=groups))
    use_depthwise(network)
    assert isinstance(network[0], DepthwiseConv2d) is depthwise


def test_a_grey_picture_makes_no_convolution_depthwise() -> None:
    network = nn.Sequential(nn.Conv2d(1, 8, 3))
    use_depthwise(network)
    assert type(network[0]) is nn.Conv2d


@pytest.mark.parametrize(("backbone", "count"), [("mobilenet_v2", 17), ("resnet18", 0)])
def test_backbones_come_with_theirs(backbone: str, count: int) -> None:
    layers = backbone_parts(backbone).owner.modules()
    assert sum(isinstance(layer, DepthwiseConv2d) for layer in layers) == count
