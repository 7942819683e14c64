"""The details that tell sibling models apart: lamps, grilles, wheels, and what sits on roof and tail."""

import math
from collections.abc import Sequence

from carsray.data.drawn.models import CarModel, Grille, Lamp
from carsray.data.drawn.view import Brush, Colour, Flat, Point, disc, tone

HALF = 0.34
"""Half of every car's width, in units."""
DARK: Colour = (40, 41, 46)
_TYRE: Colour = (33, 33, 37)
_CHROME: Colour = (205, 208, 212)
_HEAD: Colour = (255, 246, 205)
_TAIL: Colour = (214, 34, 38)
_PLATE: Colour = (236, 236, 226)


def _ring(across: float, up: float, wide: float, high: float, sides: int = 12) -> list[Flat]:
    turns = (2 * math.pi * side / sides for side in range(sides))
    return [(across + wide * math.cos(turn), up + high * math.sin(turn)) for turn in turns]


def _block(left: float, low: float, right: float, high: float) -> list[Flat]:
    return [(left, low), (right, low), (right, high), (left, high)]


_LAMPS: dict[Lamp, list[list[Flat]]] = {
    "round": [_ring(0, 0, 0.085, 0.085)],
    "twin": [_ring(-0.06, 0, 0.05, 0.05, 10), _ring(0.06, 0, 0.05, 0.05, 10)],
    "square": [_block(-0.085, -0.065, 0.085, 0.065)],
    "slit": [_block(-0.15, -0.025, 0.11, 0.025)],
    "tall": [_block(-0.045, -0.15, 0.055, 0.065)],
    "drop": [[(-0.14, -0.085), (0.01, -0.065), (0.10, 0.07), (0.02, 0.06)]],
}
"""Patches as (outwards from the middle of the car, up), in units."""

_GRILLES: dict[Grille, tuple[list[list[Flat]], list[list[Flat]]]] = {
    "bars": ([_block(-0.15, -0.06, 0.15, 0.06)], [_block(-0.15, y, 0.15, y + 0.014) for y in (-0.042, -0.007, 0.028)]),
    "teeth": (
        [_block(-0.16, -0.06, 0.16, 0.06)],
        [_block(x, -0.06, x + 0.018, 0.06) for x in (-0.11, -0.05, 0.01, 0.07)],
    ),
    "oval": ([_ring(0, 0, 0.12, 0.065), _ring(0, 0, 0.09, 0.04)], [_ring(0, 0, 0.12, 0.065)]),
    "kidney": ([_ring(-0.065, 0, 0.055, 0.075), _ring(0.065, 0, 0.055, 0.075)], []),
    "smile": ([[(-0.19, 0.03), (-0.12, -0.05), (0.12, -0.05), (0.19, 0.03), (0.11, -0.01), (-0.11, -0.01)]], []),
    "hex": ([[(-0.17, 0.0), (-0.11, -0.085), (0.11, -0.085), (0.17, 0.0), (0.11, 0.07), (-0.11, 0.07)]], []),
    "mesh": (
        [_block(-0.18, -0.065, 0.18, 0.065)],
        [[(x, -0.065), (x + 0.02, -0.065), (x + 0.08, 0.065), (x + 0.06, 0.065)] for x in (-0.17, -0.08, 0.01, 0.10)],
    ),
    "blank": ([_block(-0.17, -0.09, 0.17, -0.06)], []),
}
"""Dark openings, then chrome, as (across, up) from the middle of the grille."""


def end(brush: Brush, model: CarModel) -> None:
    """The front or the tail, whichever faces the eye."""
    if brush.view.yaw > 0:
        _front(brush, model)
    else:
        _tail(brush, model)


def _front(brush: Brush, model: CarModel) -> None:
    face = model.at(0) + 0.002
    middle = model.clearance + 0.56 * (model.nose - model.clearance)
    dark, chrome = _GRILLES[model.grille]
    _bumper(brush, model, face)
    if model.grille == "oval":
        dark, chrome = dark[1:], chrome[:1]
        _patches(brush, chrome, face, middle, _CHROME)
        _patches(brush, dark, face, middle, DARK)
    else:
        _patches(brush, dark, face, middle, DARK)
        _patches(brush, chrome, face, middle, _CHROME)
    _lamp_pair(brush, model.headlamp, face, _lamp_height(model.nose), _HEAD)


def _tail(brush: Brush, model: CarModel) -> None:
    face = model.at(1) - 0.002
    _bumper(brush, model, face)
    plate = model.clearance + 0.5 * (model.tail - model.clearance)
    _patches(brush, [_block(-0.09, -0.03, 0.09, 0.03)], face, plate, _PLATE)
    _lamp_pair(brush, model.taillamp, face, _lamp_height(model.tail), _TAIL)


def _lamp_height(top: float) -> float:
    return top - 0.11


def _bumper(brush: Brush, model: CarModel, face: float) -> None:
    low = model.clearance + 0.06
    colour = DARK if "cladding" in model.extras else tone(brush.paint, 0.62)
    _patches(brush, [_block(-HALF, 0.0, HALF, 0.045)], face, low - 0.02, colour)


