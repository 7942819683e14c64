"""What a search costs: trial-epochs until a trial reaches a target, in carsray and in Ray's OptunaSearch with ASHA.

    scripts/bench sampler --curves results/benchmarks/curves/64-1.csv

Nothing is trained: a trial's scores come from a pool of recorded curves, see pool.py, and each epoch takes as long on
one of two slots. Searchers and schedulers are the real ones, called as Ray's TuneController calls them; Ray itself does
not run. The n-th trial of a seed has the same luck on both sides. The target is the 95th percentile of the best scores
in the pool; searches go on without a limit of trials until one reaches it, and count as `--cap` epochs where none does
by then. Then both sides run sweeps of 24 trials to their end. carsray was tuned on the pool 64-0 alone. A third side
knows at every rung how a trial ends.
"""

import argparse
import heapq
import itertools
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import optuna
from curves import points
from harness import Condition, Figures, publish, significant, spread
from pool import Pool, read_pool
from sides import Clairvoyant, Ours, Plain, Side, Trial

from carsray.interval import over_seeds
from carsray.space_file import load_space

SPACE = Path("search_spaces/bench_mobilenet_v2.toml")
UNLIMITED = 10**6
FEWER = 2.0
"""Epochs to the target, Ray's by ours: asked for at least."""
RESAMPLES = 2000
RANDOM_POINTS = 2000
"""Of which some reach the target."""


@dataclass(frozen=True, slots=True)
class Played:
    """A search that has ended."""

    epochs: int
    """Trained by all trials."""
    best: float
    duration: int
    """How long it took, in epochs of one trial."""
    full: int
    """Trials trained to the last epoch."""


def play(side: Side, pool: Pool, seed: int, slots: int, enough: Callable[[Played], bool]) -> Played:
    """Run a search on some slots until it is over, or has reached enough."""
    running: list[tuple[int, int, Trial]] = []
    events, begun = itertools.count(), itertools.count()
    played = Played(0, 0.0, 0, 0)
    now = 0
    while not enough(played):
        while len(running) < slots and (trial := side.next()):
            trial.curve = trial.curve or pool.curve(trial.params, [seed, next(begun)])
            heapq.heappush(running, (now + 1, next(events), trial))
        if not running:
            break
        now, _, trial = heapq.heappop(running)
        score = trial.curve[trial.epoch]
        trial.epoch, trial.best = trial.epoch + 1, max(trial.best, score)
        full = played.full + (trial.epoch == pool.space.epochs)
        played = Played(played.epochs + 1, max(played.best, score), now, full)
        if side.report(trial, score):
            heapq.heappush(running, (now + 1, next(events), trial))
    return played


def both(
    options: argparse.Namespace, pool: Pool, enough: Callable[[Played], bool], trials: int
) -> dict[str, list[Played]]:
    """Every seed on both sides; carsray's as spaces have it that say nothing of noise, with a sharp cut, and with a
    sharp cut by what is known at the end only.
    """
    sides: dict[str, Callable[[int], Side]] = {
        "carsray": partial(Ours, pool.space, pool.pictures, options.slots, trials),
        "carsray, noise = false": partial(Ours, pool.space, 0, options.slots, trials),
        "carsray, if rungs told the end": partial(Clairvoyant, pool, options.slots, trials),
        "ray": partial(Plain, pool.space, trials),
    }
    seeds = range(options.seeds)
    return {
        name: [play(begin(seed), pool, seed, options.slots, enough) for seed in seeds] for name, begin in sides.items()
    }


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """Searches for the target, and sweeps of some trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pool = read_pool(options.curves, load_space(SPACE, {}), options.pictures)
    to_target = both(
        options, pool, lambda played: played.best >= pool.target or played.epochs >= options.cap, UNLIMITED
    )
    sweeps = both(options, pool, lambda played: False, options.trials)
    ratios = compare(*([played.epochs for played in to_target[name]] for name in ("carsray", "ray")))
    figures: Figures = {
        "pool": {
            "curves": options.curves.name,
            "points": pool.points,
            "pictures": pool.pictures,
            "target": significant(pool.target),
            "explained": significant(pool.explained),
            "reaching": pool.reaching(points(pool.space, RANDOM_POINTS, seed=99)),
        },
        "slots": options.slots,
        "cap": options.cap,
        "epochs_to_target": {name: summary([played.epochs for played in side]) for name, side in to_target.items()},
        "not_reached": {name: sum(played.best < pool.target for played in side) for name, side in to_target.items()},
        "ratio": ratios,
        f"sweep_of_{options.trials}": {name: sweep_summary(side) for name, side in sweeps.items()},
    }
    return figures, [
        Condition("epochs to the target: Ray's median by carsray's", ratios["of_medians"], FEWER),
        Condition("epochs to the target: Ray's mean by carsray's", ratios["of_means"], FEWER),
    ]


def compare(ours: Sequence[int], theirs: Sequence[int]) -> Figures:
    """Theirs by ours: medians, and means with a 95% interval by the bootstrap."""
    draws = np.random.default_rng(0).integers(len(ours), size=(RESAMPLES, len(ours)))
    drawn = np.array(theirs)[draws].mean(axis=1) / np.array(ours)[draws].mean(axis=1)
    return {
        "of_medians": significant(statistics.median(theirs) / statistics.median(ours)),
        "of_means": significant(statistics.mean(theirs) / statistics.mean(ours)),
        "of_means_interval": [significant(bound) for bound in np.percentile(drawn, [2.5, 97.5])],
    }


def summary(values: Sequence[float]) -> Figures:
    """Mean with a 95% interval, and the spread."""
    low, high = over_seeds(values)
    return {
        "mean": significant(statistics.mean(values)),
        "interval": [significant(low), significant(high)],
        **spread(values),
    }


def sweep_summary(side: Sequence[Played]) -> Figures:
    """What sweeps of one length cost and found."""
    return {
        "epochs": summary([played.epochs for played in side]),
        "best": summary([played.best for played in side]),
        "duration": summary([played.duration for played in side]),
        "full_trials": summary([played.full for played in side]),
    }


def main() -> None:
    """Read the command line, simulate, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=Path, default=Path("results/benchmarks/curves/64-1.csv"))
    parser.add_argument("--pictures", type=int, default=311, help="validation pictures behind a recorded score")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--trials", type=int, default=24, help="of the sweeps that run to their end")
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--cap", type=int, default=600, help="epochs after which a search for the target gives up")
    parser.add_argument("--quick", action="store_true", help="a smoke run: 3 seeds; nothing is written")
    options = parser.parse_args()
    options.seeds = 3 if options.quick else options.seeds
    publish("sampler", partial(measure, options), ("ray", "optuna", "scikit-learn"), keep=not options.quick)


if __name__ == "__main__":
    main()
