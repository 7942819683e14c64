"""Hundreds of short trials, a share of whose epochs goes wrong: does the sweep hold, and is every trial accounted for?

    scripts/bench soak

The trials train nothing (idle.py). At random a training process dies, or kills its trial's actor, or has no memory, or
no finite loss. The sweep runs in this process, whose memory is read as trials end.
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

import optuna
from harness import Condition, Figures, publish, significant
from idle_sweep import idle_sweep
from optuna.trial import TrialState
from processes import command_line, descendants, gone, named, resident_bytes

from carsray.cluster.connect import connected
from carsray.leaderboard import read_rows
from carsray.results import SweepFolder
from carsray.tuning.study import open_storage

SHARE = 0.05
"""Of the epochs go wrong."""
GROWTH = 32 * 2**20
"""Bytes by which the driver may grow from its first third to its last; Ray's own buffers fill for a while."""
LOOK_SECONDS = 0.5
END_SECONDS = 120.0


class Memory(threading.Thread):
    """Reads what this process holds, over and over."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes: list[int] = []
        self._over = threading.Event()

    def run(self) -> None:
        """Until the end."""
        while not self._over.wait(LOOK_SECONDS):
            self.bytes.append(resident_bytes(os.getpid()))

    def thirds(self) -> list[float]:
        """Medians of the first, second and last third of the time."""
        self._over.set()
        self.join()
        third = max(1, len(self.bytes) // 3)
        return [statistics.median(self.bytes[at * third : (at + 1) * third] or self.bytes[-1:]) for at in range(3)]


def outlived(folder: SweepFolder) -> Counter[str]:
    """What trials went through and went on, by kind."""
    said = (
        cause
        for trial in folder.all_trials()
        for line in trial.read_history()[-1:]
        for cause in line.get("outlived", ())
    )
    return Counter(cause.partition(":")[0] for cause in said)


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """One sweep, and what is left after it."""
    memory, began = Memory(), time.perf_counter()
    with connected(None):
        memory.start()
        made, _ = idle_sweep(folder, options.trials, concurrent=2, share=SHARE)
        thirds = memory.thirds()
        born = descendants(os.getpid())
        # These stay as long as this process; one that still imports has not given itself its name yet.
        servers = named(born, "carsray.fork", "carsray.training.fork_server")
        born = [pid for pid in born if pid not in servers]
    seconds = time.perf_counter() - began
    rows = read_rows(made)
    study = optuna.load_study(study_name=made.name, storage=open_storage(made.study))
    entered = Counter(trial.state for trial in study.trials)
    left = gone(born, END_SECONDS)
    figures: Figures = {
        "trials": options.trials,
        "share_of_epochs_gone_wrong": SHARE,
        "sweep_seconds": round(seconds, 1),
        "states": dict(Counter(row.state for row in rows)),
        "reasons": dict(Counter(row.reason.splitlines()[0][:80] for row in rows if row.reason)),
        "outlived": dict(outlived(made)),
        "left_behind": [command_line(pid) for pid in left],
        "driver_mebibytes_by_third": [significant(value / 2**20) for value in thirds],
        # The middles of the first and the last third lie two thirds of the sweep apart.
        "driver_kibibytes_a_trial": significant((thirds[-1] - thirds[0]) / 2**10 / (2 / 3 * options.trials)),
    }
    return figures, [
        Condition("trials without an end", options.trials - sum(row.ended for row in rows), 0, at_most=True),
        Condition("entries of the study that run or lack", options.trials - _closed(entered), 0, at_most=True),
        Condition("growth of the driver, bytes", thirds[-1] - thirds[0], GROWTH, at_most=True),
        Condition("processes left behind", len(left), 0, at_most=True),
    ]


def _closed(entered: Counter[TrialState]) -> int:
    return sum(count for state, count in entered.items() if state.is_finished())


def main() -> None:
    """Measure in a folder of its own, which goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="a smoke run of 30 trials that writes nothing")
    options = parser.parse_args()
    options.trials = 30 if options.quick else options.trials
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    with tempfile.TemporaryDirectory(prefix="carsray-soak-") as folder:
        publish("soak", partial(measure, options, Path(folder)), ("ray", "optuna"), keep=not options.quick)


if __name__ == "__main__":
    main()
