"""Waiting for another process without falling silent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

LOOK_SECONDS = 0.2
"""Between two tries at a lock that another process has."""


@contextmanager
def held(lock: FileLock, tell: Callable[[], None]) -> Iterator[None]:
    """Hold a lock; tell again and again while another process has it."""
    while True:
        try:
            lock.acquire(timeout=LOOK_SECONDS)
            break
        except Timeout:
            tell()
    try:
        yield
    finally:
        lock.release()
