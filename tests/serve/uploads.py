"""Files that people send: pictures of every kind, and what only looks like one."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image


def pixels(width: int = 160, height: int = 120) -> Image.Image:
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def huge_png(side: int = 50_000) -> bytes:
    """A PNG that says it has side x side pixels; it has a few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


def turned() -> bytes:
    """As a phone writes a picture that was taken upright: lying, with a note to turn it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def animated(kind: str) -> bytes:
    return encoded(pixels(), kind, save_all=True, append_images=[pixels().rotate(90), pixels().rotate(180)])


GOOD = {
    "jpeg": encoded(pixels(), "JPEG", quality=95),
    "png": encoded(pixels(), "PNG"),
    "webp": encoded(pixels(), "WEBP"),
    "cmyk": encoded(pixels().convert("CMYK"), "JPEG"),
    "gray": encoded(pixels().convert("L"), "PNG"),
    "palette": encoded(pixels().convert("P"), "PNG"),
    "transparent": encoded(pixels().convert("RGBA"), "PNG"),
    "sixteen bits": encoded(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG"),
    "one pixel": encoded(pixels(1, 1), "PNG"),
    "turned": turned(),
    "animated gif": animated("GIF"),
    "animated webp": animated("WEBP"),
}
BAD = {
    "empty": b"",
    "text": b"this is no picture",
    "zeros": bytes(100_000),
    "html": b"<html><script>alert(1)</script></html>",
    "truncated jpeg": GOOD["jpeg"][: len(GOOD["jpeg"]) // 2],
    "truncated png": GOOD["png"][: len(GOOD["png"]) // 2],
    "head only": GOOD["jpeg"][:20],
    "huge": huge_png(),
    "large": huge_png(12_000),
    "heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
}
