import csv
import json
from pathlib import Path
from typing import Any

import pytest
from full_disk import full_disk
from tiny_sweeps import fake_trial, space_of

from carsray.errors import ResultsError
from carsray.leaderboard import read_rows
from carsray.results import BEST, SweepFolder, TrialState, create_sweep
from carsray.tuning.kept import KEEP_CHECKPOINTS
from carsray.tuning.parcel import Parcel
from carsray.tuning.record import Recorder


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return create_sweep(tmp_path, "tiny")


def result_of(epoch: int, accuracy: float, best: float, **more: Any) -> dict[str, Any]:
    """A result as Ray hands it on: the trial's own entries among Ray's."""
    ours = {"epoch": epoch, "val/accuracy": accuracy, BEST: best, "val/loss": 3.0 - accuracy, "seconds/compute": 0.5}
    rays = {"time_this_iter_s": 2.0, "pid": 4, "training_iteration": epoch, "done": False}
    return ours | rays | {"node": "host 1a2b"} | more


def live(recorder: Recorder, trial: Any, accuracies: list[float]) -> None:
    """A trial from its start to its end, with weights in every epoch that is the best so far."""
    recorder.on_trial_start(0, [], trial)
    best = -1.0
    for epoch, accuracy in enumerate(accuracies, start=1):
        weights = {"checkpoint": Parcel(f"epoch {epoch}".encode())} if accuracy > best else {}
        best = max(best, accuracy)
        recorder.on_trial_result(0, [], trial, result_of(epoch, accuracy, best, **weights))
    recorder.on_trial_complete(0, [], trial)


def table_of(folder: SweepFolder) -> list[dict[str, str]]:
    with folder.table.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_trial_that_begins_has_its_config_and_says_running(folder: SweepFolder) -> None:
    trial = fake_trial(3, lr=0.1)
    Recorder(folder, space_of()).on_trial_start(0, [], trial)
    assert json.loads(folder.trial(3).config.read_text()) == {"params": {"lr": 0.1}, "config": trial.config["config"]}
    assert folder.trial(3).read_state().state == "running"
    assert folder.trial(3).read_history() == []


def test_history_has_a_line_an_epoch_with_the_trials_own_entries(folder: SweepFolder) -> None:
    live(Recorder(folder, space_of()), fake_trial(0, lr=0.1), [0.5, 0.4])
    ours = {"epoch", "val/accuracy", BEST, "val/loss", "seconds/compute", "time"}
    history = folder.trial(0).read_history()
    assert [epoch["val/accuracy"] for epoch in history] == [0.5, 0.4]
    assert all(epoch.keys() == ours for epoch in history)


def test_the_row_has_the_metrics_of_the_best_epoch(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    live(recorder, fake_trial(0, lr=0.1), [0.3, 0.5, 0.4])
    row = recorder.rows[0]
    assert (row.state, row.epochs, row.seconds, row.score) == ("finished", 3, 6.0, 0.5)
    assert (row.best["val/accuracy"], row.best["val/loss"]) == (0.5, 2.5)


def test_a_trial_stopped_before_the_last_epoch_is_pruned(folder: SweepFolder) -> None:
    live(Recorder(folder, space_of()), fake_trial(0, lr=0.1), [0.3])
    state = folder.trial(0).read_state()
    assert (state.state, state.epochs, state.seconds) == ("pruned", 1, 2.0)


def test_weights_are_written_and_do_not_stay_with_the_result(folder: SweepFolder) -> None:
    recorder, trial, result = (
        Recorder(folder, space_of()),
        fake_trial(0),
        result_of(1, 0.3, 0.3, checkpoint=Parcel(b"abc")),
    )
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, result)
    assert folder.trial(0).checkpoint.read_bytes() == b"abc"
    assert "checkpoint" not in result


