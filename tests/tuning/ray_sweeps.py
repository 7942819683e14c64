"""What the tests of real sweeps share: how they run one, and what they compare of its record."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import optuna
import pandas as pd

from carsray.leaderboard import TrialRow
from carsray.results import SweepFolder
from carsray.tuning.study import open_storage

WAIT_SECONDS = 240.0
"""Far more than anything here takes; a test that waits longer has failed."""
Run = Callable[..., tuple[SweepFolder, list[TrialRow]]]
"""Begins a record and runs its sweep in this process; see conftest.py."""


def without_times(folder: SweepFolder) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """trials.csv and all histories, less what depends on the clock."""
    table = pd.read_csv(folder.table, dtype=str, keep_default_na=False).to_dict("records")
    histories = [trial.read_history() for trial in folder.all_trials()]

    def timeless(entry: dict[Any, Any]) -> dict[str, Any]:
        return {key: entry[key] for key in entry if key != "time" and not key.startswith(("seconds", "system/"))}

    return [timeless(row) for row in table], [[timeless(epoch) for epoch in history] for history in histories]


def study_of(folder: SweepFolder) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name=folder.name, storage=open_storage(folder.study)).trials


def start_cli(*arguments: object, before: str = "") -> subprocess.Popen[str]:
    """Start a command; the process runs some lines of Python ``before``."""
    command = [sys.executable, "-c", f"{before}\nfrom carsray.cli import main; main()", *map(str, arguments)]
    # Where a shell has begun the tests with &, SIGINT is ignored in all that they start.
    taken = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=taken)


def wait_for(there: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Look often until it is there; the process must not end before."""
    handle = os.pidfd_open(process.pid)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while not there():
            gone = select.select([handle], [], [], 0.05)[0]
            assert not gone, process.communicate()
            assert time.monotonic() < deadline
    finally:
        os.close(handle)
