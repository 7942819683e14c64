"""The tracker: ``python -m carsray.tracking.follow FD``, one process beside a sweep's driver, which it reads after.

It follows the record, and the trials know nothing of it: a server that hangs, refuses or is slow costs them nothing,
nodes need neither a key nor a way to W&B, and whatever was cut off is made good from the record.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection

from filelock import FileLock, Timeout

from carsray.errors import CarsrayError, TrackingError
from carsray.results import SweepFolder
from carsray.tracking.changes import Changes, all_runs
from carsray.tracking.facts import SweepFacts, read_facts
from carsray.tracking.ledger import Ledger, wandb_folder
from carsray.tracking.login import NoAnswer, log_in
from carsray.tracking.messages import Begin, End, Ended, Follow, Ready, Way
from carsray.tracking.run import TrackedRun
from carsray.tracking.upkeep import Upkeep

LOOK_SECONDS = 2.0
"""Between two looks at the record."""
ALONE_SECONDS = 60.0
"""For all that is left where the driver has died, and nobody waits for it."""
LOCK_SECONDS = 10.0
"""For the tracker of a process that was killed to come to its end."""
WORKERS = 4
"""Runs that are begun, sent or ended at a time: each waits for the server, not for this machine."""


def main() -> None:
    """Serve one driver until it hangs up, or dies."""
    connection = Connection(int(sys.argv[1]))
    with suppress(EOFError, OSError):
        begin = connection.recv()
        assert isinstance(begin, Begin)
        ready, entity = prepare(begin)
        connection.send(ready)
        os.nice(10)  # from here on training goes first, and yet a busy machine does not starve it
        asked = connection.recv()
        assert isinstance(asked, Follow)
        ended = _follow(SweepFolder(asked.root), ready.way, begin.project, entity, connection)
        connection.send(ended)
    os._exit(0)  # no exit handler may wait for a server


def prepare(begin: Begin) -> tuple[Ready, str | None]:
    """Log in; the answer, and the entity. Without an answer from the server runs are written to files instead."""
    if begin.way == "offline":
        return Ready("offline", "W&B: offline"), None
    try:
        account = log_in()
    except TrackingError as error:
        return Ready("offline", "", refused=str(error)), None
    except NoAnswer as error:
        return Ready("offline", f"W&B: {error}; its files stay here: offline"), None
    import wandb

    wandb.teardown()  # its helper process is to have this one's priority from now on
    return Ready("online", f"W&B: {account.app.rstrip('/')}/{account.entity}/{begin.project}"), account.entity


def _follow(folder: SweepFolder, way: Way, project: str, entity: str | None, connection: Connection) -> Ended:
    try:
        with ExitStack() as stack:
            while True:  # another may be sending all of an earlier part, which takes as long as it takes
                try:
                    stack.enter_context(tracking_alone(folder))
                    break
                except TrackingError as error:
                    if connection.poll():
                        return Ended(-1, str(error))
            _log_to(folder)
            facts = read_facts(folder)
            upkeep = upkeep_of(folder, way, project, entity)
            changes = Changes(folder, facts)
            while not connection.poll(LOOK_SECONDS):
                for run in changes.look():
                    if run.at_rest or way == "online":
                        upkeep.bring(run)
                upkeep.tend()
            return finish(folder, facts, upkeep, _seconds_left(connection))
    except CarsrayError as error:
        return Ended(-1, str(error))


def _seconds_left(connection: Connection) -> float:
    """What the driver grants for the end, which it has just asked for, or come to itself."""
    try:
        asked = connection.recv()
    except (EOFError, OSError):
        return ALONE_SECONDS
    assert isinstance(asked, End)
    return asked.seconds


@contextmanager
def tracking_alone(folder: SweepFolder) -> Iterator[None]:
    """Keep every other tracker off a sweep. Raises TrackingError where one does not end in time."""
    lock = FileLock(folder.root.with_name(f".{folder.name}.wandb.lock"))
    try:
        lock.acquire(timeout=LOCK_SECONDS)
    except Timeout:
        raise TrackingError(f"{folder.root}: another process sends this sweep to W&B. Wait for its end") from None
    try:
        yield
    finally:
        lock.release()


def upkeep_of(folder: SweepFolder, way: Way, project: str, entity: str | None) -> Upkeep:
    """What writes the runs of a sweep to a server, or to files."""
    from carsray.tracking.sdk import OfflineRuns, OnlineRuns, Place

    place = Place(way, project, folder.root, entity)
    runs = OnlineRuns(place) if way == "online" else OfflineRuns(place)
    return Upkeep(runs.write, Ledger(folder, str(place)), WORKERS if way == "online" else 1, runs.clear)


def finish(folder: SweepFolder, facts: SweepFacts, upkeep: Upkeep, seconds: float) -> Ended:
    """Bring every run to where the record is. A trial that was cut off rests until it is taken up again."""
    until = time.monotonic() + seconds
    for run in all_runs(folder, facts):
        upkeep.bring(at_last(run))
    upkeep.hurry()
    left = upkeep.left(max(until - time.monotonic(), 0))
    return Ended(left, next(iter(upkeep.problems.values()), ""))


def at_last(run: TrackedRun) -> TrackedRun:
    """A run that nobody adds to any more."""
    return run if run.at_rest else replace(run, state="paused")


def _log_to(folder: SweepFolder) -> None:
    """What W&B's SDK says goes to a file, not to the driver's terminal."""
    wandb_folder(folder).mkdir(exist_ok=True)
    with (wandb_folder(folder) / "tracker.log").open("a") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
        os.dup2(file.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
