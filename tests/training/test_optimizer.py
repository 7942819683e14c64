from typing import Any

import pytest
import torch
from tiny_training import config_of

from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.training.optimizer import build_optimizer

KINDS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


def made(**changes: Any) -> tuple[Network, torch.optim.Optimizer]:
    config = config_of(**changes)
    network = build_network(config, 3)
    return network, build_optimizer(network, config)


def ids(parameters: Any) -> list[int]:
    return [id(parameter) for parameter in parameters]


@pytest.mark.parametrize("hidden", [0, 8])
def test_body_and_head_have_a_group_each_and_hold_every_parameter_once(hidden: int) -> None:
    network, optimizer = made(hidden=hidden, lr=0.02, head_lr_factor=5.0)
    body, head = optimizer.param_groups
    assert (body["lr"], head["lr"]) == pytest.approx((0.02, 0.1))
    assert ids(head["params"]) == ids(network.head.parameters())
    assert sorted(ids(body["params"] + head["params"])) == sorted(ids(network.parameters()))


def test_a_frozen_body_leaves_one_group_with_the_rate_of_the_head() -> None:
    changes = {"backbone": "mobilenet_v2", "image_size": 32, "pack_size": 40}
    network, optimizer = made(**changes, unfreeze_depth=0, lr=0.02, head_lr_factor=5.0)
    (group,) = optimizer.param_groups
    assert ids(group["params"]) == ids(network.head.parameters())
    assert group["lr"] == pytest.approx(0.1)


def test_only_unfrozen_blocks_are_in_the_body() -> None:
    network, optimizer = made(backbone="mobilenet_v2", image_size=32, pack_size=40, unfreeze_depth=2)
    expected = [p for _, block in network.blocks[-2:] for p in block.parameters()]
    assert sorted(ids(optimizer.param_groups[0]["params"])) == sorted(ids(expected))


@pytest.mark.parametrize("name", KINDS)
def test_the_name_picks_the_optimizer_and_decay_reaches_every_group(name: str) -> None:
    _, optimizer = made(optimizer=name, weight_decay=0.03)
    assert type(optimizer) is KINDS[name]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.03}


@pytest.mark.parametrize("name", ["sgd", "rmsprop"])
def test_momentum_reaches_every_group(name: str) -> None:
    _, optimizer = made(optimizer=name, momentum=0.7)
    assert {group["momentum"] for group in optimizer.param_groups} == {0.7}


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.0, False)])
def test_nesterov_is_left_out_where_there_is_no_momentum(momentum: float, nesterov: bool) -> None:
    _, optimizer = made(optimizer="sgd", nesterov=True, momentum=momentum)
    assert {group["nesterov"] for group in optimizer.param_groups} == {nesterov}


def test_nesterov_is_off_unless_asked_for() -> None:
    _, optimizer = made(optimizer="sgd", momentum=0.9)
    assert not any(group["nesterov"] for group in optimizer.param_groups)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_a_step_is_one_kernel_where_torch_has_one(name: str) -> None:
    _, optimizer = made(optimizer=name)
    assert all(group["fused"] for group in optimizer.param_groups)


def test_sgd_that_is_to_take_up_parameters_is_not_fused() -> None:
    _, optimizer = made(backbone="mobilenet_v2", image_size=32, pack_size=40, optimizer="sgd", unfreeze_every=1)
    assert not any(group["fused"] for group in optimizer.param_groups)
