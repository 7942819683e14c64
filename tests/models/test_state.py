import pytest
import torch
from safetensors.torch import load_file, save_file

from carsray.config import TrialConfig
from carsray.errors import WeightsError
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.models.state import load_trainable_state, trainable_state


def _network(depth: int | str = 2, seed: int = 0) -> Network:
    return build_network(TrialConfig(backbone="mobilenet_v2", unfreeze_depth=depth, seed=seed), 5)


def test_it_holds_the_trained_part_and_its_statistics():
    names = set(trainable_state(_network(2)))
    expected = {
        f"backbone.features.{name}"
        for name in _network().backbone.features.state_dict()
        if name.partition(".")[0] in ("17", "18")
    }
    assert names == expected | {"head.linear.weight", "head.linear.bias"}
    assert "backbone.features.18.1.running_mean" in names


def test_of_a_network_trained_whole_it_is_the_whole_state():
    network = _network("all")
    assert set(trainable_state(network)) == set(network.state_dict())


def test_a_network_comes_back_from_it():
    network, other = _network(seed=1).eval(), _network(seed=1).eval()
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
        network.suffix[1][1].running_mean.add_(1)
        assert not torch.equal(other(pictures), network(pictures))
        load_trainable_state(other, trainable_state(network))
        assert torch.equal(other(pictures), network(pictures))


def test_it_survives_a_file_in_channels_last(tmp_path):
    weight = "backbone.features.0.0.weight"
    network = _network("all").to(memory_format=torch.channels_last)
    state = trainable_state(network)
    assert all(tensor.is_contiguous() for tensor in state.values())
    save_file(state, tmp_path / "checkpoint.safetensors")
    other = _network("all", seed=1).to(memory_format=torch.channels_last)
    load_trainable_state(other, load_file(tmp_path / "checkpoint.safetensors"))
    assert torch.equal(other.state_dict()[weight], network.state_dict()[weight])
    assert not other.state_dict()[weight].is_contiguous()


def test_it_does_not_follow_the_network():
    network = _network(0)
    state = trainable_state(network)
    with torch.no_grad():
        network.head.linear.bias.fill_(7)
    assert not (state["head.linear.bias"] == 7).any()


def test_a_state_of_less_depth_is_refused():
    with pytest.raises(WeightsError, match=r"of 8 tensors 6 are missing .* first, backbone\.features\.18\.0\.weight"):
        load_trainable_state(_network(1), trainable_state(_network(0)))


def test_a_state_of_more_depth_is_refused():
    with pytest.raises(WeightsError, match=r"6 tensors have no place in this network, the first is backbone\.feat"):
        load_trainable_state(_network(0), trainable_state(_network(1)))


def test_a_head_of_another_size_is_refused_and_nothing_is_loaded():
    network = _network(0)
    before = network.head.linear.bias.clone()
    state = {"head.linear.weight": torch.zeros(3, 1280), "head.linear.bias": torch.zeros(5)}
    with pytest.raises(WeightsError, match=r"should be \(5, 1280\), and the file has \(3, 1280\)"):
        load_trainable_state(network, state)
    assert torch.equal(network.head.linear.bias, before)
