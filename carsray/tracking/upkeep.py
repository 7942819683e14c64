"""Keeps runs up to date in the background: the newest state of each, several at a time, again when it fails."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from carsray.tracking.ledger import Ledger
from carsray.tracking.run import TrackedRun

AGAIN_SECONDS = 20.0
"""After which a run that could not be sent is tried again."""

Write = Callable[[TrackedRun], None]

CLEARING = ""
"""Among the names of those who are busy: the one who clears up."""


class Upkeep:
    """Takes runs as they come further. A run that is written has one thread, and what comes meanwhile waits."""

    def __init__(self, write: Write, ledger: Ledger, workers: int, clear: Callable[[], None] = lambda: None) -> None:
        """``write`` brings a run up to date, and raises where it cannot.

        ``clear`` puts away what a failure has left, before a run is tried again; nothing is written meanwhile.
        """
        self._write, self._ledger, self._clear = write, ledger, clear
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="carsray-wandb")
        self._changed = threading.Condition()
        self._waiting: dict[str, TrackedRun] = {}
        self._busy: set[str] = set()
        self._not_before: dict[str, float] = {}
        self._failed: set[str] = set()
        """Since it was last cleared up."""
        self.problems: dict[str, str] = {}
        """Why a run could not be written the last time, by its id."""

    def bring(self, run: TrackedRun) -> None:
        """Have a run written, if there is more of it than was."""
        with self._changed:
            if not self._ledger.holds(run):
                self._waiting[run.id] = run
            self._dispatch()

    def tend(self) -> None:
        """Try again what has failed, where its time has come."""
        with self._changed:
            self._dispatch()

    def hurry(self) -> None:
        """Try again at once, whatever has failed."""
        with self._changed:
            self._not_before.clear()
            self._dispatch()

    def left(self, seconds: float | None = None) -> int:
        """How many runs are not up to date, when all are, have failed, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._due(), seconds)
            return len((self._busy | self._waiting.keys()) - {CLEARING})

    def _due(self) -> list[str]:
        now = time.monotonic()
        return [name for name in self._waiting if self._not_before.get(name, 0) <= now]

    def _dispatch(self) -> None:
        due = self._due()
        if self._failed & {*due}:
            if not self._busy:
                self._busy.add(CLEARING)
                self._pool.submit(self._clear_up)
            return
        for name in due:
            if name not in self._busy:
                self._busy.add(name)
                self._pool.submit(self._work, name)

    def _clear_up(self) -> None:
        with suppress(Exception):  # what is still in the way then fails again
            self._clear()
        with self._changed:
            self._busy.discard(CLEARING)
            self._failed.clear()
            self._dispatch()
            self._changed.notify_all()

    def _work(self, name: str) -> None:
        with self._changed:
            run = self._waiting.pop(name)
        problem = ""
        try:
            if not self._ledger.holds(run):  # it may have been written while this waited
                self._write(run)
        except Exception as error:  # of the SDK, the network, the record: it is tried again, and said at the end
            problem = (str(error).splitlines() or [type(error).__name__])[0]
        with self._changed:
            self._busy.discard(name)
            if problem:
                self.problems[name] = problem
                self._failed.add(name)
                self._waiting.setdefault(name, run)
                self._not_before[name] = time.monotonic() + AGAIN_SECONDS
            else:
                self.problems.pop(name, None)
                if run.at_rest:
                    self._ledger.note(run)
            self._dispatch()
            self._changed.notify_all()
