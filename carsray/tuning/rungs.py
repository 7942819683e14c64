"""Which trials go on: successive halving that pauses trials at rungs and promotes the best of them.

Asynchronous, https://arxiv.org/abs/1810.05934 (algorithm 2). A pure function of what trials reached. Keyed by carsray's
trial number, so that a trial that resumes under another name in Ray does not count twice.
"""

import bisect
import math
from collections.abc import Sequence

import numpy as np

from carsray.space import Space

SIMULATED_TRIALS = 4000
"""Played through for an expectation: many small sweeps or a few large ones."""

LARGEST_SIMULATED = 1000
"""Trials in one sweep: what is expected of each hardly changes with more, and their comparisons take quadratic time."""

WITHIN_NOISE = 0.5
"""At most this share of those at a rung go on where the noise of the validation set blurs its cut."""

ERRORS = 1.5
"""So many standard errors below the cut count as within its noise."""

DEAR = 1.5
"""Epochs that take more than so many times the average trial's: who needs these has to pass the cut itself."""


class RungTable:
    """What each trial had reached at each rung, and which of them stand at one."""

    def __init__(self, rungs: Sequence[int], reduction: float, pictures: int = 0, guesses: bool = False) -> None:
        """Scores are shares of so many validation ``pictures``; 0: they are exact.

        Trials that begin with ``guesses``, the start points of a space, do not wait until enough have come to a rung:
        the best by then goes on. It is likely good, and what it needs of the frozen part, others find ready.
        """
        self._reduction, self._pictures, self._guesses = reduction, pictures, guesses
        self._reached: dict[int, dict[int, float]] = {rung: {} for rung in sorted(rungs)}
        self._ranked: dict[int, list[tuple[float, int]]] = {rung: [] for rung in self._reached}
        self._paused: dict[int, int] = {}
        self._seconds: dict[int, float] = {}
        self._epochs: dict[int, int] = {}
        """How far each trial has come; those that failed are left out, as they are of the ranks."""

    @classmethod
    def of(cls, space: Space, pictures: int) -> "RungTable":
        """The table of a sweep over a space, whose trials are scored on so many validation pictures."""
        objective = space.objective
        return cls(space.rungs, objective.reduction, pictures if objective.noise else 0, guesses=bool(space.start))

    def record(self, trial: int, epoch: int, score: float, seconds: float | None = None) -> bool:
        """Enter the best score by an epoch, and how long a whole epoch took; True if the trial stands at a rung.

        A trial counts once at a rung, however often it gets there.
        """
        self._paused.pop(trial, None)
        if seconds is not None:
            self._seconds[trial] = seconds
        self._epochs[trial] = max(self._epochs.get(trial, 0), epoch)
        if epoch not in self._reached:
            return False
        if trial not in self._reached[epoch]:
            self._reached[epoch][trial] = score
            bisect.insort(self._ranked[epoch], (-score, trial))
        self._paused[trial] = epoch
        return True

    def next_promotion(self) -> int | None:
        """The paused trial that is to go on now: the best that passes the cut of the highest rung."""
        for rung in reversed(self._reached):
            for trial in self._best(rung):
                if self._paused.get(trial) == rung:
                    return trial
        return None

    def leader(self) -> int | None:
        """The best trial of the highest rung that any has reached, if it waits there and none has gone further.

        A small sweep fills no rung: without this, none of its trials would ever run to its end. One that failed led
        nowhere.
        """
        rung = max((rung for rung, ranked in self._ranked.items() if ranked), default=0)
        if max(self._epochs.values(), default=0) > rung:
            return None
        waiting = [trial for trial, at in self._paused.items() if at == rung]
        return min(waiting, key=lambda trial: (-self._reached[rung][trial], trial), default=None)

    def _best(self, rung: int) -> list[int]:
        """The best of those who reached the rung, as many as 1/reduction of them, best first; of equals the earlier.

        The seats of those that failed go to the next. Also those within the noise of the last of these, as long as they
        are among the best half and their epochs are not dear: who is a few pictures behind is hardly worse, and where
        curves cross, the cut would drop the later winner. To send dear ones on as well costs more than it finds.
        """
        ranked, came = self._ranked[rung], len(self._reached[rung])
        clear = min(len(ranked), int(came / self._reduction) or int(self._guesses))
        best = [trial for _, trial in ranked[:clear]]
        if not clear or not self._pictures:
            return best
        cut = -ranked[clear - 1][0]
        least = cut - ERRORS * noise(cut, self._pictures)
        dear = DEAR * sum(self._seconds.values()) / max(len(self._seconds), 1)
        blurred = ranked[clear : int(came * WITHIN_NOISE)]
        return best + [trial for score, trial in blurred if -score >= least and self._seconds.get(trial, 0.0) <= dear]

    def to_pass(self) -> float | None:
        """The least with which a trial passes a rung after the first epoch, as things stand; 0 while none does.

        None where there is no such rung.
        """
        if 1 not in self._reached:
            return None
        if len(self._reached[1]) < self._reduction:
            return 0.0
        return min((self._reached[1][trial] for trial in self._best(1)), default=0.0)

    def go_on(self, trial: int) -> None:
        """The trial is taken up again."""
        self._paused.pop(trial, None)

    def drop(self, trial: int) -> None:
        """The trial has ended; its scores still count."""
        self._paused.pop(trial, None)

    def fail(self, trial: int) -> None:
        """The trial has failed: it counts among those that came to its rungs, and among nobody who is to go on."""
        self.drop(trial)
        if self._epochs.pop(trial, None) is None:
            return
        for rung, reached in self._reached.items():
            if trial in reached:
                self._ranked[rung].remove((-reached[trial], trial))

    def paused(self) -> list[int]:
        """Those who stand at a rung."""
        return sorted(self._paused)


def noise(score: float, pictures: int) -> float:
    """The standard error of the difference of two shares of so many pictures, both about ``score``.

    The trials saw the same pictures, so that it is rather too large than too small.
    """
    return math.sqrt(2 * score * (1 - score) / pictures)


def expected_epochs(space: Space, trials: int, pictures: int = 0) -> tuple[dict[int, float], float]:
    """Trials expected to reach each rung, and epochs trained in all, if trials keep their order of merit.

    Where scores are shares of so many validation ``pictures``, those at the cut are taken to lie within their noise:
    half of the trials go on at every rung, rather too many than too few.
    """
    rng = np.random.default_rng(0)
    ends = [*space.rungs, space.epochs]
    reached = dict.fromkeys(ends, 0)
    epochs = 0
    asked, trials = trials, min(trials, LARGEST_SIMULATED)
    sweeps = max(3, SIMULATED_TRIALS // trials)
    for _ in range(sweeps):
        scores = 0.5 + 1e-9 * rng.permutation(trials)
        table = RungTable.of(space, pictures)
        left, trained = trials, dict.fromkeys(range(trials), 0)
        while True:
            baseline = 0 if space.start and left < trials and trained[0] < space.epochs else None
            trial = table.next_promotion() if baseline is None else baseline
            if trial is None and left:
                trial, left = trials - left, left - 1
            elif trial is None:
                trial = table.leader()
            if trial is None:
                break
            end = next(end for end in ends if end > trained[trial])
            epochs += end - trained[trial]
            reached[end] += 1
            trained[trial] = end
            table.record(trial, end, float(scores[trial]))
    share = asked / trials / sweeps
    return {end: count * share for end, count in reached.items()}, epochs * share
