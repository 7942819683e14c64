import pytest
import torch

from carsray.config import TrialConfig
from carsray.models.build import build_network


def _state(**settings: object) -> dict[str, torch.Tensor]:
    return build_network(TrialConfig(**settings), 5).state_dict()


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "convnext_tiny", "cnn"])
def test_the_same_config_gives_the_same_bits(backbone):
    torch.manual_seed(1)
    one = _state(backbone=backbone, seed=3)
    torch.manual_seed(2)
    assert _equal(one, _state(backbone=backbone, seed=3))


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "cnn"])
def test_another_seed_gives_another_backbone_and_head(backbone):
    one, other = _state(backbone=backbone, seed=3), _state(backbone=backbone, seed=4)
    first = next(iter(one))
    assert not torch.equal(one[first], other[first])
    assert not torch.equal(one["head.linear.weight"], other["head.linear.weight"])


def test_the_boundary_does_not_change_the_initial_values():
    settings = {"backbone": "mobilenet_v3_small", "seed": 3}
    assert _equal(_state(**settings, unfreeze_depth=2), _state(**settings))


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "cnn"])
def test_building_leaves_the_global_generator_alone(backbone):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    _state(backbone=backbone)
    assert torch.equal(torch.rand(3), expected)


def test_the_head_has_the_configs_dropout_and_the_number_of_classes():
    head = build_network(TrialConfig(backbone="mobilenet_v3_small", dropout=0.3), 11).head
    assert head.dropout.p == 0.3
    assert head.linear.out_features == 11
