"""Pictures in a bucket: copied to a node's own disk, once, by whoever there needs them first.

A row keeps the address of its picture, which holds on every node; `local_path` says where the copy lies. The driver
copies a whole source, since it looks at every picture; other nodes what they pack: no test picture comes there.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from carsray.data.lock import held
from carsray.data.records import Catalog, Row
from carsray.data.sources.catalog import open_catalog
from carsray.errors import DataError
from carsray.files import unwritable
from carsray.progress import Report, silent
from carsray.storage.address import Address, in_full, is_remote, parse_address

if TYPE_CHECKING:
    from carsray.storage.place import Found, Place

AT_A_TIME = 16
"""Requests: a picture is small, and most of its time is waiting."""


def open_data(source: str, cache: Path, report: Report = silent) -> Catalog:
    """The catalog of a folder, a CSV file, or an address in a bucket, which is copied into the cache first.

    Raises DataError as open_catalog, StorageError where the bucket cannot be read.
    """
    if not is_remote(source):
        return open_catalog(Path(source))
    address = in_full(parse_address(source, "--data"))
    root = copy_source(address, cache, report)
    catalog = open_catalog(root)
    base, place = _folder(address, cache), _bucket(address)
    pictures = (
        replace(picture, address=str(place / picture.path.relative_to(base).as_posix())) for picture in catalog.pictures
    )
    return replace(catalog, pictures=tuple(pictures))


def copy_source(address: Address, cache: Path, report: Report = silent) -> Path:
    """Bring the copy of a source up to date: what is new or has changed is fetched, what is gone there goes here.

    What an earlier process has fetched stays, so that one that was interrupted goes on.
    """
    place = _place(address)
    root = _folder(address, cache) / address.path
    there = {found.name: found for found in place.objects()}  # obstore refuses names with a .. in them
    folders = {str(parent) for name in there for parent in Path(name).parents}
    wanted = {root / name: found for name, found in there.items() if name not in folders}  # less markers of folders
    if not wanted:
        raise DataError(f"{address}: nothing is there; give the folder that holds the pictures")
    with held(_folder_lock(address, cache), lambda: report(0, len(wanted))):
        for path in [path for path in root.rglob("*") if path.is_file() and path not in wanted]:
            path.unlink()
        for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
            with suppress(OSError):  # it holds something
                folder.rmdir()
        stale = [(place, found.name, path) for path, found in wanted.items() if not _is_copy(path, found)]
        _fetch_all(stale, report)
    return root


def local_path(path: str, cache: Path) -> str:
    """Where a picture lies on this node, or is to lie: a row's path, or that of its copy."""
    if not is_remote(path):
        return path
    address = parse_address(path, "picture")
    return str(_folder(address, cache) / address.path)


def local_paths(rows: Iterable[Row], cache: Path) -> Iterator[str]:
    """The same for rows."""
    return (local_path(row.path, cache) for row in rows)


def copied(rows: Sequence[Row], cache: Path, report: Report = silent) -> list[Row]:
    """The rows with paths on this node, to which their pictures are fetched if they are not there as they were listed.

    Reports what is fetched, and zero while it looks at what is there, or another process has the folder.
    Raises StorageError where one cannot be had, SealedTestError for a test picture while these are sealed.
    """
    here = [replace(row, path=local_path(row.path, cache)) for row in rows]
    remote = {new.path: row for row, new in zip(rows, here, strict=True) if is_remote(row.path)}
    if not remote:
        return here
    first = parse_address(next(iter(remote.values())).path)
    with held(_folder_lock(first, cache), lambda: report(0, len(remote))):
        missing = []
        for path, row in remote.items():
            # A picture may have been replaced in the bucket since another sweep fetched it.
            if not _is_listed(path, row):
                missing.append((path, parse_address(row.path)))
                sys.audit("open", path, "rb", 0)  # a sealed picture is not fetched either
            report(0, len(remote))
        places = {_bucket(address): _place(_bucket(address)) for _, address in missing}
        _fetch_all([(places[_bucket(at)], at.path, Path(path)) for path, at in missing], report)
    return here


def _place(address: Address) -> "Place":
    from carsray.storage.place import Place  # here: training needs it for pictures in a bucket only

    return Place(address)


def _bucket(address: Address) -> Address:
    return replace(address, path="")


def _folder(address: Address, cache: Path) -> Path:
    """What holds the copies from one bucket, by the names that they have there."""
    digest = hashlib.sha256(f"{address.scheme} {address.bucket} {address.endpoint}".encode()).hexdigest()[:16]
    return Path(os.path.realpath(cache)) / "remote" / digest


def _folder_lock(address: Address, cache: Path) -> FileLock:
    folder = _folder(address, cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    return FileLock(folder.with_suffix(".lock"))


def _is_copy(path: Path, found: "Found") -> bool:
    try:
        status = path.stat()
    except OSError:
        return False
    # Some servers list times in milliseconds, and give an object itself in seconds.
    return (status.st_size, int(status.st_mtime)) == (found.size, int(found.modified.timestamp()))


def _is_listed(path: str, row: Row) -> bool:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() == row.digest
    except OSError:
        return False


def _fetch_all(wanted: Sequence[tuple["Place", str, Path]], report: Report) -> None:
    pool = ThreadPoolExecutor(AT_A_TIME)
    try:
        fetches = [pool.submit(_fetch, *each) for each in wanted]
        for done, fetch in enumerate(as_completed(fetches), start=1):
            fetch.result()
            report(done, len(fetches))
    finally:
        pool.shutdown(cancel_futures=True)


def _fetch(place: "Place", name: str, path: Path) -> None:
    try:
        place.fetch(name, path)
    except FileNotFoundError:
        raise DataError(f"{place.address / name}: is not there any more; put it back or start anew") from None
    except OSError as error:
        raise unwritable(path, error) from None
