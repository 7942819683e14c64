"""Packs: pictures decoded once per node into one uint8 array in a memory-mapped file, which every trial shares."""

import errno
import hashlib
import os
import shutil
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from rich.filesize import decimal

from carsray.config import TrialConfig
from carsray.data.decode import decode
from carsray.data.lock import held
from carsray.data.records import Row
from carsray.data.remote import copied
from carsray.errors import DataError
from carsray.files import remove_leftovers
from carsray.progress import Report, silent

FORMAT = 2
"""Part of every key: raise it when the same rows would give other bytes."""


@dataclass(frozen=True, slots=True)
class Pack:
    """The pictures and labels of one split, in the order of its rows."""

    images: np.ndarray
    """uint8 (N, S, S, 3), read-only, memory-mapped."""
    labels: np.ndarray
    """int64 (N,)."""
    key: str
    """Names the pictures, in this order and size."""


def pack_key(rows: Sequence[Row], config: TrialConfig) -> str:
    """Names the bytes of a pack: what the pictures are and how they are cut, not what they are called."""
    margin = _margin(config)
    digest = hashlib.sha256(f"carsray pack {FORMAT} {config.packed_size} {margin}\n".encode())
    for row in rows:
        digest.update(f"{row.digest} {None if margin is None else row.box}\n".encode())
    return digest.hexdigest()


def ensure_pack(rows: Sequence[Row], config: TrialConfig, cache: Path, report: Report = silent) -> Pack:
    """The pack of these rows, built in ``cache/packs`` unless it is there; of several processes one builds.

    Pictures in a bucket are fetched first. Raises StorageError where they cannot be had, DataError where one cannot be
    read or has changed, or the folder cannot hold the pack.
    """
    path = cache / "packs" / f"{pack_key(rows, config)}.npy"
    shape = (len(rows), config.packed_size, config.packed_size, 3)
    images = _open(path, shape)
    if images is None:
        with _folder_errors(path.parent, int(np.prod(shape))), _lock(path, shape, report):
            images = _open(path, shape)  # another process may have built it meanwhile
            if images is None:
                images = _build(path, copied(rows, cache, report), config, report)
    return Pack(images, np.array([row.label for row in rows], dtype=np.int64), path.stem)


def _margin(config: TrialConfig) -> float | None:
    return config.box_margin if config.crop_to_box else None


def _open(path: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    try:
        images: np.ndarray = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None  # missing, or cut short by something other than us: it is built anew
    return images if images.shape == shape and images.dtype == np.uint8 else None


@contextmanager
def _lock(path: Path, shape: tuple[int, ...], report: Report) -> Iterator[None]:
    """Hold the pack's lock; while another process has it, report how far that one has come."""

    def tell() -> None:
        try:
            done = _partial(path).stat().st_size // int(np.prod(shape[1:]))
        except OSError:  # that one still fetches its pictures
            done = 0
        report(done, shape[0])

    path.parent.mkdir(parents=True, exist_ok=True)
    with held(FileLock(path.with_name(path.name + ".lock")), tell):
        yield


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _build(path: Path, rows: Sequence[Row], config: TrialConfig, report: Report) -> np.ndarray:
    partial = _partial(path)
    partial.unlink(missing_ok=True)  # of one that was killed: its room counts as free
    remove_leftovers(path.parent)
    shape = (len(rows), config.packed_size, config.packed_size, 3)
    if shutil.disk_usage(path.parent).free < np.prod(shape):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        # Pillow warns of large pictures and odd metadata; both have passed inspection.
        with warnings.catch_warnings(action="ignore"), partial.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for done, picture in enumerate(_decode_all(rows, config), 1):
                file.write(picture.tobytes())
                report(done, len(rows))
            file.flush()
            os.fsync(file.fileno())  # the name must not outlive the bytes if the power fails
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]  # an array, since the file is an .npy


def _decode_all(rows: Sequence[Row], config: TrialConfig) -> Iterator[np.ndarray]:
    """Pictures in the order of the rows, decoded on all cores, a few ahead of the one asked for."""
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    ahead: deque[Future[np.ndarray]] = deque()
    try:
        for row in rows:
            ahead.append(pool.submit(decode, row, config.packed_size, _margin(config)))
            if len(ahead) > 4 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _folder_errors(folder: Path, needed: int) -> Iterator[None]:
    """Turn what the file system refuses into one line: where, what is needed, what is free."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: the pack cannot be written ({error.strerror or error}): it needs {decimal(needed)}, "
            f"{_free(folder)}; make room or choose another cache folder"
        ) from None


def _free(folder: Path) -> str:
    for parent in (folder, *folder.parents):
        with suppress(OSError):
            return f"{decimal(shutil.disk_usage(parent).free)} are free"
    return "free space unknown"
