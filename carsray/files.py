"""Writing files so that a reader never sees half of one."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from carsray.errors import ResultsError


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name beside the target, then rename. Raises ResultsError (disk full, read-only)."""
    write_bytes(path, text.encode())


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


def append_line(path: Path, line: str) -> None:
    """Append one line in a single write."""
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> ResultsError:
    """The one-line error for a path that cannot be written."""
    return ResultsError(f"{path}: cannot be written: {error.strerror}. Free space or choose another folder")
