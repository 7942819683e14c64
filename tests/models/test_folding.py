import pytest
import torch
from torch import Tensor, nn

from carsray.config import TrialConfig
from carsray.models.activated import ActivatedConv2d
from carsray.models.build import build_network
from carsray.models.folding import folded
from carsray.models.network import Network


def seasoned(backbone: str) -> Network:
    """A network in eval mode whose running statistics are those of some pictures."""
    torch.manual_seed(0)
    network = build_network(TrialConfig(backbone=backbone, image_size=64, weights="none"), 7)
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(pictures(4))
    return network.eval()


def pictures(number: int) -> Tensor:
    return torch.randn(number, 3, 64, 64, generator=torch.Generator().manual_seed(number))


def norms(network: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize("backbone", ["cnn", "mobilenet_v2", "resnet18", "resnet50", "densenet121", "efficientnet_b0"])
def test_a_folded_network_is_the_same_function(backbone: str) -> None:
    network = seasoned(backbone).double()
    blocks = nn.Sequential(network.suffix, network.neck, network.head)
    with torch.no_grad():
        expected = network(pictures(5).double())
        torch.testing.assert_close(folded(blocks)(pictures(5).double()), expected)
    assert expected.std() > 1e-6


@pytest.mark.parametrize("backbone", ["mobilenet_v2", "resnet50", "efficientnet_b0"])
def test_every_norm_behind_a_convolution_is_gone(backbone: str) -> None:
    network = seasoned(backbone)
    assert norms(network.suffix) > 10
    assert norms(folded(network.suffix)) == 0


@pytest.mark.parametrize(("backbone", "left"), [("mobilenet_v2", 0), ("cnn", 1)])
def test_every_activation_behind_a_convolution_is_part_of_it(backbone: str, left: int) -> None:
    """That behind the hidden layer of the network from scratch stays."""
    network = seasoned(backbone)
    layers = folded(nn.Sequential(network.suffix, network.neck))
    inner = sum(isinstance(layer, ActivatedConv2d) for layer in layers.modules())
    assert inner > 3
    assert sum(isinstance(layer, nn.ReLU | nn.ReLU6) for layer in layers.modules()) == inner + left


def test_the_network_itself_stays_as_it_was() -> None:
    network = seasoned("mobilenet_v2")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded(network.suffix)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_a_norm_that_uses_each_batchs_statistics_is_left() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    assert norms(folded(layers)) == 1
