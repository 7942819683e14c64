"""What of a record has changed: the recorder says it, the mirror asks. Without a mirror nobody asks."""

import threading
import time


class Watch:
    """Between the driver, which writes a record, and the mirror's thread, which reads it."""

    problem = ""
    """Why the mirror is behind, if it is; for whoever shows the sweep."""
    interrupted = False
    """Whether the sweep ends in a hurry."""
    over: float | None = None
    """time.monotonic() at which the sweep ended or was interrupted."""

    def __init__(self) -> None:
        self.writing = threading.Lock()
        """Held while one event is written, so that whoever takes it sees the record between two events."""
        self.due = threading.Event()
        """Set when there is something worth a look."""
        self._changed: set[int] = set()

    def __reduce__(self) -> tuple[type["Watch"], tuple[()]]:
        """Ray Tune pickles whatever watches a sweep, and nobody reads it: a lock cannot go along."""
        return Watch, ()

    def note(self, trial: int) -> None:
        """The small files of a trial have changed."""
        self._changed.add(trial)

    def changed(self) -> set[int]:
        """The trials that were noted since the last call."""
        changed, self._changed = self._changed, set()
        return changed

    def end(self) -> None:
        """The sweep is over, though what ends with it may still have to be written."""
        if self.over is None:
            self.over = time.monotonic()
        self.due.set()
