"""From the first trial to the last training no process opens a test picture: an audit hook watches all of them.

It is none of carsray's own: Python loads it at the start of every process of the chain, Ray's workers and training
processes included. The look at every picture before there is a split (carsray data info) is taken beforehand.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_retrain import draw_pictures

from carsray.cli.options import split_data
from carsray.config import TrialConfig
from carsray.data.records import DataSplit

pytestmark = pytest.mark.ray

HOOK = """
import os, sys

PICTURES, SEEN = os.environ["WATCHED_PICTURES"], os.environ["WATCHED_LOG"]

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        if path.endswith(".png") and (path := os.path.realpath(path)).startswith(PICTURES):
            log = os.open(SEEN, os.O_WRONLY | os.O_APPEND | os.O_CREAT)  # its own event is of another path
            os.write(log, (path + "\\n").encode())
            os.close(log)

sys.addaudithook(note)
"""
SPACE = """
[objective]
rungs = [1]

[fixed]
backbone = "cnn"
depth = 2
width = 4
hidden = 6
image_size = 16
pack_size = 20
batch_size = 8
precision = "float32"
augment = "light"
epochs = 2
schedule = "cosine"

[search]
lr = { low = 0.01, high = 0.1, log = true, default = 0.05 }
"""
CHAIN = """
import os, sys
from contextlib import suppress
from pathlib import Path
from carsray.cli import cli
from carsray.cluster.connect import connected
from carsray.final.retrain.retraining import Request, prepare, train_all
from carsray.results import open_sweep

home = Path(sys.argv[1])
results = ["--results", str(home / "results")]
places = ["--data", str(home / "pictures"), "--cache", str(home / "cache"), *results]
watched = ["--trials", "2", "--name", "watched", *places]

def ends(stage):
    Path(os.environ["WATCHED_LOG"]).rename(home / stage)

with connected(None) as nodes:
    with suppress(SystemExit):
        cli(["sweep", str(home / "space.toml"), *watched])
    ends("swept")
    train_all(prepare(open_sweep(home / "results", "watched"), Request(trial=0)), nodes)
    ends("trained")
    assert not (home / "results/watched/test_ledger.jsonl").exists()
    cli(["retrain", "watched", "--trial", "0", *results], standalone_mode=False)
    ends("opened")
"""
"""Sweep, trainings and opening, on one Ray."""


def paths_of(split: DataSplit, *sides: str) -> set[str]:
    return {os.path.realpath(row.path) for side in sides for row in getattr(split, side)}


def test_no_test_picture_is_opened_before_the_opening_and_then_every_one_is_seen(tmp_path: Path) -> None:
    pictures = draw_pictures(tmp_path / "pictures", each=10)
    split = split_data(pictures, TrialConfig(), tmp_path / "cache")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(HOOK)
    (tmp_path / "space.toml").write_text(SPACE)
    paths = [str(tmp_path / "hook"), *filter(None, [os.environ.get("PYTHONPATH")])]
    watched = {"WATCHED_PICTURES": os.path.realpath(pictures), "WATCHED_LOG": str(tmp_path / "log")}
    environment = {**os.environ, **watched, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", CHAIN, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    swept, trained, opened = (
        set((tmp_path / stage).read_text().splitlines()) for stage in ("swept", "trained", "opened")
    )
    assert swept == trained == paths_of(split, "train", "val")
    assert opened == paths_of(split, "test")
