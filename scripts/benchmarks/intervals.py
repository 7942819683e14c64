"""Whether the intervals of `carsray confirm` hold: simulated searches, whose truth is known.

    scripts/bench intervals

Nothing is trained. A training answers a picture rightly where

    skill of its config + luck of its seed + how this config takes this picture + chance  >  difficulty of the picture

all but the skill drawn from normal distributions (a probit model with crossed random effects). A search scores its
trials, one seed each, on the same pictures; its three best are the finalists. Each is trained again, with other seeds
and on fresh pictures that the finalists share, and `carsray.final` says what came out. The truth of a config is its
accuracy over all seeds and pictures. Beside the interval of the config that is named stand what a search leaves a user
with: its best score with the binomial interval, and Student's t over seeds on the pictures that it searched on.
"""

import argparse
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
from harness import Condition, Figures, publish, significant
from scipy.special import ndtr, ndtri

from carsray.final.confirm.certainty import Answers, assess
from carsray.final.confirm.decision import decide
from carsray.interval import Interval, over_seeds, wilson
from carsray.seed import derive

LOWEST, HIGHEST = 0.93, 0.97
"""Asked of the coverage of a 95 % interval."""
SEEDS = (2, 3, 5)
ENOUGH_SEEDS = 3
"""What `carsray confirm` takes unless it is told otherwise."""
STRESS = {
    "finalists all alike": {"spread": 0.0},
    "seeds move all finalists alike, half of their variance": {"shared": 0.5},
    "seed noise differs fourfold between configs": {"uneven": True},
    "pictures that configs take very differently": {"difficulty": 0.5, "taste": 0.25},
    "one finalist": {"top": 1},
    "five finalists": {"top": 5},
}
"""What the model of the intervals does not know of."""


@dataclass(frozen=True, slots=True)
class World:
    """A kind of search."""

    pictures: int = 1600
    """In val, and in each fold."""
    accuracy: float = 0.9
    """The mean over configs."""
    seed_noise: float = 0.005
    """Standard deviation of a config's accuracy over seeds."""
    trials: int = 24
    spread: float = 0.02
    """Standard deviation of the true accuracies."""
    top: int = 3
    difficulty: float = 0.75
    """Share of the latent variance that a picture has for all configs."""
    taste: float = 0.10
    """The share that a config and a picture have together; the rest is chance, anew in each training."""
    shared: float = 0.0
    """Share of the seeds' variance that all finalists of a repetition have in common."""
    uneven: bool = False
    """Whether configs differ in their seed noise: half and double."""


@dataclass(frozen=True, slots=True)
class Played:
    """A search and the repetitions of its finalists."""

    truths: np.ndarray
    """float64 (F,), of the finalists."""
    scores: np.ndarray
    """float64 (F,): what the search found."""
    again: np.ndarray
    """float64 (K,): the search's best trial with other seeds, on the pictures of the search."""
    right: np.ndarray
    """bool (F, K, n): the finalists' answers in K folds."""


def play(world: World, seeds: int, rng: np.random.Generator) -> Played:
    """One search with its finalists."""
    n, trials = world.pictures, world.trials
    skill = ndtri(np.clip(world.accuracy + world.spread * rng.standard_normal(trials), 0.02, 0.98))
    luck = world.seed_noise / (np.exp(-(skill**2) / 2) / math.sqrt(2 * math.pi))
    if world.uneven:
        luck = luck * rng.choice([0.5, 2.0], trials)
    chance = 1 - world.difficulty - world.taste

    def normal(variance: float, *shape: int) -> np.ndarray:
        return math.sqrt(variance) * rng.standard_normal(shape, dtype=np.float32)

    hard, taste = normal(world.difficulty, n), normal(world.taste, trials, n)
    latent = (skill + luck * rng.standard_normal(trials))[:, None] + taste + normal(chance, trials, n)
    scores = (latent > hard).mean(axis=1)
    best = np.argsort(-scores, kind="stable")[: world.top]
    first = best[0]
    seen = (skill[first] + luck[first] * rng.standard_normal(seeds))[:, None] + taste[first] + normal(chance, seeds, n)
    own, common = rng.standard_normal((world.top, seeds)), rng.standard_normal(seeds)
    moved = math.sqrt(1 - world.shared) * own + math.sqrt(world.shared) * common
    fresh = (skill[best][:, None] + luck[best][:, None] * moved)[:, :, None]
    fresh = fresh + normal(world.taste + chance, world.top, seeds, n)
    right = fresh > normal(world.difficulty, seeds, n)
    truths = ndtr(skill / np.sqrt(1 + luck**2))[best]
    return Played(truths, scores[best], (seen > hard).mean(axis=1), right)


@dataclass(frozen=True, slots=True)
class Held:
    """What held in one search."""

    winner: bool
    """The interval of the config that is named."""
    finalists: float
    """Those of all finalists: the share."""
    differences: bool
    """All differences from the best together."""
    told_wrongly: bool
    """A finalist is told from the best that is not worse."""
    alike: float
    """Finalists that cannot be told from the best."""
    half_width: float
    naive: bool
    """The search's own score with its binomial interval."""
    seeds_alone: bool
    """Student's t over seeds, on the pictures of the search."""
    curse: float
    """The search's score less the truth."""


