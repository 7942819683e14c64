import copy
from functools import cache

import pytest
import torch
from torch import nn

from carsray.config import BACKBONES, TrialConfig
from carsray.errors import ConfigError
from carsray.models.backbones import block_count
from carsray.models.build import build_network
from carsray.models.network import Network

SMALL = ("resnet18", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "efficientnet_b0")


def _small(backbone: str = "mobilenet_v3_small", depth: int | str = 2) -> Network:
    return build_network(TrialConfig(backbone=backbone, unfreeze_depth=depth), 5)


def _step(network: Network) -> None:
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network(torch.rand(4, 3, 64, 64)).logsumexp(1).sum().backward()
    torch.optim.SGD(trained, lr=0.1, weight_decay=0.1).step()


@cache
def _whole_without_values(backbone: str) -> Network:
    with torch.device("meta"):
        return _small(backbone, "all")


@pytest.mark.parametrize("depth", [0, 1, 3, "all"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_depth_trains_exactly_the_last_blocks_and_the_head(backbone, depth):
    network = _whole_without_values(backbone)
    network.unfreeze(depth)
    count = block_count(backbone)
    last = network.blocks[count - (count if depth == "all" else depth) :]
    expected = {id(p) for _, block in last for p in block.parameters()}
    expected |= {id(p) for module in (network.neck, network.head) for p in module.parameters()}
    assert {id(p) for p in network.parameters() if p.requires_grad} == expected
    assert len(network.suffix) == len(last)


@pytest.mark.parametrize("backbone", SMALL)
def test_the_prefix_stays_as_it_is_through_a_step_statistics_included(backbone):
    network = _small(backbone).train()
    before = copy.deepcopy(network.prefix.state_dict())
    _step(network)
    after = network.prefix.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


@pytest.mark.parametrize("backbone", SMALL)
def test_a_step_moves_every_trained_block_and_the_head(backbone):
    network = _small(backbone).train()
    before = copy.deepcopy([module.state_dict() for module in (*network.suffix, network.head)])
    _step(network)
    for module, old in zip((*network.suffix, network.head), before, strict=True):
        assert any(not torch.equal(tensor, old[name]) for name, tensor in module.state_dict().items())


def test_a_step_moves_the_statistics_of_trained_blocks():
    network = _small("resnet18").train()
    before = network.suffix[0].bn1.running_mean.clone()
    _step(network)
    assert not torch.equal(network.suffix[0].bn1.running_mean, before)


def test_train_mode_spares_the_prefix():
    network = _small().eval().train()
    assert not any(module.training for module in network.prefix.modules())
    assert all(module.training for view in (network.suffix, network.neck, network.head) for module in view.modules())


def test_eval_mode_reaches_everything():
    network = _small("densenet121").train().eval()
    views = (network, network.suffix, network.neck)
    assert not any(module.training for view in views for module in view.modules())


@pytest.mark.parametrize("backbone", [*SMALL, "convnext_tiny"])
def test_forward_from_leaves_its_input_as_it_is(backbone):
    network = _small(backbone, 0).train()
    count = block_count(backbone)
    for depth in (0, 1, count // 2, "all"):
        network.unfreeze(depth)
        activations = network.boundary(torch.rand(2, 3, 64, 64))
        copied = activations.clone()
        network.forward_from(activations)
        assert torch.equal(activations, copied)


@pytest.mark.parametrize("depth", [0, 1, 5, "all"])
def test_the_boundary_does_not_change_what_is_computed(depth):
    network = _small(depth="all").eval()
    pictures = torch.rand(2, 3, 64, 64)
    expected = network(pictures)
    network.unfreeze(depth)
    assert torch.equal(network.forward_from(network.boundary(pictures)), expected)


@pytest.mark.parametrize("backbone", SMALL)
def test_logits_are_the_head_on_the_embedding(backbone):
    network = _small(backbone).eval()
    pictures = torch.rand(2, 3, 64, 64)
    embedding = network.embed(pictures)
    assert embedding.shape == (2, network.embedding_size)
    assert torch.equal(network(pictures), network.head(embedding))


def test_an_embedding_survives_dropout_in_the_head():
    network = build_network(TrialConfig(backbone="mobilenet_v3_small", dropout=0.5), 5).train()
    embedding = network.embed(torch.rand(4, 3, 64, 64)).detach()
    copied = embedding.clone()
    network.head(embedding)
    assert torch.equal(embedding, copied)


def test_activations_at_the_boundary_carry_no_graph():
    network = _small()
    assert not network.boundary(torch.rand(2, 3, 64, 64, requires_grad=True)).requires_grad
    assert network.embed(torch.rand(2, 3, 64, 64)).requires_grad


def test_with_no_trained_block_the_boundary_is_behind_the_pool():
    assert _small("resnet18", 0).boundary(torch.rand(2, 3, 64, 64)).shape == (2, 512)


def test_without_prefix_the_boundary_is_the_picture():
    pictures = torch.rand(2, 3, 64, 64)
    assert _small(depth="all").boundary(pictures) is pictures


def test_more_depth_than_blocks_is_refused_with_their_number():
    with pytest.raises(ConfigError, match=r"unfreeze_depth = 18: this network has 17 blocks; use 0 to 17, or 'all'"):
        _small("resnet50", 18)


def test_unfreezing_further_trains_more_blocks():
    network = _small(depth=0).train()
    network.unfreeze(2)
    block = network.blocks[-2][1]
    assert block.training
    assert all(parameter.requires_grad for parameter in block.parameters())


def test_names_do_not_depend_on_the_boundary():
    with torch.device("meta"):
        states = [_small("resnet18", depth).state_dict() for depth in (0, 3, "all")]
    assert list(states[0]) == list(states[1]) == list(states[2])
    assert {"backbone.layer1.0.conv1.weight", "head.linear.weight"} <= set(states[0])


@pytest.mark.parametrize("backbone", [*SMALL, "convnext_tiny"])
def test_channels_last_changes_nothing_beyond_rounding(backbone):
    network = _small(backbone).eval()
    pictures = torch.rand(2, 3, 64, 64)
    expected = network(pictures)
    network.to(memory_format=torch.channels_last)
    actual = network(pictures.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(actual, expected, rtol=1e-3, atol=1e-4)


def test_a_copy_stands_on_its_own():
    network = _small().eval()
    twin = copy.deepcopy(network)
    pictures = torch.rand(2, 3, 64, 64)
    expected = network(pictures)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(twin(pictures), expected)


def test_a_block_that_was_trained_meanwhile_has_another_digest() -> None:
    network = _small(depth=2).train()
    before = network.prefix_digest()
    network.unfreeze(5)
    deeper = network.prefix_digest()
    _step(network)
    network.unfreeze(2)
    assert len({before, deeper, network.prefix_digest()}) == 3
    network.unfreeze(5)
    assert network.prefix_digest() == deeper
    network.unfreeze("all")
    assert network.prefix_digest() == ""
