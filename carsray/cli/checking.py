"""The check of a space's networks, in a process of its own: it imports torch, seconds that others can use."""

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from carsray.errors import SweepFailed
from carsray.space import Space
from carsray.training.forked import PYTHON, Forked, fork, fork_server, start_anew

MODULE = "carsray.tuning.check"
END_SECONDS = 5.0
Process = Forked | subprocess.Popen[bytes]


@contextmanager
def networks_checked(space: Space) -> Iterator[Callable[[], None]]:
    """Check meanwhile; what it yields waits for the end and raises what check_networks raises.

    SweepFailed where the process died.
    """
    process, pipe = _forked(space) or _anew(space)

    def wait() -> None:
        nonlocal process, pipe
        try:
            try:
                error = pipe.recv()
            except (EOFError, ConnectionResetError):
                if process.pid is not None:
                    raise
                process, pipe = _anew(space)  # the fork server is gone
                error = pipe.recv()
        except (EOFError, ConnectionResetError):
            code = None
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(END_SECONDS)
            raise SweepFailed(f"the process that tries the networks died (exit code {code}). Free memory") from None
        if error is not None:
            raise error

    try:
        yield wait
    finally:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
        pipe.close()


def _forked(space: Space) -> tuple[Process, Connection] | None:
    ours, theirs = socket.socketpair()
    with theirs:
        server = fork_server()
        process = server and fork(server, MODULE, theirs, os.environ, 1)
    if process:
        return process, _told(ours, space)
    ours.close()
    return None


def _anew(space: Space) -> tuple[Process, Connection]:
    process, ours = start_anew([*PYTHON, MODULE], os.environ)
    return process, _told(ours, space)


def _told(ours: socket.socket, space: Space) -> Connection:
    pipe = Connection(ours.detach())
    with suppress(OSError):  # it is gone, which waiting for its answer tells
        pipe.send(space)
    return pipe
