import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from object_server import KEYS, ObjectServer, object_server
from PIL import Image
from tiny_sources import class_folders, stanford_cars

from carsray.config import TrialConfig
from carsray.data.inspect import inspect
from carsray.data.pack import ensure_pack
from carsray.data.records import DataSplit
from carsray.data.remote import copied, local_path, local_paths, open_data
from carsray.data.seal import sealed
from carsray.data.splits import make_split
from carsray.errors import DataError, SealedTestError, StorageError
from carsray.storage.address import parse_address
from carsray.storage.place import Found, Place

CONFIG = TrialConfig(image_size=16)


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectServer]:
    with object_server() as running:
        yield running


@pytest.fixture
def source(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address at which nothing is yet."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return server.address(uuid4().hex)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "pictures", {"class a": 6, "b #1 50%?": 6})


def put(folder: Path, source: str) -> None:
    place = Place(parse_address(source))
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        place.write(path.relative_to(folder).as_posix(), path.read_bytes())


def split_of(source: str, cache: Path) -> DataSplit:
    catalog = open_data(source, cache)
    return make_split(catalog, inspect(catalog, cache), CONFIG)[0]


@pytest.mark.parametrize("layout", ["folders", "stanford"])
def test_pictures_in_a_bucket_are_split_and_packed_as_on_disk(
    source: str, pictures: Path, tmp_path: Path, layout: str
) -> None:
    folder = pictures if layout == "folders" else stanford_cars(tmp_path / "cars")
    put(folder, source)
    remote, here = split_of(source, tmp_path / "cache"), split_of(str(folder), tmp_path / "cache")
    assert remote.fingerprint == here.fingerprint
    assert [row.digest for row in remote.train] == [row.digest for row in here.train]
    assert all(row.path.startswith("s3://") for row in remote.train + remote.val + remote.test)
    packs = [ensure_pack(split.train, CONFIG, tmp_path / str(at)) for at, split in enumerate((remote, here))]
    np.testing.assert_array_equal(packs[0].images, packs[1].images)


def test_who_packs_pictures_in_a_bucket_is_not_silent_while_they_are_fetched(
    source: str, pictures: Path, tmp_path: Path
) -> None:
    put(pictures, source)
    rows, seen = split_of(source, tmp_path / "driver").train, []
    ensure_pack(rows, CONFIG, tmp_path / "node", lambda done, total: seen.append(done))
    one_by_one = list(range(1, len(rows) + 1))
    assert seen == [0] * len(rows) + one_by_one + one_by_one  # looked for, fetched, packed


def test_another_node_fetches_what_it_packs_and_no_test_picture(source: str, pictures: Path, tmp_path: Path) -> None:
    put(pictures, source)
    split = split_of(source, tmp_path / "driver")
    ensure_pack(split.train, CONFIG, tmp_path / "node")
    there = {str(path) for path in (tmp_path / "node" / "remote").rglob("*.png")}
    assert there == set(local_paths(split.train, tmp_path / "node"))


def test_a_test_picture_stays_sealed_where_it_is_and_where_it_would_have_to_be_fetched(
    source: str, pictures: Path, tmp_path: Path
) -> None:
    put(pictures, source)
    split = split_of(source, tmp_path / "driver")
    for cache in (tmp_path / "driver", tmp_path / "node"):
        with sealed(local_paths(split.test, cache)), pytest.raises(SealedTestError):
            ensure_pack(split.test, CONFIG, cache)
    assert not list((tmp_path / "node").rglob("*.png"))


def test_a_second_look_fetches_only_what_has_changed(source: str, pictures: Path, tmp_path: Path) -> None:
    put(pictures, source)
    place, fetched = Place(parse_address(source)), []
    open_data(source, tmp_path, lambda done, total: fetched.append(total))
    assert set(fetched) == {12}
    place.delete("class a/0.png")
    place.write("class a/1.png", (pictures / "class a" / "2.png").read_bytes() + b"more")
    fetched.clear()
    catalog = open_data(source, tmp_path, lambda done, total: fetched.append(total))
    assert fetched == [1]
    assert len(catalog.pictures) == 11
    path = next(picture.path for picture in catalog.pictures if picture.path.match("class a/1.png"))
    assert path.read_bytes().endswith(b"more")


def test_what_was_fetched_before_an_interruption_stays(
    source: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carsray.data.remote.AT_A_TIME", 1)
    put(pictures, source)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_data(source, tmp_path, interrupt)
    kept = len(list(tmp_path.joinpath("remote").rglob("*.png")))
    assert kept >= 2
    totals: list[int] = []
    open_data(source, tmp_path, lambda done, total: totals.append(total))
    assert {*totals} == {12 - kept}


def test_a_copy_that_was_deleted_is_fetched_again(source: str, pictures: Path, tmp_path: Path) -> None:
    put(pictures, source)
    split = split_of(source, tmp_path)
    shutil.rmtree(tmp_path / "remote")
    (row,) = copied(split.val[:1], tmp_path)
    assert Path(row.path).is_file()
    assert row.path == local_path(split.val[0].path, tmp_path)


def test_another_node_fetches_a_picture_that_was_replaced_since_it_last_did(
    source: str, pictures: Path, tmp_path: Path
) -> None:
    put(pictures, source)
    ensure_pack(split_of(source, tmp_path / "driver").train, CONFIG, tmp_path / "node")
    for path in pictures.rglob("*.png"):
        Image.open(path).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(path)
    put(pictures, source)
    split = split_of(source, tmp_path / "driver")
    (here,) = copied(split.train[:1], tmp_path / "node")
    assert hashlib.sha256(Path(here.path).read_bytes()).hexdigest() == split.train[0].digest
    assert len(ensure_pack(split.train, CONFIG, tmp_path / "node").labels) == len(split.train)


def test_a_server_that_lists_milliseconds_and_gives_seconds_has_the_same_picture(
    source: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pictures, source)
    open_data(source, tmp_path)
    listed = Place.objects

    def in_milliseconds(place: Place) -> Iterator[Found]:
        for found in listed(place):
            yield replace(found, modified=found.modified.replace(microsecond=123_000))

    monkeypatch.setattr(Place, "objects", in_milliseconds)
    fetched: list[int] = []
    open_data(source, tmp_path, lambda done, total: fetched.append(total))
    assert fetched == []


def test_a_picture_that_is_gone_from_the_bucket_is_told(source: str, pictures: Path, tmp_path: Path) -> None:
    put(pictures, source)
    split = split_of(source, tmp_path / "driver")
    place = Place(parse_address(source))
    for found in place.objects():
        place.delete(found.name)
    with pytest.raises(DataError, match="is not there any more"):
        ensure_pack(split.val, CONFIG, tmp_path / "node")


def test_a_class_that_is_gone_from_the_bucket_leaves_no_folder_behind(
    source: str, pictures: Path, tmp_path: Path
) -> None:
    class_folders(pictures, {"class c": 1}, seed=100)
    put(pictures, source)
    assert "class c" in open_data(source, tmp_path / "cache").classes
    Place(parse_address(source)).delete("class c/0.png")
    catalog = open_data(source, tmp_path / "cache")
    assert ("class c" in catalog.classes, catalog.empty) == (False, ())


def test_an_empty_address_is_told(source: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing is there"):
        open_data(source, tmp_path)


def test_a_server_that_does_not_answer_is_told(source: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        open_data("s3://bucket/cars?endpoint=http://127.0.0.1:1", tmp_path)


def test_a_path_on_disk_is_left_alone(tmp_path: Path) -> None:
    assert local_path("/cars/what? #1.jpg", tmp_path) == "/cars/what? #1.jpg"
