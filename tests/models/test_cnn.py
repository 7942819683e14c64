import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from carsray.config import TrialConfig
from carsray.errors import ConfigError
from carsray.models.build import build_network
from carsray.models.network import Network

VIZNIUK_1 = {"depth": 3, "width": 64, "batchnorm": False, "pooling": "flatten", "hidden": 512}
VIZNIUK_2 = {
    **{"depth": 4, "width": 32, "pooling": "average", "hidden": 512, "hidden_batchnorm": True},
    **{"spatial_dropout": 0.1, "spatial_dropout_blocks": 3, "dropout": 0.5},
}
ALMOG_1 = {"depth": 3, "width": 32, "batchnorm": False, "pooling": "flatten", "hidden": 256}
ALMOG_2 = {"depth": 4, "width": 32, "pooling": "flatten", "hidden": 512, "dropout": 0.5}


def _cnn(classes: int = 196, **settings: object) -> Network:
    return build_network(TrialConfig(backbone="cnn", **settings), classes)


def _layers(module: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in module.modules() if not list(layer.children())]


def test_the_first_cnn_of_vizniuk2024_has_its_published_103_2_million_parameters():
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in _cnn(**VIZNIUK_1).parameters())
    assert count == 103_232_324


def test_the_second_cnn_of_vizniuk2024_has_its_listed_layers():
    network = _cnn(**VIZNIUK_2)
    block = ["Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d"]
    assert [_layers(block) for _, block in network.blocks] == [[*block, "Dropout2d"]] * 3 + [block]
    assert _layers(network.neck) == ["AdaptiveAvgPool2d", "Flatten", "Linear", "BatchNorm1d", "ReLU"]
    assert _layers(network.head) == ["Dropout", "Linear"]
    assert (network.blocks[0][1].dropout.p, network.head.dropout.p) == (0.1, 0.5)


@pytest.mark.parametrize(("settings", "entering"), [(ALMOG_1, 128 * 28 * 28), (ALMOG_2, 256 * 14 * 14)])
def test_the_cnns_of_almog2025_flatten_into_their_hidden_layer(settings, entering):
    with torch.device("meta"):
        network = _cnn(**settings)
    assert network.backbone.hidden.linear.weight.shape == (settings["hidden"], entering)
    assert network.embedding_size == settings["hidden"]


@given(
    depth=st.integers(2, 4),
    width=st.integers(4, 8),
    pooling=st.sampled_from(["flatten", "average"]),
    hidden=st.sampled_from([0, 7]),
    batchnorm=st.booleans(),
    image_size=st.integers(16, 40),
)
@settings(max_examples=40, deadline=None)
def test_every_setting_gives_a_network_that_runs(depth, width, pooling, hidden, batchnorm, image_size):
    network = _cnn(
        **{"classes": 5, "depth": depth, "width": width, "pooling": pooling, "hidden": hidden},
        **{"batchnorm": batchnorm, "hidden_batchnorm": batchnorm, "image_size": image_size},
    )
    channels = width * 2 ** (depth - 1)
    side = math.floor(image_size / 2**depth)
    pooled = channels * side**2 if pooling == "flatten" else channels
    pictures = torch.rand(2, 3, image_size, image_size)
    assert network.embed(pictures).shape == (2, hidden or pooled)
    assert network(pictures).shape == (2, 5)
    assert len(network.blocks) == depth


def test_forward_equals_the_layers_written_out():
    network = _cnn(5, depth=2, width=4, hidden=6, hidden_batchnorm=True, image_size=16).eval()
    pictures = torch.rand(3, 3, 16, 16)
    one, two = (block for _, block in network.blocks)
    hidden, linear = network.backbone.hidden, network.head.linear
    maps = torch.max_pool2d(torch.relu(one.norm(one.conv(pictures))), 2)
    maps = torch.max_pool2d(torch.relu(two.norm(two.conv(maps))), 2)
    embedding = torch.relu(hidden.norm(hidden.linear(maps.mean((2, 3)))))
    assert torch.allclose(network(pictures), linear(embedding), atol=1e-6)


def test_spatial_dropout_drops_whole_channels():
    network = _cnn(depth=2, width=16, spatial_dropout=0.5, spatial_dropout_blocks=1).train()
    maps = network.blocks[0][1](torch.rand(1, 3, 32, 32))[0]
    dropped = [channel for channel in maps if not channel.any()]
    assert 0 < len(dropped) < 16
    assert _layers(network.blocks[1][1])[-1] == "MaxPool2d"


def test_he_initialisation_has_the_published_spread_and_no_bias():
    network = _cnn(width=64, depth=3, batchnorm=False, init="he")
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
            assert not layer.bias.any()


def test_default_initialisation_is_torchs():
    layer = _cnn(width=64, depth=2, batchnorm=False, init="default").blocks[1][1].conv
    bound = 1 / math.sqrt(64 * 9)
    assert 0.99 * bound < layer.weight.abs().max() <= bound


def test_names_do_not_depend_on_dropout():
    with_dropout = _cnn(width=4, spatial_dropout=0.1, dropout=0.1).state_dict()
    assert list(with_dropout) == list(_cnn(width=4).state_dict())


def test_channels_last_changes_nothing_beyond_rounding():
    network = _cnn(depth=3, width=4, pooling="flatten", image_size=32).eval()
    pictures = torch.rand(2, 3, 32, 32)
    expected = network(pictures)
    actual = network.to(memory_format=torch.channels_last)(pictures.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(actual, expected, atol=1e-4)


def test_a_frozen_cnn_is_refused():
    with pytest.raises(ConfigError, match="unfreeze_depth = 2: the cnn is trained whole; set it to 'all'"):
        _cnn(unfreeze_depth=2)


def test_weights_for_the_cnn_are_refused():
    with pytest.raises(ConfigError, match="weights = 'imagenet': the cnn starts from random values"):
        _cnn(weights="imagenet")
