"""Embeddings on disk: a cache named by content, and .npz files that a person brings."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from carsray.errors import ResultsError
from carsray.files import write_bytes
from carsray.retrieval.evaluate import Embedded

FORMAT = 2
"""Part of every key: raise it when the same pictures and weights would give other embeddings."""
ARRAYS = ("gallery", "gallery_labels", "queries", "query_labels")


def embedding_key(checkpoint: Path, pictures: str, computed: str) -> str:
    """Names embeddings: the weights' bytes, the pictures and how they are cut, what numbers were computed in."""
    weights = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    return hashlib.sha256(f"carsray embeddings {FORMAT} {weights} {pictures} {computed}".encode()).hexdigest()


def cached(cache: Path, key: str, count: int, make: Callable[[], np.ndarray]) -> np.ndarray:
    """The rows (count, D) under this key, memory-mapped; made and kept where they are not there or damaged."""
    path = cache / "embeddings" / f"{key}.npy"
    try:
        rows: np.ndarray = np.load(path, mmap_mode="r")
        if len(rows) == count:
            return rows
    except (OSError, ValueError, EOFError):
        pass
    file = io.BytesIO()
    np.save(file, make())
    write_bytes(path, file.getvalue())
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]  # an array, since the file is an .npy


def read_npz(path: Path) -> tuple[Embedded, Embedded | None]:
    """Gallery and queries of a person's .npz; without queries the gallery is searched within itself.

    Labels may be of any kind that sorts; they become numbers in their order. Raises ResultsError in one line.
    """
    try:
        # Opened here, since numpy leaves a broken file open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS if name in file}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ResultsError(f"{path}: is no readable .npz ({error}). Write one with numpy.savez") from None
    for rows, labels in (ARRAYS[:2], ARRAYS[2:]):
        if (rows in arrays or rows == "gallery") and not {rows, labels} <= arrays.keys():
            missing = labels if rows in arrays else rows
            raise ResultsError(f"{path}: lacks {missing!r}. It needs gallery, gallery_labels; queries, query_labels")
        if rows in arrays and (len(arrays[rows]) != len(arrays[labels]) or arrays[labels].ndim != 1):
            raise ResultsError(f"{path}: {len(arrays[rows])} {rows} with {arrays[labels].shape} labels; give one each")
    sides = [arrays["gallery_labels"], *([arrays["query_labels"]] if "query_labels" in arrays else [])]
    numbers = np.unique(np.concatenate(sides), return_inverse=True)[1].astype(np.int64)
    count = len(arrays["gallery"])
    gallery = Embedded(_floats(arrays["gallery"], path), numbers[:count])
    return gallery, Embedded(_floats(arrays["queries"], path), numbers[count:]) if "queries" in arrays else None


def _floats(rows: np.ndarray, path: Path) -> np.ndarray:
    if rows.dtype.kind not in "fiu":
        raise ResultsError(f"{path}: embeddings of type {rows.dtype}; numbers are needed")
    with np.errstate(over="ignore"):  # what leaves float32 is infinite, and the search says so
        return rows.astype(np.float32)
