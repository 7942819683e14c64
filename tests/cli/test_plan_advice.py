from pathlib import Path
from typing import Any

import pytest

from carsray.cli.plan import gpu_advice, limits
from carsray.config import SweepSettings


@pytest.mark.parametrize(
    ("asked", "fit", "said"),
    [
        (1, 1, "GPU memory: 1 trial fits on a GPU"),
        (1, 4, "GPU memory: 4 trials fit on a GPU; where one leaves it idle, try --gpus-per-trial 0.25"),
        (0.25, 4, "GPU memory: 4 trials fit on a GPU"),
        (0.25, 2, "GPU memory: may not hold 4 trials; --gpus-per-trial 0.5 leaves room"),
        (1 / 3, 1, "GPU memory: may not hold 3 trials; --gpus-per-trial 1 leaves room"),
        (2, 1, "GPU memory: 1 trial fits on a GPU"),
    ],
)
def test_plan_says_how_many_trials_a_gpu_holds(asked: float, fit: int, said: str) -> None:
    assert gpu_advice(asked, fit) == said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, []),
        ({"budget_hours": 5}, ["Limit: --budget-hours 5 is about 50% of this"]),
        ({"budget_hours": 20}, ["Limit: --budget-hours 20 is more than this"]),
        ({"budget_gpu_hours": 4}, ["Limit: --budget-gpu-hours 4 is about 10% of this"]),
        ({"target": 0.9}, ["Limit: --target 0.9 ends it when a trial is as good, which no plan can tell"]),
    ],
)
def test_plan_says_what_may_end_the_sweep_before_its_trials_are_through(asked: dict[str, Any], said: list[str]) -> None:
    settings = SweepSettings(data="/cars", cache=Path("/cache"), **asked)
    assert list(limits(settings, hours=10.0, gpu_hours=40.0)) == said
