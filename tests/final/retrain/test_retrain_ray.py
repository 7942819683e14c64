"""`carsray retrain` from end to end, on a Ray of its own."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from tiny_retrain import POINT, choose_point, name_winner, swept

from carsray.cli import cli
from carsray.cluster.connect import connected
from carsray.data.ledger import read_ledger
from carsray.errors import CarsrayError, ResultsError, SweepFailed
from carsray.final.retrain import retraining, trainings
from carsray.results import SweepFolder
from carsray.training.checkpoint import load_checkpoint
from carsray.tuning.sweep import read_record

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("retrain")


@pytest.fixture(scope="module")
def run(home: Path) -> Iterator[Callable[..., Result]]:
    def call(*arguments: str, fails: type[CarsrayError] | None = None) -> Result:
        done = CliRunner().invoke(cli, ["retrain", *arguments, "--results", str(home / "results")])
        if fails is None:
            assert done.exception is None, done.output
        else:
            assert isinstance(done.exception, fails), done.output
        return done

    with connected(None):
        yield call


@pytest.fixture(scope="module")
def first(run: Callable[..., Result], home: Path) -> tuple[Result, SweepFolder]:
    """Two seeds, with a retrieval point chosen on val."""
    sweep = swept(home)
    name_winner(sweep, {"chosen": 0, "statement": "Trial 0 leads by more than noise."})
    choose_point(sweep)
    return run("cars", "--seeds", "2"), sweep


def record_of(sweep: SweepFolder) -> dict:
    return json.loads((sweep.root / "retrain" / "retrain.json").read_text())


def trained_at(sweep: SweepFolder) -> dict[str, float]:
    return {
        path.parent.name: path.stat().st_mtime for path in (sweep.root / "retrain").glob("*/checkpoint.safetensors")
    }


def test_the_numbers_are_those_of_the_answers(first: tuple[Result, SweepFolder]) -> None:
    _, sweep = first
    record, split = record_of(sweep), read_record(sweep)[1]
    answers = pd.read_csv(sweep.root / "retrain" / "answers-test.csv")
    assert answers.path.to_list() == [row.path for row in split.test]
    assert answers.label.to_list() == [row.label for row in split.test]
    assert record["test"]["accuracy"] == pytest.approx((answers.label == answers.predicted).mean())
    assert record["test_by_seed"][0] == record["test"]["accuracy"]
    assert record["mean"] == pytest.approx(np.mean(record["test_by_seed"]))
    assert record["twin"]["gain"] == pytest.approx(record["mean"] - record["twin"]["test"]["accuracy"])
    assert (record["pictures"], record["opening"]) == ({"train": 36, "test": 9, "twin": 27}, 1)
    assert (record["seeds"], record["config"]["seed"], record["confirmed"]) == ([0, 1], 0, True)
    assert record["workers"] == 1
    assert record["classes"] == ["class 0", "class 1", "class 2"]


def test_the_tables_agree_with_the_answers(first: tuple[Result, SweepFolder]) -> None:
    root = first[1].root / "retrain"
    answers, classes = pd.read_csv(root / "answers-test.csv"), pd.read_csv(root / "classes-test.csv")
    assert classes.pictures.to_list() == np.bincount(answers.label, minlength=3).tolist()
    right = answers[answers.label == answers.predicted].label
    assert (classes.recall * classes.pictures).to_list() == pytest.approx(np.bincount(right, minlength=3).tolist())
    counts = pd.read_csv(root / "confusion-test.csv", index_col=0).to_numpy()
    assert (counts.sum(), np.trace(counts)) == (9, len(right))


def test_length_and_config_of_each_training_are_fixed_beforehand(first: tuple[Result, SweepFolder]) -> None:
    _, sweep = first
    for name, judged in (("seed-0", False), ("seed-1", False), ("twin", True)):
        lines = [
            json.loads(line) for line in (sweep.root / "retrain" / name / "history.jsonl").read_text().splitlines()
        ]
        assert [line["epoch"] for line in lines] == [1, 2, 3]
        assert all(("val/accuracy" in line) is judged for line in lines)
        _, info = load_checkpoint(sweep.root / "retrain" / name / "checkpoint.safetensors")
        assert (info.epoch, info.config.seed) == (3, 1 if name == "seed-1" else 0)


def test_the_twin_is_judged_by_val_at_its_last_epoch(first: tuple[Result, SweepFolder]) -> None:
    root = first[1].root / "retrain"
    last = json.loads((root / "twin" / "history.jsonl").read_text().splitlines()[-1])
    answers = pd.read_csv(root / "twin" / "answers-val.csv")
    assert record_of(first[1])["twin"]["val"]["accuracy"] == last["val/accuracy"]
    assert (answers.label == answers.predicted).mean() == pytest.approx(last["val/accuracy"])


def test_the_retrieval_point_is_measured_in_the_same_opening(first: tuple[Result, SweepFolder]) -> None:
    found = record_of(first[1])["retrieval"]
    assert found["point"] == POINT
    low, high = found["accuracy_interval"]
    assert low <= found["accuracy"] <= high
    assert len(read_ledger(first[1].root / "test_ledger.jsonl")) == 1


def test_the_cost_is_that_of_the_retrain_and_of_the_search(first: tuple[Result, SweepFolder]) -> None:
    cost = record_of(first[1])["cost"]
    assert cost["search_gpu_hours"] == pytest.approx(30 * 0.5 / 3600)
    assert cost["seconds"] > 0
    assert (cost["gpu_hours"], bool(cost["device"])) == (0, True)


def test_the_summary_says_what_the_numbers_rest_on_and_what_comes_next(first: tuple[Result, SweepFolder]) -> None:
    done, sweep = first
    for says in (
        "Trial 0 leads by more than noise.",
        "9 pictures (held out, not the official test), opened for the first time",
        "Over 2 seeds: accuracy",
        "(36 pictures instead of 27) gained",
        "fitted to the twin's answers on val",
        "Retrieval as chosen on val (k 3, euclidean",
        f"Next: carsray export cars DIR --results {sweep.root.parent}",
    ):
        assert says in done.output


def test_once_open_test_is_refused_before_anything_is_trained(
    first: tuple[Result, SweepFolder], run: Callable[..., Result]
) -> None:
    before = trained_at(first[1])
    refused = run("cars", "--seeds", "3", fails=ResultsError)
    assert "was opened once on" in str(refused.exception)
    assert trained_at(first[1]) == before


def test_a_trial_that_nobody_confirmed_says_so_and_what_was_trained_before_stays(
    run: Callable[..., Result], home: Path
) -> None:
    sweep = swept(home, "unconfirmed", schedule="none")
    done = run("unconfirmed", "--trial", "0", "--ema", "0.5")
    record = record_of(sweep)
    assert "trial 0 was never repeated on fresh pictures" in done.output
    assert "trial 0, not confirmed, seed 0" in done.output
    assert (record["confirmed"], record["trial"], record["config"]["epochs"]) == (False, 0, 2)
    assert f"it is {'' if record['average']['used'] else 'not '}used" in done.output
    before = (sweep.root / "retrain" / "seed-0" / "last.safetensors").stat().st_mtime
    again = run("unconfirmed", "--trial", "0", "--ema", "0.5", "--again", "--json")
    assert json.loads(again.stdout) == record_of(sweep)
    assert record_of(sweep)["opening"] == 2
    assert record_of(sweep)["test"]["loss"] == pytest.approx(record["test"]["loss"])
    assert (sweep.root / "retrain" / "seed-0" / "last.safetensors").stat().st_mtime == before


def test_a_training_that_cannot_be_done_leaves_test_closed(run: Callable[..., Result], home: Path) -> None:
    sweep = swept(home, "weightless")
    name_winner(sweep, backbone="mobilenet_v2", weights="missing.pth", image_size=32, pack_size=32)
    failed = run("weightless", fails=SweepFailed)
    assert "could not be trained: weights = missing.pth: there is no such file" in str(failed.exception)
    assert "Test stays closed" in str(failed.exception)
    assert not (sweep.root / "test_ledger.jsonl").exists()
    assert (sweep.root / "retrain" / "seed-0" / "failed.txt").read_text().startswith("weights = missing.pth")


def test_what_is_retrained_lies_in_storage_and_test_is_not_opened_again_from_there(
    run: Callable[..., Result], home: Path, tmp_path: Path
) -> None:
    sweep = swept(home, "stored")
    name_winner(sweep)
    run("stored", "--storage", str(tmp_path / "shared"))
    stored = tmp_path / "shared/stored/retrain"
    assert (stored / "retrain.json").read_bytes() == (sweep.root / "retrain/retrain.json").read_bytes()
    elsewhere = ["--storage", str(tmp_path / "shared"), "--results", str(tmp_path / "results")]
    again = CliRunner().invoke(cli, ["retrain", "stored", *elsewhere])
    assert isinstance(again.exception, ResultsError)
    assert "--again" in str(again.exception)
    fetched = tmp_path / "results/stored/retrain/seed-0/checkpoint.safetensors"
    assert fetched.read_bytes() == (stored / "seed-0/checkpoint.safetensors").read_bytes()


def dying(marks: Path, deaths: dict[int, int]) -> Callable[..., Iterator[Any]]:
    """What trains, with a worker that is killed after an epoch, so many times by epoch; 0: before the first."""

    def train_and_die(*args: Any) -> Iterator[Any]:  # within, since the workers do not know this module
        import os
        import signal

        from carsray.training.whole import EpochEnd, train

        def die(epoch: int) -> None:
            before = len(list(marks.glob(f"{epoch}-*")))
            if before < deaths.get(epoch, 0):
                (marks / f"{epoch}-{before}").touch()
                os.kill(os.getpid(), signal.SIGKILL)

        die(0)
        for event in train(*args):
            yield event
            if isinstance(event, EpochEnd):
                die(event.epoch)

    return train_and_die


def short_of_memory(limit: int) -> Callable[..., Iterator[Any]]:
    """What trains where memory holds batches only in so many parts; it turns out in the second epoch."""

    def train_in_parts(*args: Any) -> Iterator[Any]:  # within, since the workers do not know this module
        from carsray.training.whole import train

        for number, event in enumerate(train(*args)):
            if args[-1] < limit and number:
                raise MemoryError
            yield event

    return train_in_parts


@pytest.mark.parametrize(("limit", "ends"), [(4, True), (1000, False)])
def test_a_training_that_lacks_memory_goes_on_with_smaller_parts(
    limit: int, ends: bool, run: Callable[..., Result], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = swept(home, f"short-{limit}")
    name_winner(sweep)
    monkeypatch.setattr(trainings, "train", short_of_memory(limit))
    done = run(sweep.name, "--workers", "1", fails=None if ends else SweepFailed)
    if ends:
        for name in ("seed-0", "twin"):
            lines = (sweep.root / "retrain" / name / "history.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
            assert {json.loads(line)["train/micro_batches"] for line in lines} == {limit}
    else:
        assert "MemoryError" in str(done.exception)


@pytest.mark.parametrize(("deaths", "ends"), [({0: 1, 1: 1}, True), ({2: 9}, False)], ids=["now and then", "always"])
def test_a_training_whose_worker_is_killed_is_taken_up_again_but_not_for_ever(
    deaths: dict[int, int],
    ends: bool,
    run: Callable[..., Result],
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sweep = swept(home, f"killed-{'-'.join(map(str, deaths))}")
    name_winner(sweep)
    monkeypatch.setattr(trainings, "train", dying(tmp_path, deaths))
    monkeypatch.setattr(trainings, "LOSSES", 2)
    done = run(sweep.name, "--workers", "1", fails=None if ends else SweepFailed)
    if ends:
        for name in ("seed-0", "twin"):
            history = (sweep.root / "retrain" / name / "history.jsonl").read_text().splitlines()
            assert [json.loads(line)["epoch"] for line in history] == [1, 2, 3]
    else:
        assert "its worker process died" in str(done.exception)


def test_a_retrieval_that_cannot_be_done_on_test_is_told_and_spoils_nothing(
    first: tuple[Result, SweepFolder], run: Callable[..., Result]
) -> None:
    _, sweep = first
    choose_point(sweep, k=1000)
    told = run("cars", "--seeds", "2", "--again")
    choose_point(sweep)
    assert "warning: no retrieval on test: k = 1000: the gallery has 36 rows" in told.output
    assert "opened 2 times by now" in told.output
    assert record_of(sweep)["retrieval"] is None
    assert record_of(sweep)["test"]["accuracy"] >= 0


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ("train_all", r"Stopped\. What is trained is kept, and test is closed; to go on: carsray retrain cars "),
        (
            "open_and_record",
            r"Stopped while test was open\. That opening of test counts; to open it once more: carsray .*--again",
        ),
    ],
)
def test_ctrl_c_exits_with_130_and_says_how_to_go_on(
    stage: str, says: str, first: tuple[Result, SweepFolder], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any) -> None:
        if stage == "open_and_record":
            given[-1]()  # the ledger has its line
        raise KeyboardInterrupt

    words = ["retrain", "cars", "--seeds", "2", "--again", "--results", str(home / "results")]
    monkeypatch.setattr(retraining, stage, interrupted)
    monkeypatch.setattr(sys, "argv", ["carsray", *words])
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 130
    assert re.search(says, done.stderr)


def test_where_another_process_works_on_the_sweep_it_is_left_alone(
    first: tuple[Result, SweepFolder], run: Callable[..., Result]
) -> None:
    with first[1].alone():
        refused = run("cars", "--again", fails=ResultsError)
    assert "another process works on this sweep" in str(refused.exception)
