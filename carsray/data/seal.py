"""Keeps the test pictures shut while a sweep runs: opening one raises.

Python's own opens are seen (open, os.open, Pillow, numpy); a C library that opens by itself raises no audit event.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from carsray.errors import SealedTestError

_FileId = tuple[int, int]
"""Device and inode: the same file under any name, link or relative path."""

_sealed: Counter[str | _FileId] = Counter()
_hooked = False


def seal(paths: Iterable[str]) -> None:
    """Let no file among these be opened in this process from now on."""
    _install()
    _sealed.update(_keys(paths))


@contextmanager
def sealed(paths: Iterable[str]) -> Iterator[None]:
    """Let no file among these be opened in this process, by any thread, within the block."""
    keys = _keys(paths)
    _install()
    _sealed.update(keys)
    try:
        yield
    finally:
        for key in keys:
            _sealed[key] -= 1
            if not _sealed[key]:
                del _sealed[key]


def _keys(paths: Iterable[str]) -> list[str | _FileId]:
    keys: list[str | _FileId] = []
    for path in paths:
        real = os.path.realpath(path)
        keys.append(real)
        if identity := _identity(real):
            keys.append(identity)
    return keys


def _identity(path: str) -> _FileId | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path costs more than the call
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _install() -> None:
    global _hooked
    if not _hooked:
        sys.addaudithook(_hook)  # cannot be taken out again: it must cost nothing while nothing is sealed
        _hooked = True


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or not _sealed:
        return
    path = arguments[0]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return  # a descriptor: whoever opened the file has passed here already
    name = os.fsdecode(path)
    if name in _sealed or _identity(name) in _sealed:
        raise SealedTestError(f"{name}: a picture of the test split, sealed while a sweep runs; only retrain opens it")
