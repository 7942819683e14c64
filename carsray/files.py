"""Files: found, read, and written so that a reader never sees half of one, whatever ends the writer."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Literal

from filelock import FileLock, Timeout

from carsray.errors import ResultsError

BOOT = Path("/proc/sys/kernel/random/boot_id")


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there: where it would be made."""
    return next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name beside the target, then rename. Raises ResultsError (disk full, read-only).

    The names of files need not be UTF-8: what Python made of other bytes in them becomes these bytes again.
    """
    write_bytes(path, text.encode("utf-8", "surrogateescape"))


def write_bytes(path: Path, content: bytes) -> None:
    """As write_text, for bytes."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise unwritable(path, error) from None


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, default=str) + "\n")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table, whole or not at all, whatever bytes the names of files and folders in it are made of."""
    text = io.StringIO()
    table = csv.writer(text)  # its own line end, CRLF: with another it would not quote a CR within a name
    table.writerow(header)
    table.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: Path, errors: Literal["surrogateescape", "replace"]) -> list[dict[str, str]]:
    """The lines of a table by column: names as Python has them, or as they can be shown.

    Raises OSError, and csv.Error for what is no table.
    """
    with path.open(encoding="utf-8", errors=errors, newline="") as file:
        return list(csv.DictReader(file))


def whole_path(name: str) -> str:
    """A file's name by its whole path, for whoever stands in another folder; what names no file, as it is.

    A name such as imagenet is not taken for a file, whatever lies here: write ./imagenet.
    """
    with suppress(OSError, RuntimeError):  # longer than a path may be, or of a home that nobody has
        path = Path(name).expanduser()
        if not name.isidentifier() and path.is_file():
            return str(path.resolve())
    return name


def read_object(path: Path, advice: str) -> dict[str, Any]:
    """A JSON object from a file. Raises ResultsError, with what to do then."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("no JSON object")
        return value
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}). {advice}") from None


def sha256_of(path: Path) -> str:
    """Of what a file holds, in hexadecimal, as sha256sum says it. Raises OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_line(path: Path, line: str) -> None:
    """Append one line in a single write. A line before it that was cut short, by a kill or a full disk, goes."""
    try:
        with path.open("ab+") as file:
            whole = _whole_lines(file)
            if whole < file.seek(0, os.SEEK_END):
                file.truncate(whole)
            file.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise unwritable(path, error) from None


def remove_leftovers(folder: Path) -> None:
    """Delete the unfinished files (NAME.partial) of a folder whose writers were killed: a living one has NAME.lock."""
    for partial in folder.glob("*.partial"):
        with suppress(Timeout), FileLock(partial.with_suffix(".lock"), timeout=0):
            partial.unlink(missing_ok=True)


def this_boot() -> str:
    """Names the time since this machine's kernel started; empty outside of Linux."""
    return BOOT.read_text(encoding="utf-8").strip() if BOOT.exists() else ""


def _whole_lines(file: BinaryIO) -> int:
    """The length of a file up to its last line's end."""
    end = file.seek(0, os.SEEK_END)
    if not end:
        return 0
    file.seek(end - 1)
    if file.read(1) == b"\n":
        return end
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def unwritable(path: Path, error: OSError) -> ResultsError:
    """The one-line error for a path that cannot be written."""
    return ResultsError(f"{path}: cannot be written: {error.strerror or error}. Free space or choose another folder")
