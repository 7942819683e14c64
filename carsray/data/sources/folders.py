"""A folder per class, with or without split folders above them."""

from pathlib import Path

from carsray.data.records import Catalog, Picture, SplitName

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".png", ".bmp", ".webp", ".avif", ".gif", ".tif", ".tiff"),
        *(".ppm", ".pgm"),
    )
)
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
    classes_beside = any(_pictures(folder) for folder in _folders(root) if folder.name.lower() not in SPLIT_FOLDERS)
    named = [
        (folder, SPLIT_FOLDERS[folder.name.lower()])
        for folder in _folders(root)
        if folder.name.lower() in SPLIT_FOLDERS and not _is_class(folder, classes_beside)
    ]
    holds_train = any(split == "train" and _class_folders(folder) for folder, split in named)
    return named if holds_train else []


def _is_class(folder: Path, classes_beside: bool) -> bool:
    """Whether a folder that is named for a split is a class: one may be called "train" (locomotives).

    Pictures directly inside make it one, unless they have strayed (a contact sheet): there are class folders inside,
    too, and none beside it.
    """
    return bool(_pictures(folder)) and (classes_beside or not _class_folders(folder))


def _class_folders(root: Path) -> list[Path]:
    return [folder for folder in _folders(root) if _pictures(folder)]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
