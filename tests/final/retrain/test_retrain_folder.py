"""What stays of a training, and when it starts over."""

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from tiny_retrain import name_winner, swept

from carsray.config import RunConfig
from carsray.final.retrain.chosen import read_chosen
from carsray.final.retrain.folder import TWIN, RetrainFolder, Training
from carsray.final.retrain.trainings import plan_trainings
from carsray.results import SweepFolder
from carsray.training import whole
from carsray.training.whole import EpochEnd, Saved, Terms, Trained, train
from carsray.tuning.sweep import read_record


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    folder = swept(tmp_path)
    name_winner(folder)
    return folder


def planned(sweep: SweepFolder, seeds: int = 1, decay: float = 0.0) -> list[Training]:
    return plan_trainings(read_chosen(sweep, None), read_record(sweep)[1], seeds, decay)


def tensors_of(trained: object) -> list[dict[str, torch.Tensor]]:
    assert isinstance(trained, Trained)
    kept = [content for content in (trained.checkpoint, trained.averaged) if content]
    return [safetensors.torch.load(content) for content in kept]


def test_seeds_train_on_train_and_val_and_the_twin_on_train_alone(sweep: SweepFolder) -> None:
    split = read_record(sweep)[1]
    *own, twin = planned(sweep, seeds=2)
    assert [training.name for training in (*own, twin)] == ["seed-0", "seed-1", TWIN]
    for training in own:
        assert set(training.split.train) == {*split.train, *split.val}
        assert training.split.val == ()
    assert twin.split == split
    assert twin.config == own[0].config != own[1].config


def test_only_a_plateau_is_told_losses_and_the_twin_the_same(tmp_path: Path) -> None:
    sweep = swept(tmp_path, schedule="plateau")
    assert [t.terms.val_losses for t in plan_trainings(read_chosen(sweep, 0), read_record(sweep)[1], 1, 0)] == [
        (0.9, 0.6),
        (0.9, 0.6),
    ]
    cosine = swept(tmp_path, "cosine")
    name_winner(cosine, {"val_losses": [1.0, 1.0, 1.0]})
    assert planned(cosine)[0].terms.val_losses == ()


def test_what_is_trained_stays_under_its_key_and_starts_over_under_another(sweep: SweepFolder) -> None:
    training, folder = planned(sweep)[0], RetrainFolder(sweep).training("seed-0")
    assert not folder.done(training)
    assert folder.begin(training, 1, 0.0) is None
    folder.add_end(EpochEnd(1, {"train/loss": 1.0}, {"compute": 2.0}, "abacus"))
    folder.write_trained(Trained(b"weights"))
    assert folder.done(training)
    for other in (
        replace(training, config=training.config.model_copy(update={"lr": 0.5})),
        replace(training, terms=Terms(decay=0.9)),
        planned(sweep)[-1],
    ):
        assert not folder.done(other)
    assert folder.begin(replace(training, terms=Terms(decay=0.9)), 1, 0.0) is None
    assert not folder.checkpoint.exists()
    assert folder.read_history() == []


def test_beside_an_average_the_checkpoint_waits_until_it_is_settled(sweep: SweepFolder) -> None:
    training, folder = planned(sweep, decay=0.9)[0], RetrainFolder(sweep).training("seed-0")
    folder.begin(training, 1, 0.0)
    folder.write_trained(Trained(b"last", b"averaged"))
    assert folder.done(training)
    assert not folder.checkpoint.exists()
    for averaged, content in ((True, b"averaged"), (False, b"last")):
        folder.settle(averaged)
        assert folder.checkpoint.read_bytes() == content


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_a_training_killed_midway_goes_on_from_its_snapshot_to_the_same_weights(
    decay: float, sweep: SweepFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "SNAPSHOT_SECONDS", -1.0)
    training, folder = planned(sweep, decay=decay)[0], RetrainFolder(sweep).training("seed-0")
    run = RunConfig(device="cpu", cache=tmp_path / "cache", progress_seconds=600)

    def events(snapshot: bytes | None) -> list[object]:
        return list(train(training.config, "last", training.split, run, training.terms, snapshot))

    straight = events(folder.begin(training, 1, 0.0))
    assert [type(event) for event in straight] == [EpochEnd, Saved, EpochEnd, Saved, EpochEnd, Trained]
    for event in straight[:3]:  # killed in the second epoch's end, before its snapshot was written
        match event:
            case EpochEnd():
                folder.add_end(event)
            case Saved(snapshot):
                folder.snapshot.write_bytes(snapshot)
    snapshot = folder.begin(training, 1, 0.0)
    assert snapshot is not None
    assert [line["epoch"] for line in folder.read_history()] == [1]
    again = events(snapshot)
    assert [event.epoch for event in again if isinstance(event, EpochEnd)] == [2, 3]
    for one, other in zip(tensors_of(again[-1]), tensors_of(straight[-1]), strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_damaged_snapshot_costs_the_training_and_no_more(sweep: SweepFolder) -> None:
    training, folder = planned(sweep)[0], RetrainFolder(sweep).training("seed-0")
    folder.begin(training, 1, 0.0)
    folder.add_end(EpochEnd(1, {}))
    folder.snapshot.write_bytes(b"half of one")
    assert folder.begin(training, 1, 0.0) is None
    assert folder.read_history() == []
