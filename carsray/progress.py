"""Signs of progress. Long work takes a Report; the command line gives it a bar, tests and library users silence."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Report = Callable[[int, int], None]
"""Called with (done, total)."""
Bar = Callable[[str], AbstractContextManager[Report]]
"""A title to signs of progress."""


def silent(done: int, total: int) -> None:
    """Say nothing."""


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """A bar with the time left on a terminal; elsewhere a line at most every ten seconds, on stderr."""
    if not sys.stderr.isatty():
        yield _lines(title)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _lines(title: str, every: float = 10.0) -> Report:
    started = shown = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < every or not done:
            return
        shown = now
        left = (now - started) * (total - done) / done
        print(f"{title}: {done}/{total}, about {left:.0f} s left", file=sys.stderr, flush=True)

    return report
