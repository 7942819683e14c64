from dataclasses import asdict
from pathlib import Path

from tiny_sources import Entry, class_folders, imagined

from carsray.data.describe import Spread, describe, render
from carsray.data.inspect import inspect
from carsray.data.sources.catalog import open_catalog

ENTRIES: list[Entry] = [
    *((0, f"a{n}", "train") for n in range(3)),
    *((1, f"b{n}", "train") for n in range(2)),
    (0, "a0", "val"),
    (1, "b1", "train"),
    (0, "b0", "train"),
    (1, "damaged", "val"),
]


def test_counts_by_class_and_split() -> None:
    found = describe(*imagined(ENTRIES, bad=(8,)))
    assert (found.images, found.classes, found.splits) == (9, 2, {"train": 7, "val": 2})
    assert found.per_class == Spread(4, 4.5, 5)
    assert found.class_counts == {"class 0": 5, "class 1": 4}
    assert found.unreadable == {"/cars/0008.jpg": "damaged"}


def test_duplicates_say_their_labels_and_sides() -> None:
    groups = describe(*imagined(ENTRIES, bad=(8,))).duplicates
    assert [(group.paths, group.classes, group.splits) for group in groups] == [
        (["0000.jpg", "0005.jpg"], ["class 0"], ["train", "val"]),
        (["0003.jpg", "0007.jpg"], ["class 0", "class 1"], ["train"]),
        (["0004.jpg", "0006.jpg"], ["class 1"], ["train"]),
    ]


def test_the_text_names_what_matters() -> None:
    text = render(describe(*imagined(ENTRIES, bad=(8,))))
    for part in ("images       9", "unreadable   1", "3 groups", "1 with two labels, 1 on two sides", "damaged"):
        assert part in text


def test_only_verbose_lists_everything() -> None:
    pairs: list[Entry] = [(n % 2, f"{n // 2}", None) for n in range(20)]
    found = describe(*imagined(pairs))
    assert "... and 5 more" in render(found)
    assert "class 1" in render(found, verbose=True).splitlines()[-1]
    assert "more" not in render(found, verbose=True)


def test_real_files_are_measured(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 2, "b": 1}))
    found = asdict(describe(catalog, inspect(catalog, tmp_path / "cache")))
    assert found["width"] == {"min": 12, "median": 12, "max": 12}
    assert found["splits"] == {"none": 3}


def test_folders_that_are_no_classes_are_named(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path, {"a": 1, "b": 1, "nested/c": 1}))
    found = describe(catalog, inspect(catalog, tmp_path.with_name("cache")))
    assert found.empty == ["nested"]
    assert "no class     1 of the folders" in render(found)
    assert "no class  " not in render(describe(*imagined(ENTRIES)))
