"""The simulation of searches: the same pool, seed and rules give the same search."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/benchmarks"))

import pool
import sampler
import sides

from carsray.space import Space, Value
from carsray.space_file import load_space

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Flat:
    """A world in which a trial's score is its dropout from the first epoch on."""

    def __init__(self, space: Space) -> None:
        self.space = space

    def curve(self, values: Mapping[str, Value], noise: Sequence[int]) -> list[float]:
        return [float(values["dropout"])] * self.space.epochs

    def highest(self, values: Mapping[str, Value]) -> float:
        return float(values["dropout"])


def space() -> Space:
    return load_space(Path(__file__).parents[2] / sampler.SPACE, {"weights": "none"})


SIDES: dict[str, Callable[[int, int], Any]] = {
    "carsray": lambda trials, seed: sides.Ours(space(), 311, 2, trials, seed),
    "clairvoyant": lambda trials, seed: sides.Clairvoyant(Flat(space()), 2, trials, seed),  # type: ignore[arg-type]
    "ray": lambda trials, seed: sides.Plain(space(), trials, seed),
}


def play(side: str, trials: int, seed: int = 1, most: int = 1000) -> sampler.Played:
    world: Any = Flat(space())
    return sampler.play(SIDES[side](trials, seed), world, seed, 2, lambda played: played.epochs >= most)


@pytest.mark.parametrize("side", SIDES)
def test_a_sweep_ends_by_itself_with_a_trial_at_its_last_epoch(side: str) -> None:
    played = play(side, trials=9)
    assert 9 + 8 <= played.epochs <= 9 * 9
    assert played.full >= 1


@pytest.mark.parametrize("side", SIDES)
def test_the_same_seed_plays_the_same_search(side: str) -> None:
    assert play(side, trials=12) == play(side, trials=12)


@pytest.mark.parametrize("side", SIDES)
def test_a_search_stops_as_soon_as_it_has_enough(side: str) -> None:
    assert play(side, trials=10**6, most=17).epochs == 17


def test_two_slots_take_half_the_time() -> None:
    played = play("ray", trials=12)
    assert played.epochs / 2 <= played.duration <= played.epochs / 2 + 9


def test_a_point_lies_by_the_scale_of_its_ranges_and_choices() -> None:
    values = {
        "unfreeze_depth": "all", "optimizer": "adam", "lr": 1e-4, "weight_decay": 1e-4, "batch_size": 16, "dropout": 0.5
    }  # fmt: skip
    assert pool.place(space(), values) == pytest.approx([0, 0, 0, 1, 1, 0, 0, 0, 0.5, 1, 0, 0, 1])


def test_a_ratio_above_one_says_that_the_other_side_needs_more() -> None:
    found = sampler.compare([10, 20, 30], [40, 40, 40])
    assert (found["of_medians"], found["of_means"]) == (2, 2)
