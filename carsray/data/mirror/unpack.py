"""Takes the files of Stanford Cars out of a zip or tar, however deep they lie in it."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from carsray.errors import DataError
from carsray.progress import Report, silent

PARTS = ("cars_train", "cars_test", "devkit")
LABELS = "cars_test_annos_withlabels.mat"
FILES = 8144 + 8041 + 7
"""About as many as an archive holds, for the progress bar."""
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RuntimeError)


def unpack(archive: Path, folder: Path, report: Report = silent) -> None:
    """Write the pictures, the devkit and the test labels of an archive into folder, in the official layout.

    Reports files. Raises DataError for anything but a whole zip or tar; zip and gzip checksums are verified on the way.
    """
    try:
        done = 0
        for name, file in _members(archive):
            place = official_place(name)
            if place is None:
                continue
            target = folder / place
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
            done += 1
            report(done, max(done, FILES))
    except _DAMAGED as error:
        raise DataError(f"{archive}: a damaged archive ({error})") from None


def official_place(name: str) -> PurePosixPath | None:
    """Where a member belongs: cars_train/, cars_test/, devkit/ or the top; None for anything else.

    Only the folder known and the bare file name are kept, so that no member can be written outside.
    """
    path = PurePosixPath(name)
    if path.name.startswith("."):
        return None
    if path.name == LABELS:
        return PurePosixPath(LABELS)
    folder = next((part for part in reversed(path.parts[:-1]) if part in PARTS), None)
    return PurePosixPath(folder, path.name) if folder else None


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as source:
            for entry in source.infolist():
                if not entry.is_dir():
                    with source.open(entry) as file:
                        yield entry.filename, file
        return
    if not tarfile.is_tarfile(archive):
        raise DataError(f"{archive}: neither a whole zip nor a tar; a page that asks for a login?")
    with tarfile.open(archive) as source_tar:
        for member in source_tar:
            file_or_none = source_tar.extractfile(member) if member.isfile() else None
            if file_or_none:
                yield member.name, file_or_none
        # A tar ends before its gzip does: only at the very end is the checksum compared.
        while source_tar.fileobj and source_tar.fileobj.read(1 << 20):
            pass
