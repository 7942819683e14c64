"""What a person can get wrong about a sweep: one line on stderr, exit code 2, before Ray starts."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from carsray.cli import cli, main
from carsray.cli.options import Asked, first_config, split_data
from carsray.cluster.connect import Node
from carsray.config import SweepSettings
from carsray.data.records import DataSplit
from carsray.errors import ClusterError, ResultsError
from carsray.results import SweepFolder, create_sweep
from carsray.space_file import load_space
from carsray.tuning.sweep import begin_record

SPACE = """
[fixed]
backbone = "cnn"
image_size = 16
depth = 2
width = 4
epochs = 1
[search]
lr = { low = 1e-3, high = 1e-1, log = true, default = 0.01 }
"""


def folders(root: Path, counts: dict[str, int]) -> Path:
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.jpg")
    return root


Sweep = Callable[..., tuple[int, str]]


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sweep:
    """Calls ``carsray sweep`` on pictures; gives the exit code and stderr."""
    (tmp_path / "tiny.toml").write_text(SPACE)

    def call(data: Path, *more: str) -> tuple[int, str]:
        where = ["--data", data, "--cache", tmp_path / "cache", "--results", tmp_path / "results"]
        arguments = ["carsray", "sweep", tmp_path / "tiny.toml", *where, "--trials", 1, *more]
        monkeypatch.setattr(sys, "argv", list(map(str, arguments)))
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


def one_line(err: str) -> str:
    (line,) = (line for line in err.splitlines() if line.startswith("error: "))
    assert err.endswith(line + "\n")
    return line


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of one machine without a GPU, for those that are told so after Ray has started."""

    @contextmanager
    def alone(address: str | None) -> Iterator[list[Node]]:
        yield [Node("here", cpus=2.0, gpus=0.0)]

    monkeypatch.setattr("carsray.cluster.connect.connected", alone)


def test_a_name_that_is_taken_is_told_before_anything_else(sweep: Sweep, tmp_path: Path) -> None:
    pictures = tmp_path / "nowhere"
    (tmp_path / "results" / "cars-1").mkdir(parents=True)
    (tmp_path / "results" / "cars-1" / "sweep.json").write_text("{}")
    code, err = sweep(pictures, "--name", "cars-1")
    assert code == 2
    assert "exists already" in one_line(err)
    assert "carsray resume cars-1" in err


