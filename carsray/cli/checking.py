"""The check of a space's networks, in a process of its own: it imports torch, seconds that others can use."""

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
    process.start()
    theirs.close()

    def wait() -> None:
        try:
            error = ours.recv()
        except EOFError:
            process.join()
            raise SweepFailed(
                f"the process that tries the networks died (exit code {process.exitcode}); see above"
            ) from None
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
