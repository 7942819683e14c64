"""Keeps a record's mirror up to date while a sweep runs: a thread that looks when there is something new."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from carsray.errors import CarsrayError
from carsray.results import SweepFolder
from carsray.storage.lease import Lease
from carsray.storage.place import Place
from carsray.storage.rounds import Sent, mirror_round
from carsray.storage.watch import Watch

MOST_SECONDS = 60.0
"""Between two rounds: commands that come after the sweep say nothing of what they write."""
LEAST_SECONDS = 2.0
"""Between two rounds: short trials change the record all the time."""
LONGEST_PAUSE = 60.0
"""Between two attempts, which begin a second apart."""
AT_THE_END = 600.0
"""Seconds that the last round may take."""
INTERRUPTED = 3.0
"""The same after Ctrl-C or SIGTERM, from the signal on: Slurm and Kubernetes kill what is not gone soon."""
NAMED = 3
"""Files that are named in a line."""


class Mirror:
    """A thread of rounds. Of what changes while one is under way only the newest state is sent by the next."""

    def __init__(self, folder: SweepFolder, place: Place, lease: Lease, watch: Watch) -> None:
        self._folder, self._place, self._lease, self._watch = folder, place, lease, watch
        self._sent = Sent.found_in(place)
        self._pending = {trial.number for trial in folder.all_trials()}
        self._last, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="mirror", daemon=True)
        self._thread.start()

    def finish(self) -> list[str]:
        """Send what is left, within the time that the sweep's end allows; what the storage lacks then."""
        self._last.set()
        self._watch.due.set()
        allowed, since = AT_THE_END, time.monotonic()
        if self._watch.interrupted:
            allowed, since = INTERRUPTED, self._watch.over or since
        try:
            self._thread.join(max(since + allowed - time.monotonic(), 1.0))
        except KeyboardInterrupt:  # enough of waiting
            self._watch.problem = self._watch.problem or "interrupted"
        self._done.set()
        if self._thread.is_alive() and not self._watch.problem:
            self._watch.problem = f"more than {allowed:.0f} s"
        trials = [f"trials/{number:04d}" for number in sorted(self._pending)]
        return [*trials, *self._sent.missing(self._folder)] if self._watch.problem else []

    def _work(self) -> None:
        pause = 1.0
        self._watch.due.set()
        while True:
            self._watch.due.wait(MOST_SECONDS)
            self._watch.due.clear()
            if self._done.is_set():
                return
            last = self._last.is_set()
            try:
                if not self._lease.holds():
                    self._watch.problem = f"{self._lease.lost} has taken over; nothing more is sent there"
                    return
                mirror_round(self._folder, self._place, self._pending, self._watch, self._sent, whole=last)
            except Exception as error:  # whatever it is, the sweep goes on
                self._watch.problem = str(error).removeprefix(f"{self._place.address}: ").removesuffix(".")
                self._watch.due.set()
                self._done.wait(1.0) if last else self._last.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            self._watch.problem, pause = "", 1.0
            if last:
                return
            self._last.wait(LEAST_SECONDS)


@contextmanager
def mirrored(folder: SweepFolder, place: Place, lease: Lease, tell: Callable[[str], None]) -> Iterator[Watch]:
    """Mirror a record for the time of a with-block; what the storage lacks at its end is told in one line."""
    watch = Watch()
    mirror = Mirror(folder, place, lease, watch)
    try:
        yield watch
    except BaseException as error:
        watch.interrupted = not isinstance(error, CarsrayError)
        raise
    finally:
        missing = mirror.finish()
        if lease.lost:
            tell(f"warning: {place.address}: {watch.problem}")
        elif missing:
            more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            tell(
                f"warning: {place.address} lacks the newest {', '.join(missing[:NAMED])}{more} ({watch.problem}). "
                f"To send them: carsray resume {folder.arguments}"
            )