def test_a_name_that_is_too_long_for_a_folder(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    code, err = sweep(tmp_path / "nowhere", "--name", "n" * 300)
    assert code == 2
    assert "cannot be created: File name too long" in one_line(err)


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("s3://me:hidden@bucket/x", "no secrets here"),
        ("ftp://host/x", "must be s3://bucket/prefix"),
        ("s3://bucket/x?endpoint=http://127.0.0.1:1", "cannot be"),
        ("/proc/nowhere", "cannot be"),
    ],
)
def test_storage_that_cannot_be_used(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str, said: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    code, err = sweep(folders(tmp_path / "pictures", {"a": 5, "b": 5}), "--storage", storage)
    assert code == 2
    assert said in one_line(err)
    assert "hidden" not in err
    assert not (tmp_path / "results").exists()


def test_a_sweep_that_may_have_begun_needs_a_name(sweep: Sweep, tmp_path: Path) -> None:
    code, err = sweep(tmp_path, "--or-resume")
    assert code == 2
    assert "--or-resume needs the --name" in err


def test_a_sweep_that_has_begun_as_another_one(sweep: Sweep, tmp_path: Path) -> None:
    pictures, cache = folders(tmp_path / "pictures", {"a": 6, "b": 6}), tmp_path / "cache"
    space = load_space(tmp_path / "tiny.toml", {})
    split = split_data(pictures, space.config(space.start[0]), cache)
    begun = SweepSettings(data=pictures, cache=cache, trials=1, wandb="off")
    begin_record(create_sweep(tmp_path / "results", "cars-1"), space, split, begun)
    code, err = sweep(pictures, "--name", "cars-1", "--or-resume", "--set", "depth=3")
    assert code == 2
    assert "is another sweep than the one asked for (depth: recorded 2, asked 3)" in one_line(err)


@pytest.mark.usefixtures("machine")
def test_more_gpus_than_any_node_has(sweep: Sweep, tmp_path: Path) -> None:
    code, err = sweep(folders(tmp_path / "pictures", {"a": 5, "b": 5}), "--gpus-per-trial", "64")
    assert code == 2
    assert "--gpus-per-trial 64: no node has that many; the largest has" in one_line(err)
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("machine")
def test_a_budget_of_gpu_hours_for_trials_without_a_gpu(sweep: Sweep, tmp_path: Path) -> None:
    pictures = folders(tmp_path / "pictures", {"a": 5, "b": 5})
    code, err = sweep(pictures, "--gpus-per-trial", "0", "--budget-gpu-hours", "5")
    assert code == 2
    assert "--budget-gpu-hours 5: trials have no GPU here" in one_line(err)
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("machine")
def test_a_name_that_another_sweep_takes_meanwhile_is_not_drawn(
    sweep: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inspected(asked: Asked) -> DataSplit:
        create_sweep(tmp_path / "results", "tiny-1").settings.write_text("{}")
        return split_data(asked.settings.data, first_config(asked.space), asked.settings.cache)

    def created(results: Path, name: str) -> SweepFolder:
        raise ResultsError(f"{name} is to be created")

    monkeypatch.setattr(Asked, "split", inspected)
    monkeypatch.setattr("carsray.results.create_sweep", created)
    _, err = sweep(folders(tmp_path / "pictures", {"a": 5, "b": 5}))
    assert one_line(err) == "error: tiny-2 is to be created"


def test_a_folder_with_one_class(sweep: Sweep, tmp_path: Path) -> None:
    code, err = sweep(folders(tmp_path / "pictures", {"a": 5}))
    assert code == 2
    assert "at least two are needed" in one_line(err)


def test_an_empty_folder(sweep: Sweep, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    code, err = sweep(tmp_path / "pictures")
    assert code == 2
    assert err.startswith("error: ")
    assert "the folder is empty" in err
    assert "Traceback" not in err


def test_a_class_with_too_few_pictures(sweep: Sweep, tmp_path: Path) -> None:
    code, err = sweep(folders(tmp_path / "pictures", {"a": 5, "b": 2}))
    assert code == 2
    assert "class 'b': 2 distinct pictures" in one_line(err)


@pytest.mark.usefixtures("machine")
def test_a_damaged_picture_is_left_out_with_a_warning(sweep: Sweep, tmp_path: Path) -> None:
    pictures = folders(tmp_path / "pictures", {"a": 6, "b": 6})
    damaged = pictures / "a" / "3.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    code, err = sweep(pictures, "--gpus-per-trial", "64")  # which is refused once the pictures have been looked at
    assert code == 2
    assert "warning: 1 of 12 pictures cannot be read and are left out:" in err
    assert "3.jpg" in err
    assert "no node has that many" in one_line(err)


def test_nothing_is_left_behind_by_a_sweep_that_was_refused(sweep: Sweep, tmp_path: Path) -> None:
    sweep(folders(tmp_path / "pictures", {"a": 5}))
    assert not (tmp_path / "results").exists()


def test_resuming_what_is_no_sweep(tmp_path: Path) -> None:
    code = "from carsray.cli import main; main()"
    command = [sys.executable, "-c", code, "resume", "nothing", "--results", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert found.stderr == f"error: {tmp_path}/nothing: is no sweep. There are no sweeps\n"


@pytest.mark.parametrize("lost", [{"address": "127.0.0.1:1"}, {"gpus_per_trial": 64}], ids=["cluster", "gpus"])
def test_who_is_refused_and_asks_again_does_not_get_the_trials_twice(
    tmp_path: Path, lost: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """To extend a sweep, where the Ray cluster is gone that it ran on, or what its trials need."""
    if "address" not in lost:
        request.getfixturevalue("machine")
    (tmp_path / "tiny.toml").write_text(SPACE)
    folder, cache = create_sweep(tmp_path, "cars-1"), tmp_path / "cache"
    pictures = folders(tmp_path / "pictures", {"a": 6, "b": 6})
    settings = SweepSettings(data=pictures, cache=cache, trials=5, wandb="off", **lost)
    space = load_space(tmp_path / "tiny.toml", {})
    begin_record(folder, space, split_data(pictures, space.config(space.start[0]), cache), settings)
    found = CliRunner().invoke(cli, ["extend", "cars-1", "--trials", "3", "--results", str(tmp_path)])
    assert isinstance(found.exception, ClusterError)
    assert folder.read_settings()["settings"]["trials"] == 5
