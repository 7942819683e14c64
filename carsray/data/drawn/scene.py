"""One picture of a drawn car: backdrop, shadow, car, now and then something in front of it, light and grain.

All that changes here from picture to picture (paint, place, light, ...) is drawn from the same ranges for every
model, so that only the shape of the car tells its class.
"""

import colorsys
import math
import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from carsray.data.drawn.car import outline, paint_car
from carsray.data.drawn.models import CarModel
from carsray.data.drawn.trim import HALF
from carsray.data.drawn.view import Brush, Colour, View, blend, tone

_OVER = 3
"""Each picture is drawn this many times larger, then averaged down."""


def picture(model: CarModel, size: int, rng: random.Random) -> Image.Image:
    """One RGB picture, size x size pixels, as the generator's state has it."""
    large = size * _OVER
    view = _view(model, large, rng)
    ground = view.place([(0.0, 0.0, -HALF)])[0][1]
    image = Image.new("RGB", (large, large))
    horizon = min(ground - rng.uniform(-0.02, 0.14) * large, 0.8 * large)
    rng.choice(_BACKDROPS)(ImageDraw.Draw(image), large, horizon, rng)
    _shadow(image, model, view, rng)
    paint_car(_brush(ImageDraw.Draw(image), view, rng), model)
    if rng.random() < 0.15:
        _in_front(ImageDraw.Draw(image), large, rng)
    return _lens(image.reduce(_OVER), rng)


def _view(model: CarModel, large: int, rng: random.Random) -> View:
    """A view that shows the car whole, or nearly."""
    yaw = math.radians(rng.uniform(8, 28)) * (1 if rng.random() < 0.75 else -1)
    pitch, roll = math.radians(rng.uniform(4, 13)), math.radians(rng.uniform(-3, 3))
    mirrored = rng.random() < 0.5
    spots = View(yaw, pitch, roll, mirrored).place(outline(model))
    left, right = min(x for x, _ in spots), max(x for x, _ in spots)
    top, bottom = min(y for _, y in spots), max(y for _, y in spots)
    scale = large * min(rng.uniform(0.84, 0.98) / (right - left), 0.86 / (bottom - top))
    x_room = (large - scale * (right - left)) / 2
    y_room = (large - scale * (bottom - top)) / 2
    x = large / 2 - scale * (left + right) / 2 + rng.uniform(-x_room, x_room)
    y = large / 2 - scale * (top + bottom) / 2 + rng.uniform(-0.5, 0.8) * y_room
    return View(yaw, pitch, roll, mirrored, scale, x, y)


def _brush(draw: ImageDraw.ImageDraw, view: View, rng: random.Random) -> Brush:
    hue, plain = rng.random(), rng.random() < 0.25
    saturation = rng.uniform(0.0, 0.08) if plain else rng.uniform(0.55, 0.95)
    paint = _hsv(hue, saturation, rng.uniform(0.45 if plain else 0.6, 1.0))
    rim = tone((214, 216, 220), rng.uniform(0.7, 1.1))
    glass = blend((50, 66, 82), (150, 186, 206), rng.random() ** 2)
    return Brush(draw, view, paint, rim, glass, turn=rng.uniform(0, 2 * math.pi), sun=rng.uniform(-1, 1))


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, saturation, value))
    return red, green, blue


def _shadow(image: Image.Image, model: CarModel, view: View, rng: random.Random) -> None:
    """A soft dark patch under the car, cast to one side."""
    coarse = image.width // 4
    mask = Image.new("L", (coarse, coarse))
    cast, wide = rng.uniform(-0.12, 0.12), HALF + 0.06
    front, back = model.at(0) + 0.03 + cast, model.at(1) - 0.03 + cast
    foot = view.place([(front, 0, -wide), (front, 0, wide), (back, 0, wide), (back, 0, -wide)])
    ImageDraw.Draw(mask).polygon([(x / 4, y / 4) for x, y in foot], fill=round(255 * rng.uniform(0.35, 0.75)))
    soft = mask.filter(ImageFilter.BoxBlur(coarse * rng.uniform(0.01, 0.03))).resize(image.size)
    image.paste((18, 18, 24), mask=soft)


