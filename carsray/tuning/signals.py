"""Signals that end a sweep: all of them as Ctrl-C does, which Ray Tune knows how to end properly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TAKEN = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ray Tune takes the first and the last for its run, ray.init the other; neither gives any of them back."""


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, which Slurm, Kubernetes and `ray job stop` send, interrupts the with-block.

    After it, every signal does what it did before, whatever Ray has set meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = {number: handler for number in TAKEN if (handler := signal.getsignal(number)) is not None}
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        yield
    except SystemExit as end:
        if end.code != signal.SIGTERM:  # with its number Ray's own handler ends a process
            raise
        raise KeyboardInterrupt from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's script has it ignored in what it starts with &
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
