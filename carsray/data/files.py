"""Whole files or none: what is written appears under its name only once it is complete."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Write UTF-8 text under a temporary name beside path, then take path's place.

    Raises OSError.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # File names that are no UTF-8 reach us as surrogates, and go back to disk as the bytes they were.
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
