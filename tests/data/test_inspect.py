import hashlib
import os
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tiny_sources import class_folders, picture

from carsray.data.inspect import inspect, look_at
from carsray.data.sources.catalog import open_catalog

opened: list[str] = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)


def encoded(kind: str, size: tuple[int, int] = (40, 30)) -> bytes:
    out = BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, kind)
    return out.getvalue()


def test_a_look_tells_digest_and_size(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png", size=(12, 10))
    look = look_at(path)
    assert (look.digest, look.width, look.height) == (hashlib.sha256(path.read_bytes()).hexdigest(), 12, 10)
    assert look.problem is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF"])
def test_a_truncated_picture_is_found_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    whole = encoded(kind)
    (tmp_path / "whole").write_bytes(whole)
    assert look_at(tmp_path / "whole").problem is None
    for part in (0.3, 0.6, 0.9):
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * part)])
        assert look_at(tmp_path / "cut").problem is not None


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_any_colour_mode_of_jpeg_is_readable(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 5)).save(tmp_path / "a.jpg")
    look = look_at(tmp_path / "a.jpg")
    assert (look.width, look.height, look.problem) == (3, 5, None)


def test_an_empty_file_and_a_text_are_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("hello")
    assert look_at(tmp_path / "empty.jpg").problem == "the file is empty"
    assert look_at(tmp_path / "text.jpg").problem == "not a picture"


@pytest.mark.parametrize("size", [(10_001, 10_000), (20_000, 10_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_more_than_a_hundred_megapixels_are_never_decoded(tmp_path: Path, size: tuple[int, int]) -> None:
    header = encoded("BMP", (1, 1))
    huge = header[:18] + size[0].to_bytes(4, "little") + size[1].to_bytes(4, "little") + header[26:]
    (tmp_path / "bomb.bmp").write_bytes(huge)
    assert "more than 100 megapixels" in (look_at(tmp_path / "bomb.bmp").problem or "")


def test_a_second_look_opens_no_picture(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 5, "b": 5}))
    first = inspect(catalog, tmp_path / "cache")
    opened.clear()
    assert inspect(catalog, tmp_path / "cache") == first
    assert [Path(path).parent for path in opened if path.startswith(str(tmp_path))] == [tmp_path / "cache"]


def test_a_picture_replaced_by_one_of_the_same_size_and_age_is_looked_at_again(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 1, "b": 1}))
    path = tmp_path / "in/a/0.png"
    before = inspect(catalog, tmp_path / "cache")[path]
    age, changed = path.stat(), bytearray(path.read_bytes())
    changed[-1] ^= 1
    path.write_bytes(changed)
    os.utime(path, ns=(age.st_atime_ns, age.st_mtime_ns))
    assert inspect(catalog, tmp_path / "cache")[path].digest != before.digest


def test_a_changed_picture_is_looked_at_again_and_only_that(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 3, "b": 3}))
    before = inspect(catalog, tmp_path / "cache")
    changed = picture(tmp_path / "in/a/0.png", seed=99, size=(5, 5))
    opened.clear()
    after = inspect(catalog, tmp_path / "cache")
    assert [path for path in before if before[path] != after[path]] == [changed]
    assert [path for path in opened if path.endswith(".png")] == [str(changed)]


@pytest.mark.parametrize("damage", ["", "{", "[[1, 2]]", "7", '[["a", 1, 2, [3]]]'])
def test_a_damaged_cache_is_built_anew(tmp_path: Path, damage: str) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 1, "b": 1}))
    first = inspect(catalog, tmp_path / "cache")
    (memory,) = (tmp_path / "cache").iterdir()
    whole = memory.read_text()
    memory.write_text(damage)
    assert inspect(catalog, tmp_path / "cache") == first
    assert sorted(memory.read_text()) == sorted(whole)


def test_looks_at_a_part_do_not_forget_the_rest(tmp_path: Path) -> None:
    whole = open_catalog(class_folders(tmp_path / "in", {"a": 2, "b": 2}))
    inspect(whole, tmp_path / "cache")
    picture(tmp_path / "in/a/2.png", seed=50)
    table = tmp_path / "in/part.csv"
    table.write_text("path,label\na/2.png,a\nb/0.png,b\n")
    inspect(open_catalog(table), tmp_path / "cache")
    opened.clear()
    inspect(whole, tmp_path / "cache")
    assert not [path for path in opened if path.endswith(".png")]


def test_an_interrupted_look_keeps_what_it_saw(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 4, "b": 4}))

    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        inspect(catalog, tmp_path / "cache", interrupt)
    opened.clear()
    inspect(catalog, tmp_path / "cache")
    assert len([path for path in opened if path.endswith(".png")]) == 5


def test_progress_ends_at_the_number_of_pictures(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "in", {"a": 2, "b": 3}))
    said: list[tuple[int, int]] = []
    inspect(catalog, tmp_path / "cache", lambda done, total: said.append((done, total)))
    assert said == [(done, 5) for done in range(1, 6)]