def test_of_a_result_on_record_only_what_ray_asks_for_stays_in_memory(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    result = result_of(1, 0.3, 0.3, config=trial.config, trial_id="a", time_total_s=3.0)
    recorder.on_trial_result(0, [], trial, result)
    assert result.keys() == {"epoch", BEST, "pid", "training_iteration", "done", "trial_id"}


def test_a_failed_trial_keeps_its_reason_and_what_it_had_reached(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, result_of(1, 0.3, 0.3))
    failed = {"epoch": 1, BEST: 0.3, "failed": "loss became nan", "kind": "trial", "done": True, "node": "host 1a2b"}
    recorder.on_trial_result(0, [], trial, failed)
    recorder.on_trial_complete(0, [], trial)
    assert folder.trial(0).read_state() == TrialState("failed", 1, 2.0, "loss became nan", "host 1a2b", "trial")
    assert len(folder.trial(0).read_history()) == 1
    assert recorder.rows[0].score == 0.3


def test_a_trial_lost_with_its_actor_is_failed_even_before_it_began(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    recorder.on_trial_error(0, [], fake_trial(0, RuntimeError("node gone")))
    recorder.on_trial_start(0, [], fake_trial(1))
    recorder.on_trial_error(0, [], fake_trial(1))
    assert folder.trial(0).read_state() == TrialState("failed", 0, 0.0, "node gone", kind="lost")
    assert folder.trial(1).read_state().reason == "its Ray actor died"


def test_a_trial_that_has_ended_stays_so_whatever_fails_after_its_row_was_written(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, OSError("No space left on device"), lr=0.1)
    live(recorder, trial, [0.2, 0.3, 0.4])
    ended = folder.trial(0).read_state()
    recorder.on_trial_error(0, [], trial)
    assert folder.trial(0).read_state() == ended
    assert ended.state != "failed"


def test_a_trial_that_begins_again_has_only_its_new_history(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, result_of(1, 0.3, 0.3, checkpoint=Parcel(b"old")))
    recorder.on_trial_start(0, [], trial)
    assert not folder.trial(0).checkpoint.exists()
    live(recorder, trial, [0.4, 0.5, 0.6])
    assert [epoch["epoch"] for epoch in folder.trial(0).read_history()] == [1, 2, 3]
    assert recorder.rows[0].seconds == 2.0 + 6.0  # what was spent counts


def test_only_the_best_trials_keep_their_weights(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    scores = [0.5, 0.9, 0.1, 0.7, 0.3, 0.8]
    for number, score in enumerate(scores):
        live(recorder, fake_trial(number), [0.0, score, 0.0])
    kept = {number for number in range(len(scores)) if folder.trial(number).checkpoint.exists()}
    assert kept == {*sorted(range(len(scores)), key=lambda n: -scores[n])[:KEEP_CHECKPOINTS]}
    assert folder.trial(1).checkpoint.read_bytes() == b"epoch 2"


def test_a_trial_that_is_left_keeps_its_row_and_its_snapshot(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of(), comes_again=lambda number: True), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, result_of(1, 0.3, 0.3, snapshot=Parcel(b"of one epoch")))
    recorder.on_trial_complete(0, [], trial)
    recorder.on_trial_complete(0, [], fake_trial(1))  # it had not begun
    assert folder.trial(0).read_state().state == "running"
    assert folder.trial(0).snapshot.exists()
    assert list(recorder.rows) == [0]


def test_a_running_trial_keeps_its_weights_among_better_ones(folder: SweepFolder) -> None:
    recorder, poor = Recorder(folder, space_of()), fake_trial(99)
    recorder.on_trial_start(0, [], poor)
    recorder.on_trial_result(0, [], poor, result_of(1, 0.01, 0.01, checkpoint=Parcel(b"poor")))
    for number in range(KEEP_CHECKPOINTS + 1):
        live(recorder, fake_trial(number), [0.5])
    assert folder.trial(99).checkpoint.exists()
    recorder.on_trial_complete(0, [], poor)
    assert not folder.trial(99).checkpoint.exists()


def test_weights_of_an_earlier_process_make_way_for_better_ones(folder: SweepFolder) -> None:
    first = Recorder(folder, space_of())
    for number in range(KEEP_CHECKPOINTS):
        live(first, fake_trial(number), [0.1 + 0.1 * number])
    again = Recorder(folder, space_of(), read_rows(folder))
    live(again, fake_trial(KEEP_CHECKPOINTS), [0.9])
    kept = [folder.trial(number).checkpoint.exists() for number in range(KEEP_CHECKPOINTS + 1)]
    assert kept == [False, *[True] * KEEP_CHECKPOINTS]


def test_paused_trials_lose_their_weights_when_the_sweep_ends(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    for number in range(KEEP_CHECKPOINTS + 1):
        trial = fake_trial(number)
        recorder.on_trial_start(0, [], trial)
        trial.status = "PAUSED"
        score = 0.9 - 0.1 * number
        recorder.on_trial_result(0, [], trial, result_of(1, score, score, checkpoint=Parcel(b"weights")))
    recorder.close_paused()
    kept = [folder.trial(number).checkpoint.exists() for number in range(KEEP_CHECKPOINTS + 1)]
    assert kept == [*[True] * KEEP_CHECKPOINTS, False]


def test_the_table_has_every_trial_best_first_and_is_complete_at_the_end(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    for number, score in enumerate([0.2, 0.6, 0.4]):
        live(recorder, fake_trial(number, optimizer="adam", lr=0.1), [score])
    recorder.on_experiment_end([])
    rows = table_of(folder)
    assert [row["trial"] for row in rows] == ["1", "2", "0"]
    columns = ["trial", "state", "epochs", BEST, "val/accuracy", "val/loss", "seconds"]
    assert list(rows[0]) == [*columns, "optimizer", "lr", "momentum"]
    assert rows[0]["momentum"] == ""


def test_rows_read_back_are_the_rows_that_were_kept(folder: SweepFolder) -> None:
    recorder = Recorder(folder, space_of())
    live(recorder, fake_trial(0, lr=0.1), [0.2, 0.6, 0.4])
    live(recorder, fake_trial(1, lr=0.2), [0.1])
    recorder.on_trial_error(0, [], fake_trial(2, RuntimeError("gone"), lr=0.3))
    assert read_rows(folder) == [recorder.rows[number] for number in range(3)]


def test_rows_from_before_stay_in_the_table(folder: SweepFolder) -> None:
    first = Recorder(folder, space_of())
    live(first, fake_trial(0, lr=0.1), [0.2])
    again = Recorder(folder, space_of(), read_rows(folder))
    live(again, fake_trial(1, lr=0.1), [0.4])
    again.write_table()
    assert [row["trial"] for row in table_of(folder)] == ["1", "0"]


def test_a_record_that_cannot_be_written_is_an_error_that_stays_known(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0)
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, result_of(1, 0.3, 0.3, snapshot=Parcel(b"old")))
    with full_disk(2000), pytest.raises(ResultsError, match="cannot be written"):
        recorder.on_trial_result(0, [], trial, result_of(2, 0.4, 0.4, snapshot=Parcel(b"x" * 5000)))
    assert "snapshot.safetensors: cannot be written" in str(recorder.broken)
    with pytest.raises(ResultsError, match="cannot be written"):
        recorder.on_step_end(0, [])
    assert folder.trial(0).snapshot.read_bytes() == b"old"


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_snapshot_ahead_of_the_history_is_not_taken_up(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch, epochs: int
) -> None:
    monkeypatch.setattr("carsray.tuning.record.snapshot_standing", lambda data, config: (2, 0.5))
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    for epoch in range(1, epochs + 1):
        recorder.on_trial_result(0, [], trial, result_of(epoch, 0.3, 0.3))
    folder.trial(0).snapshot.write_bytes(b"of two epochs")
    assert recorder.going_on(0) is None


@pytest.mark.parametrize(("metrics", "parts"), [({}, 1), ({"train/micro_batches": 4}, 4)])
def test_a_trial_goes_on_with_the_parts_of_its_batches(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch, metrics: dict[str, int], parts: int
) -> None:
    monkeypatch.setattr("carsray.tuning.record.snapshot_standing", lambda data, config: (1, 0.3))
    monkeypatch.setattr("carsray.tuning.record.ray.put", lambda content: content)
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    recorder.on_trial_result(0, [], trial, {**result_of(1, 0.3, 0.3, snapshot=Parcel(b"of one epoch")), **metrics})
    assert recorder.going_on(0) == {"epoch": 1, "best": 0.3, "micro_batches": parts, "snapshot": b"of one epoch"}


def test_a_trial_that_goes_on_from_an_earlier_epoch_has_not_reached_what_came_after(folder: SweepFolder) -> None:
    recorder, trial = Recorder(folder, space_of()), fake_trial(0, lr=0.1)
    recorder.on_trial_start(0, [], trial)
    for epoch, accuracy in enumerate((0.3, 0.2, 0.9), start=1):
        recorder.on_trial_result(0, [], trial, result_of(epoch, accuracy, max(0.3, accuracy)))
    folder.trial(0).cut_history(2)
    trial.config["going_on"] = {"epoch": 2}
    recorder.on_trial_start(0, [], trial)
    row = recorder.rows[0]
    assert (row.state, row.epochs, row.score, row.seconds) == ("running", 2, 0.3, 6.0)
    assert folder.trial(0).read_state().epochs == 2
