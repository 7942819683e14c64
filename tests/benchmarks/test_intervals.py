"""The intervals of `carsray confirm` hold where those that a search leaves do not: a small run of the benchmark."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/benchmarks"))

import intervals as benchmark

WORLD = benchmark.World(pictures=320, accuracy=0.9, seed_noise=0.005)
REPETITIONS = 600


@pytest.fixture(scope="module")
def found() -> dict[int, dict[str, Any]]:
    return {figures["seeds"]: figures for figures in benchmark.simulate(WORLD, REPETITIONS)}


@pytest.mark.parametrize("seeds", benchmark.SEEDS)
def test_the_winners_interval_covers_the_truth_as_often_as_it_says(
    found: dict[int, dict[str, Any]], seeds: int
) -> None:
    chance = 3 * (0.95 * 0.05 / REPETITIONS) ** 0.5
    assert 0.93 - chance < found[seeds]["winner"] < 0.97 + chance
    assert 0.93 < found[seeds]["finalists"] < 0.98


def test_the_searchs_own_score_and_seeds_on_its_pictures_do_not(found: dict[int, dict[str, Any]]) -> None:
    assert found[5]["naive"] < 0.9
    assert found[5]["seeds_alone"] < 0.75
    assert found[5]["curse"] > 0.01


def test_differences_hold_and_nobody_is_told_apart_without_reason(found: dict[int, dict[str, Any]]) -> None:
    for figures in found.values():
        assert figures["differences"] > 0.95
        assert figures["told_wrongly"] < 0.02


def test_the_model_has_the_accuracy_and_the_seed_noise_that_it_says() -> None:
    world = benchmark.World(pictures=20_000, accuracy=0.6, seed_noise=0.03, trials=8, spread=0.0, top=1)
    rng = np.random.default_rng(0)
    played = [benchmark.play(world, 5, rng) for _ in range(40)]
    accuracies = np.array([each.right[0].mean(axis=1) for each in played])
    assert accuracies.mean() == pytest.approx(0.6, abs=0.01)
    assert np.sqrt(accuracies.var(axis=1, ddof=1).mean()) == pytest.approx(0.03, rel=0.15)
    assert played[0].truths[0] == pytest.approx(0.6, abs=0.001)
