from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carsray.data import given
from carsray.data.given import squash_given
from carsray.errors import DataError


def grey(mode: str = "RGB", size: tuple[int, int] = (40, 30), value: int = 120) -> Image.Image:
    return Image.new("L", size, value).convert(mode)


def content(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "file",
    [
        content(grey(), format="JPEG"),
        content(grey("CMYK"), format="JPEG"),
        content(grey("L"), format="PNG"),
        content(grey("P"), format="PNG"),
        content(grey("RGBA"), format="PNG"),
        content(grey(), format="WEBP", lossless=True),
        content(grey(), format="GIF", save_all=True, append_images=[grey(value=250), grey(value=0)]),
    ],
    ids=["JPEG", "CMYK", "grey", "palette", "RGBA", "WebP", "animated"],
)
def test_every_kind_of_picture_is_read(file: bytes) -> None:
    square = squash_given(file, 16)
    assert (square.shape, square.dtype) == ((16, 16, 3), np.uint8)
    assert np.abs(square.astype(int) - 120).max() <= 3


def test_a_picture_stands_as_the_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.new("RGB", (40, 40), "black")
    image.paste((255, 255, 255), (0, 0, 40, 20))  # the upper half, which belongs to the right
    square = squash_given(content(image, format="PNG", exif=exif), 16)
    assert square[:, 12:].min() > 200
    assert square[:, :4].max() < 50


def test_a_pillow_image_is_read_where_it_stands_and_left_as_it_is() -> None:
    animated = content(grey(), format="GIF", save_all=True, append_images=[grey(value=250)])
    with Image.open(BytesIO(animated)) as image:
        image.seek(1)
        assert squash_given(image, 16).min() > 240
    with Image.open(BytesIO(content(grey(size=(800, 600)), format="JPEG"))) as photograph:
        squash_given(photograph, 16)
        assert photograph.size == (800, 600)


def test_arrays_are_pictures_of_grey_colour_or_colour_with_transparency() -> None:
    for shape in ((9, 7), (9, 7, 3)):
        assert (squash_given(np.full(shape, 80, np.uint8), 16) == 80).all()
    clear = np.zeros((9, 7, 4), np.uint8)
    assert (squash_given(clear, 16) == 255).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (b"", "is no picture that can be read"),
        (b"text", "is no picture that can be read"),
        # Pillow would start Ghostscript on it, which would never end.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n{} loop", "is no picture that can be read"),
        (content(grey(size=(400, 300)), format="PNG")[:90], "cannot be decoded"),
        (np.zeros((4, 4, 3)), "array float64"),
        (np.zeros((0, 4, 3), np.uint8), "is no picture"),
        (np.zeros((4, 4, 2), np.uint8), "is no picture"),
        ([1], "list: is no picture"),
    ],
)
def test_what_is_no_picture_is_one_line(wrong: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as told:
        squash_given(wrong, 16)  # type: ignore[arg-type]
    assert "\n" not in str(told.value)


def test_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    for path, says in (("a.jpg", "no picture that can be read"), ("b.jpg", "no such file"), ("", "is a folder")):
        with pytest.raises(DataError, match=f"{tmp_path / path}.*{says}"):
            squash_given(tmp_path / path, 16)


def test_a_picture_cut_short_is_one_line() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="cannot be decoded"):
        squash_given(content(noise, format="JPEG")[:2000], 16)


@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 9_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], monkeypatch) -> None:
    """A header promises any number of pixels at no cost."""
    monkeypatch.setattr(given, "squash", None)
    with pytest.raises(DataError, match="has more than 100 megapixels"):
        squash_given(f"P6 {size[0]} {size[1]} 255 ".encode(), 16)
