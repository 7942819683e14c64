"""The driver's end of the tracker's process: started early, asked about the login, told of the sweep, ended in time."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from carsray.errors import TrackingError
from carsray.results import SweepFolder
from carsray.tracking.messages import Begin, End, Ended, Follow, Ready

FOLLOW = (sys.executable, "-m", "carsray.tracking.follow")
READY_SECONDS = 20.0
"""For the tracker to start and to log in, of which the driver has better to do in the first ten."""
END_SECONDS = 10.0
"""From the sweep's end to the tracker's, whatever it is waiting for."""
ANSWER_SECONDS = 2.0
"""Of these, for the tracker to be asked, and to answer."""


class TrackerProcess:
    """A tracker's process."""

    def __init__(self, begin: Begin, command: Sequence[str] = FOLLOW) -> None:
        """Start it; it logs in meanwhile."""
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
        for decided in ("WANDB_MODE", "WANDB_SERVICE"):  # here, and by a run that this sweep may be a part of
            environment.pop(decided, None)
        with theirs:
            # A group of its own: Ctrl-C is for the driver, which then ends the tracker in peace.
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                process_group=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self._pipe = Connection(ours.detach())
        self._until = time.monotonic() + READY_SECONDS
        self._pipe.send(begin)

    def ready(self) -> Ready:
        """How it will go on. Raises TrackingError where the key is wrong."""
        answer = self._answer()
        if not isinstance(answer, Ready):
            self.kill()
            raise TrackingError(
                "W&B: its SDK gives no answer. Look at it with: wandb status; or do without: "
                "--wandb off for a sweep, WANDB_MODE=disabled for what follows it"
            )
        if answer.refused:
            self.kill()
            raise TrackingError(answer.refused)
        return answer

    def follow(self, folder: SweepFolder) -> None:
        """Follow a sweep's record from now on."""
        self._send(Follow(folder.root.absolute()))

    def end(self) -> None:
        """Ask for its end, which takes a while; `wait` waits for it."""
        self._until = time.monotonic() + END_SECONDS
        self._send(End(END_SECONDS - ANSWER_SECONDS))

    def wait(self) -> Ended:
        """Its last word, or that there was none in time. Nothing is left of it afterwards."""
        try:
            while answer := self._answer():
                if isinstance(answer, Ended):
                    return answer
            return Ended(-1, "the tracker gave no answer in time")
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once."""
        self._pipe.close()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _send(self, message: object) -> None:
        try:
            self._pipe.send(message)
        except OSError:
            return  # it died; `wait` says so

    def _answer(self) -> object:
        try:
            if self._pipe.poll(max(self._until - time.monotonic(), 0)):
                return self._pipe.recv()
        except (EOFError, OSError):
            pass
        return None
