"""A sweep as a person sees it: its trials as a table, how far they are, how long it will take. Knows nothing of Ray."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from carsray.leaderboard import TrialRow, rank, ranked
from carsray.results import BEST, State
from carsray.space import Space
from carsray.tuning.rungs import expected_epochs
from carsray.tuning.to_come import times_dearer

SHOWN = 12
WIDE = 200
"""Columns of a terminal on which nothing has to be shortened."""
COLOURS: dict[State, str] = {
    "running": "cyan",
    "paused": "blue",
    "finished": "green",
    "pruned": "yellow",
    "failed": "red",
}
ENOUGH = 3
"""Trials whose cost has been seen before anything is said of how much it varies."""
Z_80 = 1.2816
"""The 90 % point of the normal distribution: an interval of 80 % on both sides."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """How far a sweep is."""

    space: Space
    total: int
    """Trials in all."""
    expected: float
    """Epochs that they are expected to train."""
    before: int = 0
    """Epochs at which the trials stand that were trained before the clock began."""

    @classmethod
    def of(cls, space: Space, total: int, pictures: int) -> "Outlook":
        """Of so many trials, compared on so many validation pictures."""
        return cls(space, total, expected_epochs(space, total, pictures)[1])

    def status(self, rows: Sequence[TrialRow], elapsed: float) -> str:
        """One line after so many seconds: trials by state, the best, the time gone and left."""
        states = Counter(row.state for row in rows)
        parts = [f"{sum(row.ended for row in rows)}/{self.total} trials"]
        parts += [f"{states[state]} {state}" for state in ("running", "paused", "failed") if states[state]]
        best = min((row for row in rows if row.best), key=rank, default=None)
        if best:
            parts.append(f"best {best.score:.3f} (trial {best.trial})")
        parts.append(f"{duration(elapsed)} gone")
        if left := self.left(rows, elapsed):
            parts.append(left)
        return " | ".join(parts)

    def left(self, rows: Sequence[TrialRow], elapsed: float) -> str:
        """How long it will take from here; with an interval of 80 % once trials have shown how their costs vary.

        Empty while nobody knows.
        """
        ended, trained = sum(row.ended for row in rows), sum(row.epochs for row in rows)
        done = trained - self.before
        dearer = times_dearer(self.space, self.total, rows)
        if not done or ended >= self.total or dearer is None:
            return ""
        # Each trial to come takes an epoch at least, however far the others have gone.
        to_come = max(self.expected - trained, self.total - ended)
        # Those to come reach the first rung; who goes on from there costs as those so far: dear trials seldom do.
        of_new = min((*self.space.rungs, self.space.epochs)[0] * (self.total - len(rows)), to_come)
        seconds = elapsed / done * (to_come + of_new * (dearer - 1))
        costs = np.array([row.seconds / row.epochs for row in rows if row.epochs])
        if len(costs) < ENOUGH:
            return f"about {duration(seconds)} left"
        # Of the mean cost of an epoch, as it was seen, and of that of the trials to come.
        spread = Z_80 * float(costs.std(ddof=1) / costs.mean()) * math.sqrt(1 / len(costs) + 1 / (self.total - ended))
        low, high = seconds * max(1 - spread, 0), seconds * (1 + spread)
        return f"about {duration(seconds)} left ({duration(low)} to {duration(high)})"

    def rungs(self, rows: Sequence[TrialRow]) -> str:
        """How many trials have come to each rung, and gone on from it."""
        counts = [
            (rung, sum(row.epochs >= rung for row in rows), sum(row.epochs > rung for row in rows))
            for rung in self.space.rungs
        ]
        return " | ".join(f"epoch {rung}: {came} came, {on} went on" for rung, came, on in counts if came)

    def used(self, rows: Sequence[TrialRow]) -> str:
        """What the trials that run used of their machines in their last epoch."""
        seen = [row for row in rows if row.state == "running" and row.used]

        def total(name: str) -> float:
            return sum(row.used.get(f"system/{name}", 0.0) for row in seen)

        parts = [f"{total('processors'):.1f} processors"] if seen else []
        if memory := total("memory_gb"):
            parts.append(f"{memory:.1f} GB of memory")
        if busy := [row.used["system/gpu"] for row in seen if "system/gpu" in row.used]:
            parts.append(f"GPU busy {sum(busy) / len(busy):.0%} of the time")
        if held := total("gpu_memory_gb"):
            parts.append(f"{held:.1f} GB of its memory")
        # All trials of a node share its cache.
        if cached := sum({row.node: row.used.get("system/cache_gb", 0.0) for row in seen}.values()):
            parts.append(f"{cached:.1f} GB of cached activations")
        return f"in use: {', '.join(parts)}" if parts else ""

    def picture(self, rows: Sequence[TrialRow], elapsed: float, width: int = WIDE) -> Group:
        """All of it: those that run, the best of the others, rungs and status."""
        running = [row for row in rows if row.state == "running"]
        others = [row for row in ranked(rows) if row.state != "running"]
        table = trial_table(running + others[: max(SHOWN - len(running), 3)], list(self.space.parameters), width)
        lines = [line for line in (self.rungs(rows), self.used(rows), self.status(rows, elapsed)) if line]
        return Group(table, *map(Text, lines))


def trial_table(rows: Sequence[TrialRow], params: Sequence[str], width: int = WIDE) -> Table:
    """Trials as a table with the searched parameters as columns; heads break into lines where the width is short."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1) if width >= WIDE else (0, 0, 0, 1))
    heads = ["trial", "state", "epochs", BEST, *params, "seconds"]
    short = sum(len(head) + 2 for head in heads) > width
    for head in heads:
        name = re.sub(r"(?<=[_/])", "\n", head) if short else head
        table.add_column(name, justify="left" if head == "state" else "right", overflow="fold", vertical="bottom")
    for row in rows:
        score = f"{row.score:.4f}" if row.best else ""
        values = [number(row.params[name]) if name in row.params else "" for name in params]
        state = Text(row.state, style=COLOURS[row.state])
        table.add_row(str(row.trial), state, str(row.epochs), score, *values, f"{row.seconds:.0f}")
    return table


def describe(row: TrialRow) -> str:
    """A trial in one line."""
    score = f"{row.score:.4f}" if row.best else "no score"
    values = " ".join(f"{name}={number(value)}" for name, value in row.params.items())
    reason = f" ({row.reason.splitlines()[0]})" if row.reason else ""
    return f"trial {row.trial} {row.state} after {row.epochs} epochs: {score}{reason} [{values}]"


def number(value: object) -> str:
    """A value short enough for a table."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 42 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
