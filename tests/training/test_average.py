"""The average of the weights, against the sum written out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import config_of, data_of, run_of

from carsray.data.batches import TrainingData
from carsray.errors import WeightsError
from carsray.models.network import Network
from carsray.training.fit import EpochResult, fit

DECAY = 0.7
Tensors = dict[str, torch.Tensor]
Epoch = tuple[EpochResult, Tensors, Tensors | None, bytes]
"""An epoch, the network and the average as they were at its end, and its snapshot."""


def floats_of(network: Network) -> Tensors:
    return {name: t.detach().clone() for name, t in network.state_dict().items() if t.is_floating_point()}


def results(
    data: TrainingData, tmp_path: Path, decay: float = DECAY, snapshot: bytes | None = None, **changes: Any
) -> list[Epoch]:
    epochs = []
    for event in fit(config_of(**changes), data, run_of(tmp_path), snapshot, decay=decay):
        assert isinstance(event, EpochResult)
        averaged = floats_of(event.averaged) if event.averaged else None
        epochs.append((event, floats_of(event.network), averaged, event.snapshot()))
    return epochs


def test_the_average_is_the_weighted_sum_of_the_weights_after_each_step(tmp_path: Path) -> None:
    one_step = {"batch_size": 4096, "epochs": 4, "lr": 0.1}  # of one step each
    epochs = results(data_of(tmp_path), tmp_path, **one_step)
    expected = epochs[0][1]
    for _, weights, averaged, _ in epochs:
        expected = {name: DECAY * value + (1 - DECAY) * weights[name] for name, value in expected.items()}
        assert averaged is not None
        for name, value in expected.items():
            torch.testing.assert_close(averaged[name], value, msg=name)
    assert any("running_mean" in name for name in expected)
    assert any(not torch.allclose(expected[name], epochs[-1][1][name]) for name in expected)


def test_keeping_an_average_changes_nothing_else(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    with_one, without = (
        [epoch[0].metrics for epoch in results(data, tmp_path, decay, dropout=0.3)] for decay in (DECAY, 0.0)
    )
    assert with_one == without


@pytest.mark.parametrize(
    "changes",
    [{}, {"backbone": "mobilenet_v2", "unfreeze_depth": 2, "unfreeze_every": 1, "image_size": 32, "pack_size": 32}],
)
def test_an_average_taken_up_goes_on_as_if_nothing_had_been(changes: dict[str, Any], tmp_path: Path) -> None:
    changes = {"epochs": 4, **changes}
    data = data_of(tmp_path, **changes)
    straight = results(data, tmp_path, **changes)
    taken_up = results(data, tmp_path, snapshot=straight[1][3], **changes)
    assert [epoch[0].epoch for epoch in taken_up] == [3, 4]
    for before, after in zip(straight[2:], taken_up, strict=True):
        assert all(torch.equal(before[2][name], after[2][name]) for name in before[2])


def test_a_snapshot_without_an_average_is_refused_where_one_is_wanted(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    snapshot = results(data, tmp_path, decay=0.0)[0][3]
    with pytest.raises(WeightsError, match="are missing"):
        results(data, tmp_path, snapshot=snapshot)
