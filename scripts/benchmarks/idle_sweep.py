"""A whole sweep of carsray's, record and view included, whose trials train nothing (idle.py)."""

import sys
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from carsray.config import SweepSettings
from carsray.data.records import DataSplit, Row
from carsray.leaderboard import TrialRow
from carsray.results import SweepFolder, create_sweep
from carsray.space_file import load_space
from carsray.training import attempts
from carsray.training.process import TrainingProcess
from carsray.training.standing import FORMAT
from carsray.tuning import actor, sweep

SPACE = Path("search_spaces/bench_mobilenet_v2.toml")
CHILD = str(Path(__file__).with_name("idle.py").resolve())


def idle_actor(share: float) -> type[actor.TrialActor]:
    """The trial actor, with a training process in which such a share of the epochs goes wrong."""

    idle = partial(TrainingProcess, child=(sys.executable, CHILD, FORMAT, str(share)))

    class IdleActor(actor.TrialActor):
        def setup(self, *arguments: Any, **shared: Any) -> None:
            with patch.object(attempts, "TrainingProcess", idle):
                super().setup(*arguments, **shared)

    return IdleActor


def idle_sweep(
    folder: Path, trials: int, concurrent: int, pictures: int = 200, share: float = 0.0
) -> tuple[SweepFolder, list[TrialRow]]:
    """Run one over so many ``pictures``, which are never opened, in this process: its folder and its rows."""
    space = load_space(SPACE, {"weights": "none"})
    rows = tuple(Row(f"{n}.jpg", n % 40, f"{n:064d}") for n in range(pictures))
    train = pictures * 4 // 5
    split = DataSplit(tuple(str(n) for n in range(40)), rows[:train], rows[train:], (), "as given", "none")
    settings = SweepSettings(data=folder, cache=folder, trials=trials, concurrent=concurrent, gpus_per_trial=0)
    made = create_sweep(folder, f"idle-{trials}")
    sweep.begin_record(made, space, split, settings)
    with patch.object(sweep, "TrialActor", idle_actor(share)):
        return made, sweep.run_sweep(made, space, split, settings)
