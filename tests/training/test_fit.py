import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import config_of, data_of, run_of
from torch.nn import functional

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData, eval_batches
from carsray.errors import TrialFailed
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.training.evaluate import predict
from carsray.training.fit import EpochResult, Progress, fit
from carsray.training.metrics import classification_metrics

CPU = torch.device("cpu")
ONE_STEP = {"epochs": 1, "batch_size": 4096, "augment": "none", "optimizer": "sgd", "batchnorm": False}
"""One epoch of one step, on all pictures, without anything random in it."""


def epochs_of(config: TrialConfig, data: TrainingData, tmp_path: Path) -> list[EpochResult]:
    return [event for event in fit(config, data, run_of(tmp_path)) if isinstance(event, EpochResult)]


def metrics_of(config: TrialConfig, data: TrainingData, tmp_path: Path) -> list[dict[str, float]]:
    return [result.metrics for result in epochs_of(config, data, tmp_path)]


def gradients(network: Network, data: TrainingData, smoothing: float = 0.0) -> float:
    """Leave the gradients of the loss over the whole training set in the network; returns that loss."""
    network.zero_grad()
    (batch,) = eval_batches(data.train, config_of(), CPU, batch_size=4096)
    loss = functional.cross_entropy(network(batch.images), batch.labels, label_smoothing=smoothing)
    loss.backward()
    return loss.item()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_same_config_gives_the_same_bits_whatever_ran_before(optimizer: str, tmp_path: Path) -> None:
    data = data_of(tmp_path)
    config = config_of(optimizer=optimizer, lr=0.01, dropout=0.3, spatial_dropout=0.2, seed=5)
    first = metrics_of(config, data, tmp_path)
    torch.rand(17)
    metrics_of(config_of(seed=6, dropout=0.5), data, tmp_path)
    assert metrics_of(config, data, tmp_path) == first
    assert len(first) == 2


