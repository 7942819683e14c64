"""Writes the gallery of a package: embeddings, the table of its pictures, thumbnails, an index where it is large."""

import csv
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from carsray.data.decode import thumbnail
from carsray.data.records import Row
from carsray.files import write_bytes, write_json, write_text
from carsray.final.package.folder import Package
from carsray.final.package.gallery import COLUMNS, SearchPoint
from carsray.progress import Report
from carsray.retrieval.normalize import fit_normalize

SIDE = 160
"""Pixels on the longer side of a thumbnail."""
QUALITY = 80
SEARCHED_EXACTLY = 1 << 26
"""Values of a gallery up to which it is searched exactly: 50 ms for one picture on two cores, and 256 MB to read."""
MEASURED = 200
"""Gallery pictures that the index is measured with."""


def write_embeddings(package: Package, embeddings: np.ndarray, labels: np.ndarray) -> None:
    """Write embeddings float32 (N, D) and labels int64 (N,)."""
    write_bytes(package.gallery, safetensors.numpy.save({"embeddings": embeddings, "labels": labels}))


def write_table(package: Package, rows: Sequence[Row], classes: Sequence[str], data: Path, pictures: bool) -> None:
    """Write a line a picture. A file is called by its path within the data, by its name alone if it lies elsewhere."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for at, row in enumerate(rows):
        path = Path(row.path)
        name = path.relative_to(data).as_posix() if path.is_relative_to(data) else path.name
        shown = package.name(_thumbnail(package, at)) if pictures else ""
        table.writerow([at, name, row.label, classes[row.label], shown])
    write_text(package.gallery_table, text.getvalue())


def write_thumbnails(package: Package, rows: Sequence[Row], report: Report) -> None:
    """Write a small JPEG of each picture, aspect kept. Raises DataError where a file is gone or has changed."""
    package.pictures.mkdir()

    def write(at: int) -> None:
        thumbnail(rows[at], SIDE).save(_thumbnail(package, at), "JPEG", quality=QUALITY)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(write, range(len(rows))), 1):
            report(done, len(rows))


def write_search(package: Package, embeddings: np.ndarray, point: SearchPoint, chosen_by: str) -> None:
    """Write how neighbours are found and, for a gallery that is slow to search exactly, an approximate index."""
    facts: dict[str, Any] = {"point": point.model_dump(), "chosen_by": chosen_by, "index": None}
    facts |= {"gallery": len(embeddings), "dimensions": embeddings.shape[1]}
    if embeddings.size > SEARCHED_EXACTLY:
        from carsray.retrieval.serving import build_index, measure_index, save_index

        rows = fit_normalize(point.normalize, embeddings)(embeddings)
        index = build_index("hnsw", rows, point.distance)
        asked = rows[:: max(len(rows) // MEASURED, 1)]
        save_index(index, package.index)
        facts["index"] = asdict(measure_index(index, "hnsw", rows, asked, point.k, point.distance))
    write_json(package.retrieval, facts)


def _thumbnail(package: Package, at: int) -> Path:
    return package.pictures / f"{at:05d}.jpg"
