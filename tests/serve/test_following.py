"""A package that changes while it is served."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from uploads import pixels

from carsray.final.package.folder import Package
from carsray.final.package.growing import add_pictures
from carsray.progress import bar
from carsray.serve import following
from carsray.serve.catalogue import Catalogue

WAIT_SECONDS = 240.0


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Package:
    return Package(Path(shutil.copytree(package, tmp_path / "copy")))


@pytest.fixture
def grow(copy: Package, tmp_path: Path) -> Callable[[], None]:
    (tmp_path / "new").mkdir()
    pixels().save(tmp_path / "new/car.jpg")

    def grow() -> None:
        add_pictures(copy.root, tmp_path / "new", bar)

    return grow


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)


def test_a_gallery_that_has_grown_is_noticed_once(copy: Package, grow: Callable[[], None]) -> None:
    calls, noticed = [], threading.Event()

    def changed() -> None:
        calls.append(1)
        noticed.set()

    following.follow(copy, following.stamp_of(copy), changed)
    assert not noticed.wait(0.1)
    grow()
    assert noticed.wait(WAIT_SECONDS)
    noticed.clear()
    assert not noticed.wait(0.1)
    assert calls == [1]


def test_what_changed_while_it_was_read_is_noticed(copy: Package, grow: Callable[[], None]) -> None:
    before, noticed = following.stamp_of(copy), threading.Event()
    grow()
    following.follow(copy, before, noticed.set)
    assert noticed.wait(WAIT_SECONDS)


@pytest.mark.parametrize("damage", ["another model", "a spoilt file"])
def test_another_model_or_a_spoilt_one_is_told_and_not_taken(
    damage: str, copy: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, said, called = threading.Event(), [], threading.Event()
    monkeypatch.setattr(following.logger, "warning", lambda text, *args: (said.append(text % args), told.set()))
    following.follow(copy, following.stamp_of(copy), called.set)
    content = bytearray(copy.weights.read_bytes())
    content[-1] ^= 1
    if damage == "another model":
        copy.weights.write_bytes(content)
        copy.write_sums()
    else:
        copy.gallery_table.write_text("")
        copy.sums.write_text(copy.sums.read_text())
    assert told.wait(WAIT_SECONDS)
    assert not called.is_set()
    assert ("another model" in said[0]) == (damage == "another model")


def test_a_package_that_is_copied_file_by_file_is_taken_once_it_is_whole(
    copy: Package, grow: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    half, told, noticed = copy.gallery.read_bytes(), threading.Event(), threading.Event()
    before = following.stamp_of(copy)
    grow()
    whole = copy.gallery.read_bytes()
    copy.gallery.write_bytes(half)  # the sums came first
    monkeypatch.setattr(following.logger, "warning", lambda text, *args: told.set())
    following.follow(copy, before, noticed.set)
    assert told.wait(WAIT_SECONDS)
    assert not noticed.is_set()
    copy.gallery.write_bytes(whole)
    assert noticed.wait(WAIT_SECONDS)


def test_a_catalogue_shows_what_was_added(copy: Package, grow: Callable[[], None]) -> None:
    catalogue = Catalogue(copy)
    rows = catalogue.about.pictures
    assert catalogue.thumbnail(rows) is None
    grow()
    catalogue.reread()
    assert catalogue.about.pictures == rows + 1
    shown = catalogue.thumbnail(rows)
    assert shown is not None
    with Image.open(shown) as image:
        assert np.asarray(image).shape == (120, 160, 3)
