"""What a person sees while experiments or trainings run: a live table on a terminal, a line for each step elsewhere."""

import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carsray.tuning.picture import duration

COLOURS = {"training": "cyan", "measuring": "cyan", "done": "green", "failed": "red", "waiting": "dim"}


class Shown(Protocol):
    """What a view knows of a run."""

    @property
    def name(self) -> str:
        """Unique among those shown together."""

    @property
    def epochs(self) -> int:
        """Of its training; 0 where it has none."""


@dataclass
class _Line:
    state: str = "waiting"
    epochs: float = 0
    note: str = ""


class View:
    """Shows the state of runs; use it as a context."""

    def __init__(self, runs: Sequence[Shown], done: Iterable[Shown], kind: str = "experiment") -> None:
        self._runs, self._kind = list(runs), kind
        self._lines = {run.name: _Line() for run in runs}
        for run in done:
            self._lines[run.name] = _Line("done", run.epochs, "from an earlier call")
        self._before = self._epochs_done()
        self._began = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._live = Live(console=Console(stderr=True), refresh_per_second=4, get_renderable=self._picture)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, run: Shown) -> None:
        """A training was handed to Ray, which starts it when there is room."""
        self._lines[run.name].note = "queued"

    def progress(self, run: Shown, epoch: int, share: float) -> None:
        """Within an epoch."""
        self._lines[run.name] = _Line("training", max(0.0, epoch - 1 + share), self._lines[run.name].note)

    def epoch(self, run: Shown, epoch: int, metrics: dict[str, float]) -> None:
        """An epoch has ended."""
        note = f"train loss {metrics['train/loss']:.3f}"
        if "val/accuracy" in metrics:
            note = f"val accuracy {metrics['val/accuracy']:.2%}, {note}"
        self._lines[run.name] = _Line("training", epoch, note)
        self._say(f"{run.name}: epoch {epoch}/{run.epochs}, {note}")

    def measuring(self, run: Shown) -> None:
        """The weights are there."""
        self._lines[run.name] = _Line("measuring", run.epochs)

    def done(self, run: Shown, note: str) -> None:
        """All that a run was to give is there."""
        self._lines[run.name] = _Line("done", run.epochs, note)
        self._say(f"{run.name}: done, {note}")

    def failed(self, run: Shown, reason: str) -> None:
        """A run cannot go on."""
        self._lines[run.name] = _Line("failed", run.epochs, reason.splitlines()[0])
        self._say(f"{run.name}: cannot run: {reason.splitlines()[0]}")

    def _say(self, line: str) -> None:
        if self._live is None:
            print(f"{line} | {self._status()}", file=sys.stderr, flush=True)

    def _picture(self) -> Group:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in (self._kind, "state", "epochs", ""):
            table.add_column(name, no_wrap=name != "")
        for run in self._runs:
            line = self._lines[run.name]
            epochs = f"{line.epochs:.1f}/{run.epochs}" if run.epochs else ""
            table.add_row(run.name, Text(line.state, style=COLOURS[line.state]), epochs, line.note)
        return Group(table, Text(self._status()))

    def _epochs_done(self) -> float:
        return sum(self._lines[run.name].epochs for run in self._runs)

    def _status(self) -> str:
        states = [line.state for line in self._lines.values()]
        parts = [f"{sum(state in ('done', 'failed') for state in states)}/{len(states)} {self._kind}s"]
        elapsed = time.monotonic() - self._began
        parts.append(f"{duration(elapsed)} gone")
        done = self._epochs_done()
        total = sum(run.epochs for run in self._runs)
        if done > self._before and total > done:
            left = elapsed / (done - self._before) * (total - done)
            parts.append(f"about {duration(left)} left")
        return " | ".join(parts)
