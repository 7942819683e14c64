import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from carsray.data.decode import decode, thumbnail
from carsray.data.records import Box, Row
from carsray.errors import DataError


def row_of(path: Path, box: Box | None = None) -> Row:
    return Row(str(path), 0, hashlib.sha256(path.read_bytes()).hexdigest(), box)


def gradient(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards; blue is 90."""
    red, green = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 90)], -1).round().astype(np.uint8))


def save(image: Image.Image, path: Path, orientation: int = 1) -> Row:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return row_of(path)


def test_a_stored_square_of_the_right_size_is_not_resampled(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(save(Image.fromarray(noise), tmp_path / "a.png"), 24), noise)


def test_the_whole_picture_is_squashed_to_a_square(tmp_path: Path) -> None:
    square = decode(save(gradient(90, 40), tmp_path / "a.png"), 20)
    assert square.shape == (20, 20, 3)
    assert square.dtype == np.uint8
    np.testing.assert_allclose(square, np.asarray(gradient(20, 20)), atol=8)


def test_shrinking_is_antialiased(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    square = decode(save(Image.fromarray(stripes), tmp_path / "a.png"), 16)
    assert np.abs(square[:, 2:-2].astype(int) - 128).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_pictures_stand_as_the_camera_was_held(tmp_path: Path, suffix: str, orientation: int) -> None:
    row = save(gradient(60, 30), tmp_path / f"a.{suffix}", orientation)
    with Image.open(row.path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).resize((16, 16), Image.Resampling.BICUBIC), dtype=int)
    assert np.abs(decode(row, 16) - expected).max() <= 1


def test_the_box_counts_in_pixels_of_the_file_whatever_the_orientation(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 30), "black")
    image.paste((255, 0, 0), (6, 1, 34, 19))  # a little more than the box: resampling reads its neighbours
    save(image, tmp_path / "a.png", orientation=6)
    np.testing.assert_array_equal(decode(row_of(tmp_path / "a.png", (10, 5, 30, 15)), 8, margin=0.0)[..., 0], 255)


def test_the_margin_widens_the_box_and_stops_at_the_edge(tmp_path: Path) -> None:
    save(gradient(101, 101), tmp_path / "a.png")
    row = row_of(tmp_path / "a.png", (10, 40, 50, 60))
    wide = decode(row, 50, margin=0.5)
    expected = gradient(101, 101).crop((0, 30, 70, 70)).resize((50, 50), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(wide, np.asarray(expected), atol=2)


def test_without_a_margin_the_box_is_ignored(tmp_path: Path) -> None:
    row = save(gradient(40, 40), tmp_path / "a.png")
    boxed = row_of(tmp_path / "a.png", (0, 0, 4, 4))
    np.testing.assert_array_equal(decode(boxed, 16), decode(row, 16))


def test_a_box_outside_the_picture_is_ignored(tmp_path: Path) -> None:
    row = save(gradient(40, 40), tmp_path / "a.png")
    boxed = row_of(tmp_path / "a.png", (50, 50, 60, 60))
    np.testing.assert_array_equal(decode(boxed, 16, margin=0.0), decode(row, 16))


@pytest.mark.parametrize("box", [None, (300, 200, 1500, 1100)])
def test_a_large_jpeg_decoded_at_a_fraction_shows_the_same(tmp_path: Path, box: Box | None) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    coarse.resize((1600, 1200), Image.Resampling.BICUBIC).save(tmp_path / "a.jpg", quality=95)
    with Image.open(tmp_path / "a.jpg") as image:
        expected = np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC, box=box), dtype=int)
    difference = np.abs(decode(row_of(tmp_path / "a.jpg", box), 64, margin=0.0) - expected)
    assert difference.mean() < 1
    assert difference.max() < 12


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_every_mode_becomes_the_same_grey(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.full((8, 8), 255, dtype=np.uint8))
    if mode in ("I;16", "I"):
        image = Image.fromarray(np.full((8, 8), 65535, dtype=np.uint16 if mode == "I;16" else np.int32))
    else:
        image = grey.convert("RGB").convert(mode) if mode == "CMYK" else grey.convert(mode)
    image.save(tmp_path / "a.tiff") if mode != "P" else image.save(tmp_path / "a.tiff", format="PNG")
    np.testing.assert_array_equal(decode(row_of(tmp_path / "a.tiff"), 8), 255)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 128 * 257, dtype=np.uint16)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(row_of(tmp_path / "a.png"), 8), 128)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_becomes_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert("RGBA" if mode == "PA" else mode)
    image = image.quantize() if mode == "PA" else image
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(row_of(tmp_path / "a.png"), 8), 255)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"garbagegarbage", bytes(20), b"II*\0\xff\xff\xff\xff"])
@pytest.mark.parametrize(("suffix", "more"), [("jpg", {}), ("jpg", {"dpi": (72, 72)}), ("png", {}), ("webp", {})])
def test_garbage_metadata_does_no_harm(tmp_path: Path, suffix: str, more: dict[str, Any], exif: bytes) -> None:
    gradient(16, 16).save(tmp_path / f"a.{suffix}", exif=b"Exif\x00\x00" + exif, **more)
    row = row_of(tmp_path / f"a.{suffix}")
    assert decode(row, 16).shape == (16, 16, 3)
    assert thumbnail(row, 8).size == (8, 8)


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    row = save(gradient(8, 8), tmp_path / "a.png")
    Path(row.path).unlink()
    with pytest.raises(DataError, match=r"a\.png: cannot be read any more"):
        decode(row, 8)


def test_a_file_that_has_changed_is_named(tmp_path: Path) -> None:
    row = save(gradient(8, 8), tmp_path / "a.png")
    save(gradient(9, 9), tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png: its bytes have changed"):
        decode(row, 8)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png: cannot be decoded"):
        decode(row_of(tmp_path / "a.png"), 8)
