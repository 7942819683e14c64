"""`carsray reproduce` from end to end, on a Ray of its own."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from carsray.cli import cli
from carsray.cluster.connect import connected
from carsray.data.ledger import read_ledger
from carsray.errors import CarsrayError, ConfigError, ResultsError, SweepFailed
from carsray.published import runner

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

MINE = """\
[common]
average = "weighted"
image_size = 16
pack_size = 20
precision = "float32"
epochs = 2
batch_size = 8

[[experiment]]
id = "cnn"
backbone = "cnn"
depth = 2
width = 4
hidden = 8
lr = 0.05
report = ["test", "val"]

[[experiment]]
id = "no-weights"
backbone = "mobilenet_v2"
weights = "missing.pth"
image_size = 32
pack_size = 32

[[experiment]]
id = "search"
embeddings = "cnn"
k = 3
normalize_embeddings = "l2"

[[experiment]]
id = "search-nothing"
embeddings = "no-weights"
k = 3
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("reproduce")
    rng = np.random.default_rng(0)
    for label, colour in enumerate(rng.integers(60, 196, (3, 3))):
        folder = root / "pictures" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(15):
            pixels = colour + rng.integers(-60, 60, (24, 24, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    (root / "mine.toml").write_text(MINE)
    return root


@pytest.fixture(scope="module")
def run(home: Path) -> Iterator[Callable[..., Result]]:
    def call(*arguments: str, fails: type[CarsrayError] | None = None) -> Result:
        places = ["--data", str(home / "pictures"), "--cache", str(home / "cache"), "--results", str(home / "results")]
        done = CliRunner().invoke(cli, ["reproduce", str(home / "mine.toml"), *arguments, *places])
        if fails is None:
            assert done.exception is None, done.output
        else:
            assert isinstance(done.exception, fails)
        return done

    with connected(None):
        yield call


@pytest.fixture(scope="module")
def first(run: Callable[..., Result], home: Path) -> tuple[Result, Path]:
    return run("--name", "first"), home / "results" / "first"


def metrics_files(root: Path) -> dict[str, float]:
    return {p.relative_to(root).as_posix(): p.stat().st_mtime for p in root.glob("runs/*/*/metrics.json")}


def test_what_can_run_runs_and_what_cannot_says_why(first: tuple[Result, Path]) -> None:
    done, root = first
    table = pd.read_csv(root / "table.csv")
    assert set(zip(table.experiment, table.split, strict=True)) == {("cnn", "test"), ("cnn", "val"), ("search", "test")}
    assert "not run: no-weights/seed-0: weights = missing.pth: there is no such file" in done.output
    assert "not run: search-nothing/seed-0: needs no-weights, which could not run" in done.output
    (reason,) = (root / "runs" / "no-weights").glob("*/failed.txt")
    assert reason.read_text().startswith("weights = missing.pth")
    assert set(table[table.experiment == "search"].metric) >= {"accuracy", "f1", "map_at_r", "fit_seconds"}
    assert set(table.test_kind) == {"held out, not the official test"}
    assert "test (held out, not the official test), 9 pictures" in done.output


def short_of_memory() -> Callable[..., Iterator[Any]]:
    """What trains where memory holds batches only in four parts."""

    def train_in_parts(*args: Any) -> Iterator[Any]:  # within, since the workers do not know this module
        from carsray.training.whole import train

        if args[-1] < 4:
            raise MemoryError
        yield from train(*args)

    return train_in_parts


def test_a_training_that_lacks_memory_begins_again_with_smaller_parts(
    run: Callable[..., Result], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "train", short_of_memory())
    run("cnn", "--name", "short")
    (history,) = (home / "results/short/runs/cnn").glob("*/history.jsonl")
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    assert [(line["epoch"], line["train/micro_batches"]) for line in lines] == [(1, 4), (2, 4)]


def test_the_numbers_are_those_of_the_answers(first: tuple[Result, Path]) -> None:
    _, root = first
    (folder,) = (root / "runs" / "cnn").iterdir()
    answers = pd.read_csv(folder / "answers-test.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == pytest.approx((answers.label == answers.predicted).mean())
    assert metrics["test"]["loss"] == pytest.approx(answers.loss.mean(), rel=1e-5)
    last = json.loads((folder / "history.jsonl").read_text().splitlines()[-1])
    assert last["epoch"] == 2
    assert metrics["val"]["accuracy"] == last["val/accuracy"]  # measured on the weights of the last epoch
    counts = pd.read_csv(folder / "confusion-test.csv", index_col=0)
    assert counts.to_numpy().sum() == len(answers) == 9
    assert np.trace(counts.to_numpy()) == (answers.label == answers.predicted).sum()


def test_every_opening_of_the_test_is_in_the_ledger(first: tuple[Result, Path]) -> None:
    openings = read_ledger(first[1] / "test_ledger.jsonl")
    assert [(entry["experiment"], entry["by"], entry["pictures"]) for entry in openings] == [
        ("cnn", "reproduce", 9),
        ("search", "reproduce", 9),
    ]


def test_report_curves_and_comparison_are_drawn(first: tuple[Result, Path]) -> None:
    _, root = first
    text = (root / "report.md").read_text()
    for name in ("curves/cnn-seed-0.png", "comparison.png"):
        assert f"({name})" in text
        with Image.open(root / name) as picture:
            assert picture.width > 300
        assert (root / name).with_suffix(".svg").stat().st_size > 1000
    assert "- no-weights/seed-0: weights = missing.pth" in text


def test_again_nothing_that_has_ended_runs_again(run: Callable[..., Result], first: tuple[Result, Path]) -> None:
    _, root = first
    before, openings = metrics_files(root), len(read_ledger(root / "test_ledger.jsonl"))
    run("cnn", "search", "--name", "first")
    assert metrics_files(root) == before
    assert len(read_ledger(root / "test_ledger.jsonl")) == openings


def test_a_training_that_was_not_measured_is_not_trained_again(
    run: Callable[..., Result], first: tuple[Result, Path]
) -> None:
    _, root = first
    (folder,) = (root / "runs" / "cnn").iterdir()
    trained, metrics = (folder / "checkpoint.safetensors").stat().st_mtime, (folder / "metrics.json").read_text()
    (folder / "metrics.json").unlink()
    run("cnn", "--name", "first")
    assert (folder / "checkpoint.safetensors").stat().st_mtime == trained
    again, before = json.loads((folder / "metrics.json").read_text()), json.loads(metrics)
    assert again["test"] == pytest.approx(before["test"])
    assert again["val"] == pytest.approx(before["val"])


def test_other_settings_and_seeds_get_folders_of_their_own(
    run: Callable[..., Result], first: tuple[Result, Path]
) -> None:
    _, root = first
    before = len(list((root / "runs" / "cnn").iterdir()))
    done = run("search", "--set", "k=1", "--set", "lr=0.01", "--seeds", "2", "--name", "first")
    assert len(list((root / "runs" / "cnn").iterdir())) == before + 2
    assert "Settings differ from the published ones" in done.output
    table = pd.read_csv(root / "table.csv")
    assert set(table.seeds) == {2}
    assert set(table.experiment) == {"cnn", "search"}  # a retrieval brings its training along


def test_where_nothing_can_run_it_is_an_error(run: Callable[..., Result]) -> None:
    done = run("no-weights", "--name", "nothing", fails=SweepFailed)
    assert "not run: no-weights/seed-0" in done.output


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        (("cnn-9",), ConfigError, "experiment 'cnn-9': mine has cnn, no-weights, search, search-nothing"),
        (("cnn", "--set", "weights=x"), ConfigError, "--set weights: none of cnn has a use for it"),
        (("cnn", "--set", "epoch=x"), ConfigError, "Did you mean 'epochs'"),
        (("cnn", "--name", "a/b"), ResultsError, "must be a plain folder name"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    run: Callable[..., Result], arguments: tuple[str, ...], error: type[CarsrayError], problem: str
) -> None:
    assert problem in str(run(*arguments, fails=error).exception)