def _patches(brush: Brush, patches: Sequence[Sequence[Flat]], face: float, up: float, colour: Colour) -> None:
    """Patches (across, up) on the plane x = face."""
    for patch in patches:
        brush.fill([(face, up + y, z) for z, y in patch], colour)


def _lamp_pair(brush: Brush, lamp: Lamp, face: float, up: float, colour: Colour) -> None:
    for side in (-1, 1):
        for patch in _LAMPS[lamp]:
            rim = [(face, up + 1.25 * y, side * (HALF - 0.125 + 1.2 * out)) for out, y in patch]
            brush.fill(rim, tone(brush.paint, 0.5))
            brush.fill([(face, up + y, side * (HALF - 0.125 + out)) for out, y in patch], colour)


def side_lamps(brush: Brush, model: CarModel) -> None:
    """What of both lamps wraps round the corner to the near side."""
    ends = (
        (model.at(0), -1, model.headlamp, _lamp_height(model.nose), _HEAD),
        (model.at(1), 1, model.taillamp, _lamp_height(model.tail), _TAIL),
    )
    for x, inward, lamp, up, colour in ends:
        for patch in _LAMPS[lamp]:
            brush.fill([(x + inward * (0.075 - 0.55 * out), up + y, HALF) for out, y in patch], colour)


def wheels(brush: Brush, model: CarModel, axles: Sequence[float]) -> None:
    """The two wheels of the near side."""
    for axle in axles:
        for z in (HALF - 0.12, HALF - 0.06, HALF + 0.01):
            brush.fill(disc(axle, model.wheel, z, model.wheel), _TYRE)
        _rim(brush, axle, model.wheel, model.wheel * 0.68, model.spokes)


def _rim(brush: Brush, x: float, y: float, radius: float, spokes: int) -> None:
    z = HALF + 0.012
    if spokes == 0:
        brush.fill(disc(x, y, z, radius), brush.rim)
        brush.fill(disc(x, y, z, radius * 0.5), tone(brush.rim, 0.7))
        brush.fill(disc(x, y, z, radius * 0.38), brush.rim)
        return
    brush.fill(disc(x, y, z, radius), brush.rim)
    brush.fill(disc(x, y, z, radius * 0.86), tone(brush.rim, 0.32))
    half = min(0.5, 1.1 / spokes)
    for spoke in range(spokes):
        turn = brush.turn + 2 * math.pi * spoke / spokes
        corners = [(0.1, turn - 1.2), (0.9, turn - half * 0.6), (0.9, turn + half * 0.6), (0.1, turn + 1.2)]
        brush.fill([(x + radius * r * math.cos(a), y + radius * r * math.sin(a), z) for r, a in corners], brush.rim)
    brush.fill(disc(x, y, z, radius * 0.24, 10), brush.rim)


def bed(brush: Brush, model: CarModel) -> None:
    """The open load bed of a pickup."""
    front, back, wide, rim = model.at(model.deck + 0.03), model.at(0.965), HALF - 0.05, model.tail + 0.003
    brush.fill([(front, rim, -wide), (front, rim, wide), (back, rim, wide), (back, rim, -wide)], DARK)


def rails(brush: Brush, model: CarModel, half: float) -> None:
    """Two bars along the roof."""
    front, back = model.at(model.brow + 0.06), model.at(model.crest - 0.04)
    for z in (-half + 0.04, half - 0.02):
        bar = [(front, model.roof + 0.02, z), (back, model.roof_end + 0.02, z)]
        raised = [(x, y + 0.022, z) for x, y, z in bar]
        brush.stroke([bar[0], *raised, bar[1]], DARK, 0.022)


def spoiler(brush: Brush, model: CarModel) -> None:
    """A lip behind the roof where the car ends there, else a wing on the tail."""
    high = model.deck > 0.96
    x, y = (model.at(model.crest), model.roof_end) if high else (model.at(0.95), model.tail + 0.09)
    wide = HALF - 0.06 if high else HALF - 0.01
    if not high:
        for z in (-wide + 0.08, wide - 0.08):
            brush.stroke([(x, model.tail - 0.02, z), (x - 0.02, y, z)], DARK, 0.03)
    plate: list[Point] = [(x + 0.06, y - 0.005, -wide), (x + 0.06, y - 0.005, wide), (x - 0.1, y + 0.015, wide)]
    brush.fill([*plate, (x - 0.1, y + 0.015, -wide)], brush.lit(brush.paint, 1.0, 0.0))
    brush.stroke([plate[1], plate[2]], tone(brush.paint, 0.6), 0.03)


def spare_wheel(brush: Brush, model: CarModel) -> None:
    """The fifth wheel on the tail."""
    up = 0.6 * model.tail + 0.4 * model.clearance + 0.06
    sides = (2 * math.pi * side / 18 for side in range(18))
    ring = [(up + math.sin(turn), math.cos(turn)) for turn in sides]
    for step, (radius, colour) in enumerate(((0.155, _TYRE), (0.155, _TYRE), (0.155, _TYRE), (0.1, brush.rim))):
        face = model.at(1) - 0.03 * min(step, 2) - 0.01
        brush.fill([(face, up + radius * (y - up), radius * z) for y, z in ring], colour)
