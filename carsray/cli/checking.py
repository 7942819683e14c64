"""The check of a space's networks, in a process of its own: it imports torch, seconds that others can use."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from carsray.errors import SweepFailed
from carsray.space import Space
from carsray.training.forked import fork, fork_server

MODULE = "carsray.tuning.check"
END_SECONDS = 5.0


@contextmanager
def networks_checked(space: Space) -> Iterator[Callable[[], None]]:
    """Check meanwhile; what it yields waits for the end and raises what check_networks raises.

    SweepFailed where the process died.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        server = fork_server()
        process = (server and fork(server, MODULE, theirs, os.environ, 1)) or subprocess.Popen(
            # A session of its own: Ctrl-C is this process's business.
            [sys.executable, "-m", MODULE, str(theirs.fileno())], pass_fds=[theirs.fileno()], start_new_session=True
        )  # fmt: skip
    pipe = Connection(ours.detach())
    pipe.send(space)

    def wait() -> None:
        try:
            error = pipe.recv()
        except (EOFError, ConnectionResetError):
            code = process.wait(END_SECONDS)
            raise SweepFailed(f"the process that tries the networks died (exit code {code}). Free memory") from None
        if error is not None:
            raise error

    try:
        yield wait
    finally:
        process.kill()
        process.wait(END_SECONDS)
        pipe.close()
