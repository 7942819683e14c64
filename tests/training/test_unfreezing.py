from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import config_of, data_of, run_of
from torch.nn import functional

from carsray.config import TrialConfig
from carsray.errors import ConfigError
from carsray.models.build import build_network, depth_at
from carsray.models.network import Network
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes, load_checkpoint
from carsray.training.fit import EpochResult, fit
from carsray.training.optimizer import build_optimizer, take_up
from carsray.training.schedule import Schedule

GROWING = {"backbone": "mobilenet_v2", "image_size": 32, "pack_size": 32, "unfreeze_every": 2, "unfreeze_depth": 3}
BLOCK = [f"backbone.features.{number}." for number in (18, 17, 16)]


def growing(**changes: Any) -> TrialConfig:
    return config_of(**(GROWING | changes))


def trained(network: Network) -> set[int]:
    return {id(parameter) for parameter in network.parameters() if parameter.requires_grad}


def step(network: Network, optimizer: torch.optim.Optimizer) -> None:
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    optimizer.zero_grad()
    functional.cross_entropy(network(pictures), torch.tensor([0, 1, 2, 0])).backward()
    optimizer.step()


def test_one_more_block_is_trained_every_so_many_epochs_up_to_the_depth() -> None:
    assert [depth_at(growing(), epoch) for epoch in range(1, 11)] == [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]


def test_without_growing_every_epoch_trains_the_whole_depth() -> None:
    assert depth_at(growing(unfreeze_every=0), 1) == 3
    assert depth_at(growing(unfreeze_every=0, unfreeze_depth="all"), 1) == "all"


def test_the_depth_all_grows_to_every_block() -> None:
    config = growing(backbone="densenet121", unfreeze_depth="all", unfreeze_every=1)
    assert [depth_at(config, epoch) for epoch in (1, 5, 6, 7)] == [0, 4, 5, 5]


def test_a_growing_network_begins_with_its_head() -> None:
    network = build_network(growing(), 3)
    assert trained(network) == {id(parameter) for parameter in network.head.parameters()}


def test_a_depth_beyond_the_network_is_found_before_training() -> None:
    with pytest.raises(ConfigError, match="19 blocks"):
        build_network(growing(unfreeze_depth=20), 3)


def test_the_cnn_cannot_grow() -> None:
    with pytest.raises(ConfigError, match="unfreeze_every = 1: the cnn is trained whole; set it to 0"):
        build_network(config_of(unfreeze_every=1), 3)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_the_optimizer_takes_up_new_parameters_and_keeps_the_state_of_the_old(name: str) -> None:
    config = growing(optimizer=name, lr=0.01, head_lr_factor=2.0)
    network = build_network(config, 3)
    optimizer = build_optimizer(network, config)
    step(network, optimizer)
    weight = network.head.linear.weight
    key = {"sgd": "momentum_buffer", "rmsprop": "square_avg"}.get(name, "exp_avg")
    before = optimizer.state[weight][key].clone()
    network.unfreeze(1)
    take_up(optimizer, network)
    assert torch.equal(optimizer.state[weight][key], before)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(trained(network))
    body, head = optimizer.param_groups
    assert (body["lr"], head["lr"]) == pytest.approx((0.01, 0.02))
    conv = network.blocks[-1][1][0].weight
    frozen = conv.detach().clone()
    step(network, optimizer)
    assert not torch.equal(conv, frozen)


@pytest.mark.parametrize("schedule", ["step", "plateau"])
def test_new_parameters_train_at_the_rate_of_the_day(schedule: str) -> None:
    config = growing(schedule=schedule, step_epochs=1, patience=0, decay_factor=0.1, lr=1.0)
    network = build_network(config, 3)
    optimizer = build_optimizer(network, config)
    rates = Schedule(optimizer, config)
    for epoch in (1, 2):
        rates.before_step(epoch, 0, 1)
        rates.after_epoch(1.0)
    network.unfreeze(1)
    take_up(optimizer, network)
    rates.before_step(2, 0, 1)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1, 0.1])
    assert rates.lr == pytest.approx(0.1)


def test_each_epoch_changes_the_blocks_of_its_depth_alone(tmp_path: Path) -> None:
    config = growing(unfreeze_every=1, unfreeze_depth=2, epochs=4, lr=0.01)
    states = []
    for event in fit(config, data_of(tmp_path, **GROWING), run_of(tmp_path)):
        assert isinstance(event, EpochResult)
        states.append({name: value.clone() for name, value in event.network.state_dict().items()})
    start = build_network(config, 3).state_dict()
    changed = [
        {name for name in start if not torch.equal(before[name], after[name])}
        for before, after in zip([start, *states], states, strict=False)
    ]
    assert changed[0] == {"head.linear.weight", "head.linear.bias"}
    for names, depth in zip(changed[1:], (1, 2, 2), strict=True):
        assert names > {"head.linear.weight"}
        assert all(name.startswith(("head.", *BLOCK[:depth])) for name in names)
        assert all(any(name.startswith(block) for name in names) for block in BLOCK[:depth])


def test_a_checkpoint_of_any_epoch_comes_back_as_it_was(tmp_path: Path) -> None:
    config = growing(unfreeze_every=1, unfreeze_depth=2, epochs=3)
    pictures = torch.rand(2, 3, 32, 32)
    for event in fit(config, data_of(tmp_path, **GROWING), run_of(tmp_path)):
        assert isinstance(event, EpochResult)
        path = tmp_path / "checkpoint.safetensors"
        path.write_bytes(checkpoint_bytes(event.network, CheckpointInfo(config, ("a", "b", "c"), event.epoch)))
        again, _ = load_checkpoint(path)
        torch.testing.assert_close(again(pictures), event.network.eval()(pictures))
        assert sum(p.requires_grad for p in again.parameters()) == sum(
            p.requires_grad for p in event.network.parameters()
        )
