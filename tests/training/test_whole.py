"""A whole training as the events that a worker sends."""

from dataclasses import replace
from pathlib import Path

import pytest
from tiny_training import config_of, draw_folders, run_of, split_of

from carsray.data.records import DataSplit
from carsray.data.splits import merged
from carsray.errors import CarsrayError
from carsray.results import MICRO_BATCHES
from carsray.training import whole
from carsray.training.checkpoint import load_checkpoint
from carsray.training.team import Team
from carsray.training.whole import EpochEnd, Impossible, Saved, Terms, Trained, train


@pytest.fixture
def split(tmp_path: Path) -> DataSplit:
    return split_of(draw_folders(tmp_path / "pictures"), tmp_path / "cache")


def loaded(checkpoint: bytes, tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(checkpoint)
    return load_checkpoint(path)


def test_every_epoch_is_told_with_its_times_and_the_weights_come_last(split: DataSplit, tmp_path: Path) -> None:
    *epochs, end = train(config_of(), "last", split, run_of(tmp_path))
    assert [type(event) for event in epochs] == [EpochEnd, EpochEnd]
    assert isinstance(epochs[1], EpochEnd)
    assert epochs[1].seconds["compute"] > 0
    assert epochs[1].device
    assert isinstance(end, Trained)
    assert end.averaged is None
    assert loaded(end.checkpoint, tmp_path)[1].epoch == 2


def test_the_best_epochs_weights_are_taken_where_they_are_asked_for(split: DataSplit, tmp_path: Path) -> None:
    *epochs, end = train(config_of(epochs=5, lr=0.2), "best", split, run_of(tmp_path))
    accuracies = [event.metrics["val/accuracy"] for event in epochs if isinstance(event, EpochEnd)]
    assert isinstance(end, Trained)
    assert loaded(end.checkpoint, tmp_path)[1].epoch == accuracies.index(max(accuracies)) + 1


def test_on_everything_but_test_no_epoch_tells_of_val(split: DataSplit, tmp_path: Path) -> None:
    events = list(train(config_of(), "last", merged(split), run_of(tmp_path)))
    assert not any(key.startswith("val/") for event in events[:-1] for key in event.metrics)  # type: ignore[union-attr]
    assert isinstance(events[-1], Trained)


def test_an_average_of_the_weights_comes_beside_them(split: DataSplit, tmp_path: Path) -> None:
    *_, end = train(config_of(), "last", split, run_of(tmp_path), Terms(decay=0.5))
    assert isinstance(end, Trained)
    assert end.averaged not in (None, end.checkpoint)


def test_batches_cut_into_parts_are_on_record(split: DataSplit, tmp_path: Path) -> None:
    whole_batches, cut = (
        list(train(config_of(), "last", split, run_of(tmp_path), micro_batches=parts)) for parts in (1, 2)
    )
    for one, other in zip(whole_batches[:-1], cut[:-1], strict=True):
        assert isinstance(one, EpochEnd)
        assert isinstance(other, EpochEnd)
        assert MICRO_BATCHES not in one.metrics
        assert other.metrics[MICRO_BATCHES] == 2


def test_places_to_go_on_from_are_sent_only_to_those_who_can(
    split: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "SNAPSHOT_SECONDS", -1.0)
    told = [type(event) for event in train(config_of(), "last", split, run_of(tmp_path), Terms())]
    assert told == [EpochEnd, Saved, EpochEnd, Trained]
    assert Saved not in [type(event) for event in train(config_of(), "last", split, run_of(tmp_path))]


def test_a_test_picture_among_those_to_train_on_ends_it_unopened(split: DataSplit, tmp_path: Path) -> None:
    leaky = replace(split, train=split.train + split.test[:1])
    (event,) = train(config_of(), "last", leaky, run_of(tmp_path / "elsewhere"))
    assert isinstance(event, Impossible)
    assert "sealed" in event.reason


def test_what_a_person_can_cause_is_an_event_for_the_first_worker_and_an_error_for_the_others(
    split: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(backbone="mobilenet_v2", image_size=32, pack_size=32, weights="missing.pth")
    (event,) = train(config, "last", split, run_of(tmp_path))
    assert event == Impossible(event.reason)  # type: ignore[union-attr]
    assert "missing.pth" in event.reason  # type: ignore[union-attr]
    monkeypatch.setattr(whole, "this_team", lambda: Team(1, 2))
    with pytest.raises(Exception, match=r"missing\.pth"):
        list(train(config, "last", split, run_of(tmp_path)))


def test_what_befalls_the_first_worker_alone_ends_the_others_too(
    split: DataSplit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what it is, and then fails, so that whoever runs the team ends all of it."""
    config = config_of(backbone="mobilenet_v2", image_size=32, pack_size=32, weights="missing.pth")
    monkeypatch.setattr(whole, "this_team", lambda: Team(0, 2))
    events = train(config, "last", split, run_of(tmp_path))
    assert isinstance(next(events), Impossible)
    with pytest.raises(CarsrayError, match=r"missing\.pth"):
        next(events)
