"""What the repetitions say: every finalist's standing, and which one is the winner."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from carsray.errors import SweepFailed
from carsray.final.confirm.certainty import Answers, Certainty, assess
from carsray.final.confirm.decision import Decision, decide
from carsray.final.confirm.finalists import Finalist
from carsray.final.confirm.repetitions import Repetition
from carsray.interval import Interval

METHOD = (
    "Mean accuracy at the last epoch over repetitions with fresh pictures and seeds of their own; the pictures' part of"
    " the variance from the answers, the seeds' by REML over all finalists, Satterthwaite's degrees of freedom,"
    " Student's t on the logit scale; differences on the same pictures, Bonferroni over all pairs"
    " (carsray/final/confirm/certainty.py)"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A finalist after its repetitions."""

    finalist: Finalist
    accuracies: tuple[float, ...]
    """Of its repetitions."""
    mean: float
    interval: Interval
    behind: Interval | None
    """Where its true accuracy less that of the best mean lies; none for the best itself."""
    difference: float
    """Its mean less the best one."""
    seconds: float
    """Of a training, without the start of its process: the mean."""
    val_losses: tuple[float, ...]
    """By epoch: the mean."""

    @property
    def separable(self) -> bool:
        """Whether it can be told from the best mean."""
        return self.behind is not None and self.behind[1] < 0

    @property
    def curse(self) -> float:
        """How much more the search said (the winner's curse)."""
        return self.finalist.score - self.mean


@dataclass(frozen=True, slots=True)
class Verdict:
    """The finalists, best mean first, and the one that is named."""

    standings: tuple[Standing, ...]
    chosen: Standing
    seed_deviation: float | None
    """Of the accuracy of one training over seeds, in common; none where nothing was repeated."""
    lost: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """By trial: how many of how many repetitions have not reached their last epoch, where any have not."""

    @property
    def alike(self) -> list[Standing]:
        """The best, and those that cannot be told from it."""
        return [standing for standing in self.standings if not standing.separable]

    @property
    def separable(self) -> bool:
        """Whether the named one can be told from all others."""
        return len(self.alike) == 1


def reach_verdict(repetitions: Sequence[Repetition], failures: Mapping[str, str]) -> Verdict:
    """From what is in the folders. A finalist of which no repetition has ended takes no part.

    Raises SweepFailed where none has.
    """
    ended: dict[int, list[Repetition]] = {}
    for each in repetitions:
        if each.done():
            ended.setdefault(each.finalist.trial, []).append(each)
    if not ended:
        reason = next(iter(failures.values()), "none has run").splitlines()[0]
        raise SweepFailed(f"none of {len(repetitions)} repetitions reached its last epoch; the first: {reason}")
    groups = list(ended.values())
    certainty = assess(_answers(groups))
    seconds = [float(np.mean([_seconds(each, ("start",)) for each in group])) for group in groups]
    # Activations of the frozen part are shared: whichever repetition comes first computes them for the others.
    own = [float(np.mean([_seconds(each, ("start", "prefix")) for each in group])) for group in groups]
    decision = decide(certainty, own)
    standings = [_standing(group, at, certainty, decision, seconds[at]) for at, group in enumerate(groups)]
    known = certainty.seeds_seen
    return Verdict(
        tuple(sorted(standings, key=lambda standing: -standing.mean)),
        standings[decision.chosen],
        float(np.sqrt(certainty.seed_variance)) if known else None,
        _lost(repetitions),
    )


def _lost(repetitions: Sequence[Repetition]) -> dict[int, tuple[int, int]]:
    asked = Counter(each.finalist.trial for each in repetitions)
    lost = Counter(each.finalist.trial for each in repetitions if not each.done())
    return {trial: (count, asked[trial]) for trial, count in lost.items()}


def _answers(groups: Sequence[Sequence[Repetition]]) -> list[Answers]:
    numbers: dict[str, int] = {}
    found = []
    for at, group in enumerate(groups):
        for each in group:
            paths, right = each.folder.read_right()
            pictures = np.array([numbers.setdefault(path, len(numbers)) for path in paths], dtype=np.int64)
            found.append(Answers(at, pictures, right))
    return found


def _standing(
    group: Sequence[Repetition], at: int, certainty: Certainty, decision: Decision, seconds: float
) -> Standing:
    mean, best = float(certainty.means[at]), float(certainty.means[decision.best])
    losses = [[epoch["val/loss"] for epoch in each.folder.read_history()] for each in group]
    return Standing(
        group[0].finalist,
        tuple(float(each.folder.read_right()[1].mean()) for each in group),
        mean,
        certainty.interval(at),
        None if at == decision.best else decision.behind[at],
        mean - best,
        seconds,
        tuple(np.mean(losses, axis=0).tolist()),
    )


def _seconds(repetition: Repetition, without: Sequence[str]) -> float:
    """What its epochs took, without some parts; the start of the process, for one, says nothing of the config."""
    left_out = {f"seconds/{part}" for part in without}
    return sum(
        float(value)
        for epoch in repetition.folder.read_history()
        for key, value in epoch.items()
        if key.startswith("seconds/") and key not in left_out
    )


def statement(verdict: Verdict) -> str:
    """The verdict in plain words."""
    chosen, alike = verdict.chosen, verdict.alike
    low, high = chosen.interval
    parts = []
    if len(verdict.standings) == 1:
        left = " of which a repetition has ended" if verdict.lost.keys() - {chosen.finalist.trial} else ""
        parts.append(f"Trial {chosen.finalist.trial} is the only finalist{left}.")
    elif verdict.separable:
        parts.append(f"Trial {chosen.finalist.trial} is better than the other finalists.")
    else:
        names = _listed([standing.finalist.trial for standing in alike])
        best = alike[0].finalist.trial
        parts.append(
            f"Trials {names} cannot be told apart; trial {chosen.finalist.trial} is named, the cheapest to train"
            + ("." if best == chosen.finalist.trial else f" (trial {best} has the best mean).")
        )
    times = f"{len(chosen.accuracies)} times" if len(chosen.accuracies) > 1 else "once"
    parts.append(
        f"Trained {times} more and judged on fresh pictures, it reaches {chosen.mean:.2%}"
        f" (95 %: {low:.2%} to {high:.2%}); the search said {chosen.finalist.score:.2%},"
        f" {abs(chosen.curse) * 100:.1f} points {'more' if chosen.curse >= 0 else 'less'}."
    )
    for trial, (lost, asked) in verdict.lost.items():
        parts.append(f"Of trial {trial}, {lost} of {asked} repetitions failed and do not count.")
    if verdict.seed_deviation is None:
        parts.append("With one seed the intervals are about these weights: what another seed would change is not in.")
    return " ".join(parts)


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join([", ".join(map(str, numbers[:-1])), str(numbers[-1])])