def judge(played: Played, seeds: int, costs: Sequence[float]) -> Held:
    """What `carsray confirm` says after so many seeds, held against the truth."""
    finalists, _, pictures = played.right.shape
    numbers = np.arange(pictures)
    certainty = assess(
        [Answers(f, k * pictures + numbers, played.right[f, k]) for f in range(finalists) for k in range(seeds)]
    )
    decision = decide(certainty, costs)
    intervals = [certainty.interval(finalist) for finalist in range(finalists)]
    held = [_within(interval, truth) for interval, truth in zip(intervals, played.truths, strict=True)]
    behind = played.truths - played.truths[decision.best]
    low, high = intervals[decision.chosen]
    return Held(
        winner=held[decision.chosen],
        finalists=float(np.mean(held)),
        differences=all(_within(interval, d) for interval, d in zip(decision.behind, behind, strict=True)),
        told_wrongly=any(interval[1] < 0 <= d for interval, d in zip(decision.behind, behind, strict=True)),
        alike=len(decision.alike),
        half_width=(high - low) / 2,
        naive=_within(wilson(round(played.scores[0] * pictures), pictures), played.truths[0]),
        seeds_alone=_within(over_seeds(played.again[:seeds].tolist()), played.truths[0]),
        curse=float(played.scores[0] - played.truths[0]),
    )


def _within(interval: Interval, truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def simulate(world: World, repetitions: int, seeds: Sequence[int] = SEEDS) -> list[Figures]:
    """So many searches of a kind: what held, for each number of seeds."""
    rng = np.random.default_rng(derive(0, "coverage", *(str(value) for value in asdict(world).values())))
    held: dict[int, list[Held]] = {count: [] for count in seeds}
    for _ in range(repetitions):
        played, costs = play(world, max(seeds), rng), rng.random(world.top).tolist()
        for count in seeds:
            held[count].append(judge(played, count, costs))
    return [{**asdict(world), "seeds": count, **_means(each)} for count, each in held.items()]


def _means(held: Sequence[Held]) -> Figures:
    return {name: significant(float(np.mean([getattr(each, name) for each in held]))) for name in Held.__slots__}


def worlds() -> Iterator[World]:
    """Every combination that is asked of."""
    for pictures, accuracy, noise, trials in itertools.product((320, 1600), (0.5, 0.9), (0.0, 0.005, 0.01), (24, 100)):
        yield World(pictures, accuracy, noise, trials)


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """All scenarios, and those that the model does not know of."""
    kinds = list(worlds())[:: 8 if options.quick else 1]
    stress = [replace(World(seed_noise=0.01), **change) for change in STRESS.values()]
    with ProcessPoolExecutor(options.processes) as pool:
        found = list(pool.map(partial(simulate, repetitions=options.repetitions), [*kinds, *stress]))
    scenarios = [figures for world in found[: len(kinds)] for figures in world]
    enough = [figures for figures in scenarios if figures["seeds"] >= ENOUGH_SEEDS]
    figures: Figures = {
        "repetitions": options.repetitions,
        "standard_error_of_a_coverage": significant(math.sqrt(0.95 * 0.05 / options.repetitions)),
        "coverage": {str(count): _range(scenarios, count) for count in SEEDS},
        "scenarios": scenarios,
        "stress": [
            {"what": what, **each} for what, world in zip(STRESS, found[len(kinds) :], strict=True) for each in world
        ],
    }
    return figures, [
        Condition(f"coverage of the winner's interval, lowest of {len(enough)}", _least(enough), LOWEST),
        Condition(f"coverage of the winner's interval, highest of {len(enough)}", _most(enough), HIGHEST, at_most=True),
    ]


def _range(scenarios: Sequence[Figures], seeds: int) -> Figures:
    """Lowest, mean and highest over the scenarios of a number of seeds."""
    rows = [figures for figures in scenarios if figures["seeds"] == seeds]
    return {
        name: [significant(float(fold([row[name] for row in rows]))) for fold in (min, np.mean, max)]  # type: ignore[operator]
        for name in ("winner", "finalists", "differences", "told_wrongly", "naive", "seeds_alone", "half_width")
    }


def _least(scenarios: Sequence[Figures]) -> float:
    return float(min(figures["winner"] for figures in scenarios))


def _most(scenarios: Sequence[Figures]) -> float:
    return float(max(figures["winner"] for figures in scenarios))


def main() -> None:
    """Read the command line, simulate, publish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, help="searches of each kind")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--quick", action="store_true", help="a smoke run: few kinds, 50 searches; nothing is written")
    options = parser.parse_args()
    options.repetitions = 50 if options.quick else options.repetitions
    publish("intervals", partial(measure, options), ("numpy", "scipy"), keep=not options.quick)


if __name__ == "__main__":
    main()
