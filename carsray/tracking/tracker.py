"""A tracker beside a command that works on a sweep: says where the runs are, and at the end what is missing there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from carsray.results import SweepFolder
from carsray.tracking.beside import TrackerProcess
from carsray.tracking.login import Mode, choose
from carsray.tracking.messages import Begin

Say = Callable[[str], None]


class Tracker:
    """Of one command; without a process where W&B is off."""

    def __init__(self, process: TrackerProcess | None, say: Say) -> None:
        self._process, self._say = process, say
        self._folder: SweepFolder | None = None
        self._checked = self._ending = False

    def follow(self, folder: SweepFolder) -> None:
        """Send what the record of a sweep says, from now on."""
        if self._process:
            self._folder = folder
            self._process.follow(folder)

    def check(self) -> None:
        """Wait for the login, once. Raises TrackingError where the key is wrong."""
        if self._process and not self._checked:
            self._checked = True
            if said := self._process.ready().said:
                self._say(said)

    def end(self) -> None:
        """Have the rest sent in the background."""
        if self._process and self._folder and not self._ending:
            self._ending = True
            self._process.end()

    def close(self) -> None:
        """Wait for the rest, ten seconds from `end` at most, and say what is missing."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._folder is None:
            process.kill()
            return
        if not self._ending:
            process.end()
        ended = process.wait()
        if ended.left:
            missing = f"{ended.left} runs are" if ended.left > 0 else "some runs may be"
            name = self._folder.arguments
            problem = f" ({ended.problem})" if ended.problem else ""
            self._say(f"W&B: {missing} not complete there{problem}. To send the rest: carsray wandb sync {name}")


@contextmanager
def tracking(mode: Mode | None, project: str, say: Say) -> Iterator[Tracker]:
    """A tracker for as long as this lasts; what there is to say goes to ``say``, a line each."""
    choice = choose(mode)
    if choice.said:
        say(choice.said)
    tracker = Tracker(None if choice.mode == "off" else TrackerProcess(Begin(choice.mode, project)), say)
    try:
        yield tracker
    finally:
        tracker.close()
