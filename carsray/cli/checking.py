"""The check of a space's networks, in a process of its own: it imports torch, seconds that others can use."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection

from carsray.errors import CarsrayError, SweepFailed
from carsray.space import Space


@contextmanager
def networks_checked(space: Space) -> Iterator[Callable[[], None]]:
    """Check meanwhile; what it yields waits for the end and raises what check_networks raises.

    SweepFailed where the process died.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_check, args=(space, theirs), daemon=True)
    # Inherited: Ctrl-C is this process's business, and would leave a traceback of the other one on the screen.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    theirs.close()

    def wait() -> None:
        try:
            error = ours.recv()
        except EOFError:
            process.join()
            code = process.exitcode
            raise SweepFailed(f"the process that tries the networks died (exit code {code}). Free memory") from None
        if error is not None:
            raise error

    try:
        yield wait
    finally:
        process.kill()
        process.join()


def _check(space: Space, answer: Connection) -> None:
    from carsray.tuning.check import check_networks

    try:
        check_networks(space)
    except CarsrayError as error:
        answer.send(error)
    else:
        answer.send(None)