# --- behind and in front ------------------------------------------------------------------------


def _fade(draw: ImageDraw.ImageDraw, large: int, top: float, bottom: float, colours: tuple[Colour, Colour]) -> None:
    """A band across the picture that goes from one colour to another."""
    first, last = max(0, round(top)), min(large, round(bottom))
    for y in range(first, last):
        draw.line([(0, y), (large, y)], fill=blend(*colours, (y - first) / max(1, last - first)))


def _soft(rng: random.Random, low: float = 0.45, high: float = 0.95) -> Colour:
    return _hsv(rng.random(), rng.uniform(0.02, 0.25), rng.uniform(low, high))


def _road(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    grey = _hsv(rng.random(), rng.uniform(0, 0.15), rng.uniform(0.3, 0.75))
    _fade(draw, large, horizon, large, (tone(grey, 1.1), tone(grey, rng.uniform(0.6, 0.95))))
    if rng.random() < 0.5:
        edge = horizon + rng.uniform(0.01, 0.05) * large
        draw.rectangle([0, horizon, large, edge], fill=_soft(rng))
    if rng.random() < 0.5:
        line, step = rng.uniform(0.86, 0.97) * large, rng.uniform(0.2, 0.4) * large
        for x in range(round(-rng.random() * step), large, round(step)):
            draw.rectangle([x, line, x + step * 0.55, line + 0.02 * large], fill=(225, 222, 205))


def _country(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    sky = _hsv(rng.choice((0.58, 0.55, 0.08, 0.95)), rng.uniform(0.1, 0.55), rng.uniform(0.7, 1))
    _fade(draw, large, 0, horizon, (sky, blend(sky, (255, 250, 240), 0.6)))
    for _ in range(rng.randrange(4)):
        x, y, wide = rng.random() * large, rng.uniform(0.02, 0.3) * large, rng.uniform(0.05, 0.15) * large
        for shift in (-0.6, 0, 0.6):
            high = wide * (0.45 if shift else 0.6)
            draw.ellipse([x + (shift - 1) * wide, y - high, x + (shift + 1) * wide, y + high], fill=(250, 250, 252))
    for depth in range(rng.randint(1, 3)):
        green = _hsv(rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.6), rng.uniform(0.4, 0.75))
        x, wide, high = (
            rng.random() * large,
            rng.uniform(0.3, 0.8) * large,
            rng.uniform(0.06, 0.28 - 0.06 * depth) * large,
        )
        draw.ellipse([x - wide, horizon - high, x + wide, horizon + high], fill=green)
    _road(draw, large, horizon, rng)


def _town(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    sky = _soft(rng, 0.7, 1.0)
    _fade(draw, large, 0, horizon, (sky, tone(sky, 0.9)))
    x = -rng.random() * 0.2 * large
    while x < large:
        wide, top = rng.uniform(0.12, 0.32) * large, horizon - rng.uniform(0.15, 0.6) * large
        wall = _soft(rng, 0.35, 0.85)
        draw.rectangle([x, top, x + wide, horizon], fill=wall)
        pane, step = tone(wall, rng.choice((0.65, 1.3))), wide / rng.randint(2, 4)
        for row in range(int((horizon - top) / step)):
            for column in range(round(wide / step)):
                left, up = x + (column + 0.25) * step, top + (row + 0.25) * step
                draw.rectangle([left, up, left + step * 0.5, up + step * 0.5], fill=pane)
        x += wide
    _road(draw, large, horizon, rng)


def _wall(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    wall = _soft(rng, 0.4, 0.9)
    _fade(draw, large, 0, horizon, (tone(wall, rng.uniform(0.8, 1.15)), wall))
    joint, row = tone(wall, rng.uniform(0.75, 0.95)), rng.uniform(0.05, 0.16) * large
    brick, bonded = row * rng.uniform(1, 3), rng.random() < 0.7
    for number in range(int(horizon / row) + 1):
        y = horizon - number * row
        draw.line([(0, y), (large, y)], fill=joint, width=2)
        shift = brick / 2 if bonded and number % 2 else 0
        for column in range(int(large / brick) + 2):
            x = column * brick - shift
            draw.line([(x, y - row), (x, y)], fill=joint, width=2)
    _road(draw, large, horizon, rng)


def _studio(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    back, floor = _soft(rng), _soft(rng)
    _fade(draw, large, 0, horizon, (tone(back, 0.85), back))
    _fade(draw, large, horizon, large, (blend(back, floor, rng.random()), floor))


def _playroom(draw: ImageDraw.ImageDraw, large: int, horizon: float, rng: random.Random) -> None:
    _studio(draw, large, horizon, rng)
    for _ in range(rng.randint(4, 10)):
        x, side = rng.random() * large, rng.uniform(0.04, 0.13) * large
        y = horizon - side * rng.uniform(0.2, 3)
        colour = _hsv(rng.random(), rng.uniform(0.2, 0.7), rng.uniform(0.5, 0.95))
        if rng.random() < 0.4:
            draw.ellipse([x - side, y - side, x + side, y + side], fill=colour)
        else:
            corners, turn = rng.randint(3, 6), rng.random() * 360
            draw.regular_polygon((x, y, side), corners, rotation=turn, fill=colour)


_BACKDROPS: tuple[Callable[[ImageDraw.ImageDraw, int, float, random.Random], None], ...] = (
    *(_country, _town, _wall, _studio, _playroom),
)


def _in_front(draw: ImageDraw.ImageDraw, large: int, rng: random.Random) -> None:
    """A post, a bush or a cone that hides a part of the car."""
    x, kind = rng.random() * large, rng.randrange(3)
    if kind == 0:
        wide, colour = rng.uniform(0.015, 0.04) * large, _soft(rng, 0.2, 0.6)
        draw.rectangle([x, 0, x + wide, large], fill=colour)
    elif kind == 1:
        green = _hsv(rng.uniform(0.22, 0.42), rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.6))
        for _ in range(9):
            cx, cy = x + rng.gauss(0, 0.05) * large, large * (1 - abs(rng.gauss(0, 0.07)))
            radius = rng.uniform(0.04, 0.08) * large
            draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=tone(green, rng.uniform(0.8, 1.25)))
    else:
        high, foot = rng.uniform(0.15, 0.28) * large, rng.uniform(0.88, 1.0) * large
        draw.polygon([(x - high * 0.3, foot), (x + high * 0.3, foot), (x, foot - high)], fill=(240, 110, 30))
        band = [(x - high * 0.17, foot - high * 0.43), (x + high * 0.17, foot - high * 0.43)]
        draw.polygon(
            [*band, (x + high * 0.1, foot - high * 0.66), (x - high * 0.1, foot - high * 0.66)], fill=(245, 245, 240)
        )


# --- light and lens -----------------------------------------------------------------------------


def _lens(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur, exposure, contrast, a tint, light that falls off to one side, and grain."""
    blur = max(0.0, rng.uniform(-0.5, 0.7)) * image.width / 96
    pixels: NDArray[np.float32] = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), np.float32)
    side = np.linspace(-1, 1, image.width, dtype=np.float32)
    turn, fall = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.22)
    shade = 1 + fall * (math.cos(turn) * side[None, :, None] + math.sin(turn) * side[:, None, None])
    tint = np.array([rng.uniform(0.93, 1.07) for _ in range(3)], np.float32)
    pixels = (pixels - 128) * rng.uniform(0.8, 1.15) + 128 + rng.uniform(-24, 22)
    pixels = pixels * shade * tint + _grain(pixels.shape, rng) * max(0.0, rng.uniform(-2, 6))
    return Image.fromarray(np.rint(pixels.clip(0, 255)).astype(np.uint8))


def _grain(shape: tuple[int, ...], rng: random.Random) -> NDArray[np.float32]:
    """Noise of mean 0 and deviation 1: a difference of two uniforms."""
    count = math.prod(shape)
    pair = np.frombuffer(rng.randbytes(2 * count), np.uint8).astype(np.float32)
    return ((pair[:count] - pair[count:]) / 104.5).reshape(shape)
