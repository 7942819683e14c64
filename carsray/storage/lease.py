"""A lease on a sweep's record in storage, so that two heads do not go on with it at the same time.

An object with its owner's name, renewed as long as the owner lives, and taken over once that has not happened for a
while. What it promises: of several that begin at the same moment one gets it (in buckets, by conditional writes; in a
shared folder that is a look and then a write). What it cannot: an owner that is cut off from the storage, or suspended,
for longer than STALE_SECONDS trains on, and notices at its next renewal that another has taken over; from then on it
writes nothing there. Before it writes it renews a lease that is due.
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from carsray.errors import StorageError
from carsray.files import this_boot
from carsray.storage.place import Found, Place, TakenError, Version

NAME = "lease.json"
RENEW_SECONDS = 15.0
STALE_SECONDS = 60.0
"""Four renewals missed. Counted by the storage's clock."""
RELEASE_SECONDS = 0.5
"""At the end of a command."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lease: a process that works on a results folder, whose own lock it has."""

    host: str
    folder: str
    token: str
    boot: str = ""
    """Of the machine, by its kernel: names and paths are alike on machines made from one image."""

    @classmethod
    def of(cls, folder: Path) -> "Owner":
        """This process."""
        return cls(socket.gethostname(), str(folder.resolve()), uuid4().hex, this_boot())

    @property
    def place(self) -> tuple[str, str, str]:
        """The same for all processes that have worked on one folder of one machine."""
        return self.host, self.folder, self.boot


class Lease:
    """A lease that is held, and renewed by a thread of its own."""

    lost = ""
    """Who has taken it over, if anybody has."""

    def __init__(self, place: Place, owner: Owner, version: Version) -> None:
        self._place, self._owner, self._version = place, owner, version
        self._renewals, self._renewed = 0, time.time()
        self._renewing = threading.Lock()
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Say that the owner lives. Raises StorageError where the storage does not answer."""
        with self._renewing:
            self._renewals += 1
            try:
                self._version = self._place.replace(NAME, _content(self._owner, self._renewals), self._version)
            except TakenError:
                self._look_who()
            self._renewed = time.time()  # of the clock that goes on while a machine sleeps

    def holds(self) -> bool:
        """Whether it is still this owner's; asked of the storage where the last renewal is no longer fresh.

        Raises StorageError where the storage does not answer.
        """
        if not self.lost and time.time() - self._renewed > 2 * RENEW_SECONDS:
            self.renew()
        return not self.lost

    def release(self) -> None:
        """Give it up, if that can be done in RELEASE_SECONDS; else it becomes stale."""
        self._released.set()
        # The storage may not answer, and this is no reason to wait.
        ending = threading.Thread(target=self._give_up, daemon=True)
        ending.start()
        ending.join(RELEASE_SECONDS)

    def _keep(self) -> None:
        while not self._released.wait(RENEW_SECONDS) and not self.lost:
            with suppress(StorageError):  # the mirror says what is wrong, and the next renewal may succeed
                self.renew()

    def _give_up(self) -> None:
        self._thread.join()
        with suppress(StorageError):
            found = self._place.read_found(NAME)
            if found and _owner(found[0]).token == self._owner.token:
                self._place.delete(NAME)

    def _look_who(self) -> None:
        """The lease is not as it was left: another has it, or a renewal arrived whose answer did not."""
        found = self._place.read_found(NAME)
        if found and _owner(found[0]).token == self._owner.token:
            self._version = found[1].version
        else:
            self.lost = _owner(found[0]).host if found else "another process"


def take_lease(
    place: Place,
    owner: Owner,
    tell: Callable[[str], None],
    stale: float = STALE_SECONDS,
    pause: Callable[[float], Any] = time.sleep,
) -> Lease:
    """Take the lease at once where nobody has it; else wait until it is stale, and say so.

    Raises StorageError where its owner renews it meanwhile, or the storage does not answer.
    """
    first: Found | None = None
    while True:
        try:
            held = place.read_found(NAME)
            if held is None:
                return Lease(place, owner, place.create(NAME, _content(owner)))
            holder, found = _owner(held[0]), held[1]
            left = stale - (place.probe() - found.modified).total_seconds()
            # Whoever worked on this very folder is gone: we have the folder's lock.
            if left <= 0 or holder.place == owner.place:
                return Lease(place, owner, place.replace(NAME, _content(owner), found.version))
        except TakenError:
            continue  # somebody was quicker; the next look shows who
        if first and first.version != found.version:
            raise StorageError(
                f"{place.address}: {holder.host} works on this sweep ({holder.folder}). Wait for its end, or stop it"
            )
        if first is None:
            seconds = f"up to {left:.0f} s"
            tell(f"{place.address}: {holder.host} has worked on this sweep; waiting {seconds} for a sign of it")
        first = found
        pause(min(left, RENEW_SECONDS / 3))


def _content(owner: Owner, renewals: int = 0) -> bytes:
    said = {"host": owner.host, "folder": owner.folder, "token": owner.token, "boot": owner.boot, "renewals": renewals}
    return json.dumps(said | {"time": datetime.now().astimezone().isoformat(timespec="seconds")}).encode()


def _owner(content: bytes) -> Owner:
    """Whoever wrote this; nobody known where it cannot be read."""
    try:
        said = json.loads(content)
        return Owner(str(said["host"]), str(said["folder"]), str(said["token"]), str(said.get("boot", "")))
    except (ValueError, KeyError, TypeError):
        return Owner("another process", "", "")
