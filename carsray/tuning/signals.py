"""Signals that end a sweep: all of them as Ctrl-C does, which Ray Tune knows how to end properly."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM, which Slurm, Kubernetes and `ray job stop` send, interrupts the with-block."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt() -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a shell's script has it ignored in what it starts with &
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
