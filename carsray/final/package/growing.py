"""`carsray index add`: more pictures for the gallery of an exported model, which stays as it is."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock

from carsray.data.records import Row
from carsray.data.sources.folders import SUFFIXES
from carsray.errors import DataError
from carsray.files import unwritable
from carsray.final.package.card import write_card
from carsray.final.package.folder import Package, changed_whole, require_package
from carsray.final.package.gallery import UNLABELLED, Entry, Gallery, readable
from carsray.final.package.gallery_files import (
    thumbnail_path,
    write_embeddings,
    write_search,
    write_table,
    write_thumbnails,
)
from carsray.final.package.model import Model, load_model
from carsray.progress import Bar, Report

BATCH = 64
"""Pictures that go through the network together."""
ALIKE = 1e-3
"""Relative difference of two embeddings of one picture, on whatever machine and in whatever batch."""


@dataclass(frozen=True, slots=True)
class Added:
    """What became of the pictures of a folder."""

    pictures: int
    labelled: int
    """Of these, those that lay in a folder with the name of a class."""
    known: int
    """Left out, for the gallery has them under this name."""
    gallery: int
    """Pictures in it now."""
    problems: tuple[str, ...] = ()
    """Pictures that could not be added, a line each."""


@dataclass(slots=True)
class _Found:
    """Pictures with their embeddings, and what is wrong with the others."""

    paths: list[Path] = field(default_factory=list)
    embeddings: list[np.ndarray] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def add_pictures(root: Path, folder: Path, bar: Bar) -> Added:
    """Embed the pictures in and below a folder, and add them to the gallery of the package in `root`.

    The package is changed whole or not at all; a service that shows it finds the new ones by itself. Raises
    PackageError for a folder that is no export, DataError where there is no picture, ResultsError where it cannot be
    written.
    """
    folder = folder.absolute()  # the current folder has a name, too
    files = sorted(path for path in folder.rglob("*") if _is_picture(path, folder))
    if not files:
        raise DataError(f"{folder}: holds no pictures ({', '.join(sorted(SUFFIXES))})")
    require_package(root)  # before anything is written beside it
    with _alone(root.resolve()):
        model = load_model(root)
        with bar("Embedding pictures") as report:
            found = _embed(model, files, report)
        entries = [_entry(model, folder, path) for path in found.paths]
        new = [at for at, entry in enumerate(entries) if not _holds(model.gallery, entry[0], found.embeddings[at])]
        if new:
            embeddings = np.stack([found.embeddings[at] for at in new])
            _write(model, [found.paths[at] for at in new], [entries[at] for at in new], embeddings, bar)
    return Added(
        pictures=len(new),
        labelled=sum(entries[at][1] != UNLABELLED for at in new),
        known=len(entries) - len(new),
        gallery=len(model.gallery.rows) + len(new),
        problems=tuple(found.problems),
    )


def _is_picture(path: Path, folder: Path) -> bool:
    """As in a folder that is trained on: nothing hidden, as macOS and file managers leave it."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file()


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two that add at once come one after the other. The folder is replaced, so that its lock lies beside it."""
    place = root.with_name(f".{root.name}.lock")
    try:
        lock = FileLock(place)
        lock.acquire()
    except OSError as error:
        raise unwritable(place, error) from None
    try:
        yield
    finally:
        lock.release()


def _embed(model: Model, files: Sequence[Path], report: Report) -> _Found:
    found = _Found()
    for first in range(0, len(files), BATCH):
        read = []
        for path in files[first : first + BATCH]:
            try:
                read.append((path, model.read(path)))
            except DataError as error:
                found.problems.append(str(error))
        embeddings = model.run(np.stack([square for _, square in read]))[1] if read else ()
        for (path, _), embedding in zip(read, embeddings, strict=True):
            if embedding.any() or not model.gallery.point.needs_direction:
                found.paths.append(path)
                found.embeddings.append(embedding)
            else:
                found.problems.append(f"{path}: the network sees nothing in it (its embedding is zero)")
        report(min(first + BATCH, len(files)), len(files))
    return found


def _entry(model: Model, folder: Path, path: Path) -> Entry:
    """Its class is the name of the folder that it lies in, if the model knows one of that name."""
    name = readable(path.parent.name)
    label = model.classes.index(name) if name in model.classes else UNLABELLED
    return readable(path.relative_to(folder).as_posix()), label, name if label != UNLABELLED else "", None


def _holds(gallery: Gallery, file: str, embedding: np.ndarray) -> bool:
    """Whether the same picture was added before. A file of the same name may be another picture."""
    rows = [at for at, entry in enumerate(gallery.entries) if entry[0] == file]
    return any(_apart(gallery.rows[row], embedding) < ALIKE for row in rows)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    size = float(np.linalg.norm(one))
    return float(np.linalg.norm(one - other)) / size if size else float(other.any())


def _write(model: Model, paths: Sequence[Path], entries: Sequence[Entry], embeddings: np.ndarray, bar: Bar) -> None:
    gallery, before = model.gallery, len(model.gallery.rows)
    with changed_whole(model.folder) as package:
        rows = np.concatenate([gallery.rows, embeddings])
        kept = [
            (file, label, name, _moved(package, model.folder, shown)) for file, label, name, shown in gallery.entries
        ]
        added = list(entries)
        if any(shown for *_, shown in kept):
            places = [thumbnail_path(package, before + at) for at in range(len(added))]
            added = [(*entry[:3], place) for entry, place in zip(added, places, strict=True)]
            with bar("Thumbnails") as report:
                write_thumbnails(list(zip(_rows(paths), places, strict=True)), report)
        whole = [*kept, *added]
        write_embeddings(package, rows, np.array([label for _, label, _, _ in whole], np.int64))
        write_table(package, whole)
        package.index.unlink(missing_ok=True)
        write_search(package, rows, gallery.point, _chosen_by(package))
        write_card(package)


def _moved(package: Package, root: Path, shown: Path | None) -> Path | None:
    return package.root / shown.relative_to(root) if shown else None


def _rows(paths: Sequence[Path]) -> Iterator[Row]:
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read any more ({error.strerror}); put it back") from None
        yield Row(str(path), UNLABELLED, hashlib.sha256(content).hexdigest())


def _chosen_by(package: Package) -> str:
    chosen: str = package.read_json(package.retrieval)["chosen_by"]
    return chosen
