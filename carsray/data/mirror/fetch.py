"""Stanford Cars from a mirror: the addresses at ai.stanford.edu have been gone since 2023.

History and the mirrors people use: https://github.com/pytorch/vision/issues/7545
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from carsray.data.mirror.download import download
from carsray.data.mirror.unpack import LABELS, unpack
from carsray.data.records import Catalog
from carsray.data.sources.catalog import open_catalog
from carsray.errors import DataError
from carsray.progress import Report, silent

MIRRORS = (
    # Made for torchvision's layout, https://github.com/pytorch/vision/pull/8620; a zip, resumable, no login.
    "https://www.kaggle.com/api/v1/datasets/download/rickyyyyyyy/torchvision-stanford-cars",
    # https://github.com/jhpohovey/StanfordCars-Dataset: the same layout, packed as it is asked for, so not resumable.
    "https://codeload.github.com/jhpohovey/StanfordCars-Dataset/tar.gz/refs/heads/main",
)
CHECKSUMS = {
    # md5 of the labels as torchvision 0.15 verified them; the others are of the published devkit.
    LABELS: "md5:b0a2b23655a3edd16d84508592a98d10",
    "devkit/cars_meta.mat": "sha256:fe43dfda289448f97c25b09e09fafc0414e22fc4143831537780884a0a5f4a1a",
    "devkit/cars_train_annos.mat": "sha256:1c1973dd828a2964060b0bbc0e423466393fe3001a3f8e303f41fbf22067dfb1",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a whole copy holds."""

    classes: int = 196
    train: int = 8144
    test: int = 8041


def fetch(
    folder: Path, sources: Sequence[str] = MIRRORS, report: Report = silent, expected: Expected = Expected()
) -> list[str]:
    """Download, unpack and verify the data set into folder; returns warnings (a checksum that differs).

    Sources are URLs or archives on this disk, tried in order. The folder appears once all is there; until then
    everything lies in ``<folder>.fetch``, from which the next call resumes.
    Raises DataError with what went wrong with each source.
    """
    folder = folder.expanduser().absolute()
    if folder.is_dir() and any(folder.iterdir()):
        return _verify(folder, expected, remedy="choose an empty or new folder")
    problems = []
    for source in sources:
        try:
            return _fetch_from(source, folder, report, expected)
        except DataError as error:
            problems.append(f"{source}: {error}" if source not in str(error) else str(error))
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror}); free some space or rights") from None
    raise DataError("no source gave the data set: " + "; ".join(problems) + " - give another with --from")


def _fetch_from(source: str, folder: Path, report: Report, expected: Expected) -> list[str]:
    work = folder.with_name(folder.name + ".fetch")
    archive = _archive(source, work, report)
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    try:
        unpack(archive, tree, report)
        warnings = _verify(tree, expected, remedy="try another source")
    except DataError:
        if archive.parent == work:
            archive.unlink()  # whole, and yet not the data set: resuming it would not help
        raise
    if folder.is_dir():
        folder.rmdir()  # it is empty
    tree.replace(folder)
    shutil.rmtree(work)
    return warnings


def _archive(source: str, work: Path, report: Report) -> Path:
    if "://" not in source:
        if not Path(source).is_file():
            raise DataError(f"{source}: neither a URL nor an archive on this disk")
        return Path(source)
    work.mkdir(parents=True, exist_ok=True)
    # Named for its source, so that two mirrors never continue each other's file.
    archive = work / f"archive-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    if not archive.exists():
        download(source, archive, report)
    return archive


def _verify(folder: Path, expected: Expected, remedy: str) -> list[str]:
    catalog = open_catalog(folder)
    found = _found(catalog)
    if found != expected:
        raise DataError(f"{folder}: {_text(found)}; Stanford Cars has {_text(expected)} - {remedy}")
    empty = [picture.path for picture in catalog.pictures if picture.path.stat().st_size == 0]
    if empty:
        raise DataError(f"{folder}: {len(empty)} pictures are empty files, {empty[0]} first - {remedy}")
    return [
        f"{name}: its checksum is not that of the published file"
        for name, checksum in CHECKSUMS.items()
        if (folder / name).is_file() and not _matches(folder / name, checksum)
    ]


def _found(catalog: Catalog) -> Expected:
    split = Counter(picture.split for picture in catalog.pictures)
    return Expected(len(catalog.classes), split["train"], split["test"])


def _text(numbers: Expected) -> str:
    return f"{numbers.classes} classes, {numbers.train} train and {numbers.test} labelled test pictures"


def _matches(path: Path, checksum: str) -> bool:
    method, digest = checksum.split(":")
    return hashlib.new(method, path.read_bytes(), usedforsecurity=False).hexdigest() == digest
