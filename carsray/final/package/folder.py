"""The folder of an exported model: one property per file, checked whole before anything in it is used."""

import csv
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from carsray.errors import PackageError, ResultsError
from carsray.files import sha256_of, unwritable, write_text

FORMAT = "carsray-package-1"


class Package:
    """Of one exported model. Nothing in it is a pickle."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sums = root / "SHA256SUMS"
        self.facts = root / "export.json"
        self.card = root / "README.md"
        self.weights = root / "model.safetensors"
        self.onnx = root / "model.onnx"
        self.config = root / "config.toml"
        self.classes = root / "classes.json"
        self.preprocessing = root / "preprocessing.json"
        self.calibration = root / "calibration.json"
        self.gallery = root / "gallery.safetensors"
        self.gallery_table = root / "gallery.csv"
        self.retrieval = root / "retrieval.json"
        self.index = root / "gallery.index"
        self.pictures = root / "gallery"
        self.record = root / "record"

    def read_json(self, path: Path) -> Any:
        """What one of the files says."""
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PackageError(f"{path}: cannot be read ({error}). {AGAIN}") from None

    def needed(self) -> list[Path]:
        """What is read; of what a package may lack, what is there."""
        always = [self.facts, self.weights, self.config, self.classes, self.preprocessing, self.calibration]
        always += [self.gallery, self.gallery_table, self.retrieval]
        return [*always, *(path for path in (self.onnx, self.index) if path.exists())]

    def name(self, path: Path) -> str:
        """A file's name within the package."""
        return path.relative_to(self.root).as_posix()

    def files(self) -> list[Path]:
        """Every file but the sums, by name."""
        return sorted(path for path in self.root.rglob("*") if path.is_file() and path != self.sums)

    def digests(self) -> dict[str, str]:
        """The SHA-256 of each file, by name, as they were written down."""
        listed = {}
        try:
            for line in self.sums.read_text(encoding="utf-8").splitlines():
                digest, name = line.split("  ", 1)
                listed[name] = digest
        except (OSError, ValueError) as error:
            raise PackageError(f"{self.sums}: cannot be read ({error}). {AGAIN}") from None
        return listed

    def thumbnails(self) -> list[Path | None]:
        """That of each row of the gallery, where there is one.

        Raises PackageError for one that is no file of the package: whoever made it may name any file.
        """
        listed = self.digests()
        try:
            with self.gallery_table.open(encoding="utf-8", newline="") as file:
                names = [line["thumbnail"] for line in csv.DictReader(file)]
        except (OSError, KeyError, ValueError) as error:
            raise PackageError(f"{self.gallery_table}: cannot be read ({error!r}). {AGAIN}") from None
        if strangers := [name for name in names if name and name not in listed]:
            raise PackageError(f"{self.gallery_table}: {strangers[0]!r} is no file of this package. {AGAIN}")
        return [self.root / name if name else None for name in names]

    def write_sums(self) -> None:
        """List the SHA-256 of every file, as `sha256sum -c` reads it."""
        lines = [f"{_sha256(path)}  {self.name(path)}\n" for path in self.files()]
        write_text(self.sums, "".join(lines))


AGAIN = "Copy the package again, or export it again"


def open_package(root: Path) -> Package:
    """The package in a folder, every file as it was written; files that carsray does not know are left alone.

    Raises PackageError where it is none, lacks a file, or has one whose SHA-256 is not the listed one.
    """
    package = Package(root)
    require_package(root)
    listed, found = package.digests(), {package.name(path): path for path in package.files()}
    needed = {package.name(path) for path in package.needed()}
    if missing := sorted((listed.keys() | needed) - (listed.keys() & found.keys())):
        more = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
        raise PackageError(f"{root}: lacks {missing[0]}{more}, or SHA256SUMS does not list it. {AGAIN}")
    for name, digest in listed.items():
        if _sha256(found[name]) != digest:
            raise PackageError(f"{found[name]}: is not what was exported, its SHA-256 differs. {AGAIN}")
    if (version := package.read_json(package.facts).get("format")) != FORMAT:
        raise PackageError(f"{root}: has format {version!r}, this carsray reads {FORMAT}. Export the model again")
    return package


def require_package(root: Path) -> None:
    """Raises PackageError for a folder that does not even look like an export."""
    if not is_package(root):
        raise PackageError(f"{root}: is no exported model. Make one with: carsray export NAME {root}")


def is_package(root: Path) -> bool:
    """Whether a folder looks like an earlier export."""
    return Package(root).sums.is_file() and Package(root).facts.is_file()


@contextmanager
def written_whole(root: Path, force: bool) -> Iterator[Package]:
    """An empty package beside the place where it will stand; it moves there at the end, or is gone if that fails.

    Raises ResultsError where something else stands there, or an earlier export and no force.
    """
    check_free(root, force)
    with _moved_at_end(root) as package:
        yield package
        package.write_sums()


@contextmanager
def changed_whole(root: Path) -> Iterator[Package]:
    """A checked package's files under a second name, to be replaced and added to; it takes the package's place at the
    end, or is gone if that fails.

    Files must be replaced, not written into: until then both names lead to the same bytes.
    """
    listed = Package(root).digests()
    with _moved_at_end(root) as package:
        _link(root, package.root, listed)
        yield package
        package.write_sums()
        # What carsray does not know stays unlisted: its owner may change it.
        _link(root, package.root, {Package(root).name(path) for path in Package(root).files()} - listed.keys())


@contextmanager
def _moved_at_end(root: Path) -> Iterator[Package]:
    root = root.resolve()  # a link to a folder stays, and what it leads to is replaced
    partial = Package(root.with_name(f".{root.name}.{os.getpid()}.partial"))
    try:
        shutil.rmtree(partial.root, ignore_errors=True)
        partial.root.mkdir(parents=True)
        yield partial
        _move(partial.root, root)
    except OSError as error:
        if _elsewhere(error, partial.root):
            raise ResultsError(f"{error.filename}: cannot be read ({error.strerror}). No package was written") from None
        raise unwritable(root, error) from None
    finally:
        shutil.rmtree(partial.root, ignore_errors=True)


def _elsewhere(error: OSError, partial: Path) -> bool:
    """Whether an error is about one file alone, and that lies neither in the package nor on the way there."""
    if not isinstance(error.filename, str) or error.filename2 is not None:
        return False
    path = Path(error.filename).absolute()
    return not (path.is_relative_to(partial) or partial.is_relative_to(path))


def _link(root: Path, other: Path, names: Iterable[str]) -> None:
    """Give files a second name; where the file system has none, a copy."""
    for name in names:
        target = other / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(root / name, target)
        except OSError:
            shutil.copyfile(root / name, target)


def check_free(root: Path, force: bool) -> None:
    """Raises ResultsError where an export may not be written."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return
    if not is_package(root):
        raise ResultsError(f"{root}: exists and is no earlier export. Choose another folder")
    if not force:
        raise ResultsError(f"{root}: holds an earlier export. Choose another folder, or replace it with --force")


def _move(new: Path, root: Path) -> None:
    """Put a folder where another may stand; that one is deleted once the new one is in its place."""
    old = root.with_name(f".{root.name}.{os.getpid()}.old")
    with suppress(FileNotFoundError):
        root.rename(old)
    try:
        new.rename(root)
    except OSError:
        with suppress(FileNotFoundError):
            old.rename(root)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error.strerror}). {AGAIN}") from None
