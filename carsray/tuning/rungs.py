"""When a trial is stopped early: asynchronous successive halving, https://arxiv.org/abs/1810.05934, as Ray decides it.

A pure function of what trials reached, in the order in which they reached it. Keyed by carsray's trial number, so that
a trial that resumes under another name in Ray does not count twice.
"""

from collections.abc import Sequence

import numpy as np

from carsray.space import Space

SIMULATED_TRIALS = 4000
"""Played through for an expectation: many small sweeps or a few large ones."""


class RungTable:
    """What each trial had reached at each rung."""

    def __init__(self, rungs: Sequence[int], reduction: float) -> None:
        self._reduction = reduction
        self._reached: dict[int, dict[int, float]] = {rung: {} for rung in rungs}

    def record(self, trial: int, epoch: int, score: float) -> bool:
        """Enter a score; True if the trial is to stop.

        At a rung a trial stops if it is strictly below the best 1/reduction of those that were there before it. The
        first to arrive always goes on. A trial counts once at a rung.
        """
        reached = self._reached.get(epoch)
        if reached is None or trial in reached:
            return False
        cut = self.cut(epoch)
        reached[trial] = score
        return cut is not None and score < cut

    def cut(self, rung: int) -> float | None:
        """The score that has to be reached at a rung to go on, as of now."""
        scores = list(self._reached[rung].values())
        return float(np.percentile(scores, (1 - 1 / self._reduction) * 100)) if scores else None

    def counts(self) -> dict[int, int]:
        """How many trials have reached each rung."""
        return {rung: len(reached) for rung, reached in self._reached.items()}


def expected_epochs(space: Space, trials: int) -> tuple[dict[int, float], float]:
    """Trials expected to reach each rung, and epochs trained in all, if trials keep their order of merit."""
    rng = np.random.default_rng(0)
    ends = [*space.rungs, space.epochs]
    reached = dict.fromkeys(ends, 0)
    epochs = 0
    sweeps = max(3, SIMULATED_TRIALS // trials)
    for _ in range(sweeps):
        table = RungTable(space.rungs, space.objective.reduction)
        for trial, score in enumerate(rng.permutation(trials)):
            for end in ends:
                reached[end] += 1
                if end == space.epochs or table.record(trial, end, float(score)):
                    epochs += end
                    break
    return {end: count / sweeps for end, count in reached.items()}, epochs / sweeps
