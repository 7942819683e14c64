"""The pictures that a package can show beside an answer: their embeddings, names and thumbnails."""

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carsray.config import explain
from carsray.errors import PackageError
from carsray.final.package.folder import AGAIN, Package
from carsray.retrieval.names import Distance, Normalize, Tie, Vote
from carsray.retrieval.normalize import Change, fit_normalize
from carsray.retrieval.search import nearest

COLUMNS = ("row", "file", "label", "class", "thumbnail")
UNLABELLED = -1
"""The label of a gallery picture whose class nobody has said; its class is an empty name."""
Entry = tuple[str, int, str, Path | None]
"""File, label, class and thumbnail of a gallery picture."""
SPARE = 4
"""Candidates for each neighbour that an approximate index is asked for; they are then measured exactly."""


class SearchPoint(BaseModel):
    """How neighbours are found, as retrieval.json says."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    k: int = Field(5, ge=1)
    distance: Distance = "cosine"
    normalize: Normalize = "none"
    vote: Vote = "majority"
    tie: Tie = "lowest-label"

    @property
    def needs_direction(self) -> bool:
        """Whether a zero vector, which has no direction, cannot be searched."""
        return self.distance == "cosine" or self.normalize == "l2"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A gallery picture near to one that was asked about."""

    row: int
    file: str
    """Within the folder that it came from."""
    label: int
    name: str
    """Of its class; empty where nobody has said."""
    distance: float
    """Less is nearer. Cosine: 1 - cos; inner: the negated product."""
    thumbnail: Path | None


class Gallery:
    """Labelled embeddings, searched exactly; through an approximate index first where there is one."""

    def __init__(self, rows: np.ndarray, entries: Sequence[Entry], point: SearchPoint, index: Any) -> None:
        """``rows`` float32 (N, D)."""
        self.rows, self.entries, self.point, self._index = rows, entries, point, index
        self._change: Change = fit_normalize(point.normalize, rows)
        self._searched = self._change(rows)
        self._labels = np.array([label for _, label, _, _ in entries], np.int64)

    def nearest(
        self, embeddings: np.ndarray, k: int | None = None, label: int | None = None
    ) -> list[tuple[Neighbour, ...]]:
        """The k nearest (point.k where none is given) of each of embeddings (Q, D), nearest first; of one class only,
        where its label is given.

        None for an embedding that is zero, where the distance is one between directions.
        """
        rows = None if label is None else np.flatnonzero(self._labels == label)
        k = min(self.point.k if k is None else k, len(self.rows if rows is None else rows))
        answers: list[tuple[Neighbour, ...]] = [()] * len(embeddings)
        able = np.flatnonzero(embeddings.any(axis=1)) if self.point.needs_direction else np.arange(len(embeddings))
        if able.size and k:
            asked = self._change(embeddings[able])
            found = self._search(asked, k) if rows is None else self._search_among(rows, asked, k)
            for at, distances, rows in zip(able.tolist(), *found, strict=True):
                answers[at] = tuple(map(self._neighbour, distances.tolist(), rows.tolist()))
        return answers

    def _search(self, asked: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Distances and rows, (Q, k) each."""
        if self._index is None or SPARE * k >= len(self.rows):
            return nearest(self._searched, asked, k, self.point.distance)
        from carsray.retrieval.serving import candidates

        near = candidates(self._index, asked, SPARE * k, self.point.distance)
        distances, rows = np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64)
        for at, some in enumerate(near):
            distances[at : at + 1], rows[at : at + 1] = self._search_among(
                np.sort(some[some >= 0]), asked[at : at + 1], k
            )
        return distances, rows

    def _search_among(self, rows: np.ndarray, asked: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """As _search, exactly, of these rows, which ascend."""
        distances, order = nearest(self._searched[rows], asked, k, self.point.distance)
        return distances, rows[order]

    def _neighbour(self, distance: float, row: int) -> Neighbour:
        file, label, name, thumbnail = self.entries[row]
        return Neighbour(row, file, label, name, distance, thumbnail)


def readable(name: str) -> str:
    """A name that JSON and a browser can show, too: of bytes that are no UTF-8, the sign for what is unknown."""
    return os.fsencode(name).decode("utf-8", "replace")


def read_gallery(package: Package) -> Gallery:
    """The gallery of a checked package. Raises PackageError where its files do not fit each other."""
    try:
        point = SearchPoint.model_validate(package.read_json(package.retrieval)["point"])
        arrays = safetensors.numpy.load_file(package.gallery)
        rows, labels = arrays["embeddings"].astype(np.float32), arrays["labels"]
        with package.gallery_table.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        entries = [_entry(*each) for each in zip(lines, package.thumbnails(), strict=True)]
        if not len(rows) == len(labels) == len(entries) or labels.tolist() != [entry[1] for entry in entries]:
            raise ValueError(f"{len(rows)} embeddings do not fit {len(entries)} lines of {package.gallery_table.name}")
    except ValidationError as error:
        raise PackageError(f"{package.retrieval}: {'; '.join(explain(error))}. {AGAIN}") from None
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise PackageError(f"{package.gallery}: is no gallery ({error}). {AGAIN}") from None
    return Gallery(rows, entries, point, _index(package))


def _entry(line: dict[str, str], thumbnail: Path | None) -> Entry:
    return line["file"], int(line["label"]), line["class"], thumbnail


def _index(package: Package) -> Any:
    if not package.index.exists():
        return None
    from carsray.retrieval.serving import load_index

    return load_index(package.index)