def test_another_seed_gives_other_numbers(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    losses = {metrics_of(config_of(seed=seed, epochs=1), data, tmp_path)[0]["train/loss"] for seed in range(3)}
    assert len(losses) == 3


def test_dropout_differs_from_epoch_to_epoch(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    # The rate is too small to change a float32 weight by more than its last bits: what differs is dropout.
    still = config_of(**(ONE_STEP | {"epochs": 2}), dropout=0.5, lr=1e-12, momentum=0.0)
    first, second = metrics_of(still, data, tmp_path)
    assert abs(first["train/loss"] - second["train/loss"]) > 1e-4
    assert first["val/loss"] == pytest.approx(second["val/loss"], rel=1e-5)


def test_the_best_never_falls_and_is_the_best_so_far(tmp_path: Path) -> None:
    config = config_of(epochs=6, lr=0.3, batchnorm=False, momentum=0.0, grad_clip=1.0, batch_size=2)
    results = epochs_of(config, data_of(tmp_path, classes=4), tmp_path)
    accuracies = [result.metrics["val/accuracy"] for result in results]
    assert len(set(accuracies)) > 1
    best = [result.metrics["val/accuracy_best"] for result in results]
    assert best == [max(accuracies[: n + 1]) for n in range(6)]
    assert [result.improved for result in results] == [n == 0 or best[n] > best[n - 1] for n in range(6)]


def test_coloured_pictures_are_learned(tmp_path: Path) -> None:
    results = metrics_of(config_of(epochs=8, lr=0.05), data_of(tmp_path), tmp_path)
    assert results[-1]["val/accuracy_best"] == 1.0


def test_an_epoch_reports_every_metric_and_where_the_time_went(tmp_path: Path) -> None:
    first, second = epochs_of(config_of(schedule="step", step_epochs=1, lr=0.01), data_of(tmp_path), tmp_path)
    assert (first.epoch, second.epoch) == (1, 2)
    val = {f"val/{name}" for name in ("loss", "accuracy", "top5", "f1_macro", "accuracy_best")}
    assert first.metrics.keys() == val | {"train/loss", "train/accuracy", "train/lr"}
    assert (first.metrics["train/lr"], second.metrics["train/lr"]) == pytest.approx((0.01, 0.001))
    assert first.seconds.keys() == {"start", "prefix", "data", "compute", "validation"}
    assert second.seconds.keys() == {"prefix", "data", "compute", "validation"}
    assert all(seconds >= 0 for seconds in first.seconds.values())


def test_validation_metrics_are_those_of_the_yielded_network(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), config_of(label_smoothing=0.3, dropout=0.5)
    for event in fit(config, data, run_of(tmp_path)):
        assert isinstance(event, EpochResult)
        found = classification_metrics(*predict(event.network, eval_batches(data.val, config, CPU), torch.float32))
        assert {f"val/{name}": value for name, value in found.items()}.items() <= event.metrics.items()
        assert (event.predicted == data.val.labels).mean() == event.metrics["val/accuracy"]


@pytest.mark.parametrize(
    "changes", [{"batchnorm": False, "momentum": 0.9, "grad_clip": 0.0}, {"batchnorm": False, "momentum": 0.0}]
)
def test_a_loss_that_is_no_longer_finite_fails_the_trial_with_the_place(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(**changes, epochs=50, lr=10.0, optimizer="sgd", weight_decay=1.0)
    with pytest.raises(TrialFailed, match=r"loss became (nan|inf) in epoch \d+(, step \d+)? \(lr 10\)"):
        metrics_of(config, data_of(tmp_path), tmp_path)


def test_progress_comes_with_every_step_where_no_time_is_set(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), config_of(batch_size=3)
    steps = len(data.train.labels) // 3
    events = list(fit(config, data, run_of(tmp_path, progress_seconds=0)))
    val = len(data.val.labels) if data.val else 0
    expected: list[Progress] = []
    for epoch in (1, 2):
        expected += [Progress(epoch, step, steps) for step in range(1, steps + 1)]
        expected.append(Progress(epoch, val, val))  # validation is one batch
    assert [event for event in events if isinstance(event, Progress)] == expected
    assert [isinstance(event, EpochResult) for event in events] == ([False] * (steps + 1) + [True]) * 2


def test_no_progress_comes_before_its_time(tmp_path: Path) -> None:
    assert all(isinstance(event, EpochResult) for event in fit(config_of(), data_of(tmp_path), run_of(tmp_path)))


def test_one_step_is_the_step_written_out(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    config = config_of(**ONE_STEP, lr=0.05, head_lr_factor=3.0, weight_decay=0.02, momentum=0.9)
    (result,) = epochs_of(config, data, tmp_path)
    network = build_network(config, 3).train()
    loss = gradients(network, data)
    head = {id(parameter) for parameter in network.head.parameters()}
    with torch.no_grad():
        for parameter in network.parameters():
            rate = 0.05 * (3 if id(parameter) in head else 1)
            parameter -= rate * (parameter.grad + 0.02 * parameter)
    torch.testing.assert_close(dict(result.network.named_parameters()), dict(network.named_parameters()))
    assert result.metrics["train/loss"] == pytest.approx(loss, rel=1e-5)


def test_clipping_bounds_the_whole_step(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    config = config_of(**ONE_STEP, lr=0.5, momentum=0.0, grad_clip=0.01)
    (result,) = epochs_of(config, data, tmp_path)
    before, after = build_network(config, 3).parameters(), result.network.parameters()
    moved = torch.cat([(a - b).detach().flatten() for a, b in zip(after, before, strict=True)]).norm().item()
    assert moved == pytest.approx(0.5 * 0.01, rel=1e-3)


def test_clipping_leaves_a_small_gradient_alone(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    (clipped,), (free,) = (
        metrics_of(config_of(**ONE_STEP, lr=0.01, grad_clip=clip), data, tmp_path) for clip in (1e6, 0.0)
    )
    assert clipped == free


def test_the_training_loss_is_smoothed_as_asked(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    (result,) = metrics_of(config_of(**ONE_STEP, label_smoothing=0.2), data, tmp_path)
    network = build_network(config_of(**ONE_STEP), 3)
    smooth, sharp = gradients(network, data, smoothing=0.2), gradients(network, data)
    assert result["train/loss"] == pytest.approx(smooth, rel=1e-5)
    assert smooth != pytest.approx(sharp, rel=1e-3)


def test_a_step_has_the_rate_that_the_schedule_says(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    config = config_of(**(ONE_STEP | {"epochs": 2}), lr=0.4, momentum=0.0, schedule="cosine")
    epochs = fit(config, data, run_of(tmp_path))
    network = copy.deepcopy(next(epochs).network).train()  # type: ignore[union-attr]
    gradients(network, data)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 0.4 / 2 * parameter.grad
    torch.testing.assert_close(dict(next(epochs).network.named_parameters()), dict(network.named_parameters()))


def test_a_caller_stops_early_by_leaving_the_loop(tmp_path: Path) -> None:
    for event in fit(config_of(epochs=10_000), data_of(tmp_path), run_of(tmp_path)):
        assert isinstance(event, EpochResult)
        break


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 8, "hidden_batchnorm": True},
        {"backbone": "resnet18", "image_size": 32, "pack_size": 32, "unfreeze_depth": 1},  # ends in a map of 1x1
    ],
)
def test_a_batch_of_one_that_cannot_be_trained_on_fails_the_trial_in_plain_words(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(**settings, batch_size=1)
    with pytest.raises(TrialFailed, match=r"batch_size = 1: .* BatchNorm cannot train on a single value; use batches"):
        metrics_of(config, data_of(tmp_path), tmp_path)


def test_a_batch_of_one_that_can_be_trained_on_is(tmp_path: Path) -> None:
    assert len(metrics_of(config_of(batch_size=1), data_of(tmp_path), tmp_path)) == 2


@pytest.mark.parametrize(("parts", "batch_size"), [(2, 8), (3, 8), (50, 6)])
def test_a_batch_cut_into_parts_gives_the_gradients_of_the_whole(parts: int, batch_size: int, tmp_path: Path) -> None:
    """Without BatchNorm, which sees the parts."""
    data = data_of(tmp_path)
    config = config_of(batchnorm=False, grad_clip=0.5, label_smoothing=0.1, batch_size=batch_size, lr=0.05)
    whole, cut = (
        [
            event.metrics
            for event in fit(config, data, run_of(tmp_path), micro_batches=number)
            if isinstance(event, EpochResult)
        ]
        for number in (1, parts)
    )
    for one, other in zip(whole, cut, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
