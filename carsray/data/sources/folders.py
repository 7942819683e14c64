"""A folder per class, with or without split folders above them."""

from pathlib import Path

from carsray.data.records import Catalog, Picture, SplitName

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"))
SPLIT_FOLDERS: dict[str, SplitName] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def recognise(root: Path) -> bool:
    """True where at least one folder with pictures lies, directly or below a train folder."""
    return bool(_split_folders(root) or _class_folders(root))


def read(root: Path) -> Catalog:
    """Every picture one level below its class folder; classes in the order of their names."""
    parts: list[tuple[Path, SplitName | None]] = list(_split_folders(root)) or [(root, None)]
    found = [(folder, split) for part, split in parts for folder in _class_folders(part)]
    classes = tuple(sorted({folder.name for folder, _ in found}))
    label = {name: number for number, name in enumerate(classes)}
    pictures = [Picture(path, label[folder.name], split) for folder, split in found for path in _pictures(folder)]
    empty = {folder.name for part, _ in parts for folder in _folders(part)} - label.keys()
    return Catalog("folders", root, classes, tuple(pictures), official_test=False, empty=tuple(sorted(empty)))


def _split_folders(root: Path) -> list[tuple[Path, SplitName]]:
    """Folders named for a split; none unless one of them is a train folder that holds class folders."""
    named = [(folder, SPLIT_FOLDERS[folder.name.lower()]) for folder in _folders(root) if _names_split(folder)]
    holds_train = any(split == "train" and _class_folders(folder) for folder, split in named)
    return named if holds_train else []


def _names_split(folder: Path) -> bool:
    # A class may itself be called "train" (locomotives): pictures directly inside make it a class.
    return folder.name.lower() in SPLIT_FOLDERS and not _pictures(folder)


def _class_folders(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if _pictures(folder)]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
