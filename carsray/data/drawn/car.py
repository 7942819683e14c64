"""Paints one car: its profile pulled out to a width, windows, and what drawn_trim adds."""

import math
from collections.abc import Sequence
from itertools import pairwise

from carsray.data.drawn.models import CarModel
from carsray.data.drawn.trim import DARK, HALF, bed, end, rails, side_lamps, spare_wheel, spoiler, wheels
from carsray.data.drawn.view import Brush, Flat, Point, disc, tone

_LEAN = 0.20
"""How far the side windows lean in, per unit of height."""
_ARCH = 1.13
"""Radius of a wheel arch, in wheels."""


def paint_car(brush: Brush, model: CarModel) -> None:
    """The whole car, from what is far to what is near."""
    for axle in _axles(model):
        brush.fill(disc(axle, model.wheel, -HALF + 0.12, model.wheel), tone(DARK, 0.8))
    tail_hidden = brush.view.yaw > 0
    if "spare" in model.extras and tail_hidden:
        spare_wheel(brush, model)
    _shell(brush, _body(model), [HALF] * len(_body(model)))
    _side(brush, model)
    end(brush, model)
    if "bed" in model.extras:
        bed(brush, model)
    if "open" in model.extras:
        _open_cabin(brush, model)
    else:
        _closed_cabin(brush, model)
    if "spoiler" in model.extras:
        spoiler(brush, model)
    if "spare" in model.extras and not tail_hidden:
        spare_wheel(brush, model)
    wheels(brush, model, _axles(model))


def outline(model: CarModel) -> list[Point]:
    """Points that span the car, for fitting it into a picture."""
    flat = [*_body(model), *_cabin(model), (model.at(0) - model.front, 0.0), (model.at(1) + model.rear, 0.0)]
    return [(x, y, z) for x, y in flat for z in (-HALF, HALF)]


def _axles(model: CarModel) -> tuple[float, float]:
    return model.at(0) - model.front, model.at(1) + model.rear


def _body(model: CarModel) -> list[Flat]:
    """The lower body from the front sill over the hood to the rear sill; (x, y)."""
    front, back, sill = model.at(0), model.at(1), model.clearance
    ahead = [(front - 0.05, sill), (front, sill + 0.06), (front, model.nose - 0.05), (front - 0.07, model.nose)]
    behind = [(back + 0.05, model.tail), (back, model.tail - 0.07), (back, sill + 0.08), (back + 0.05, sill)]
    return _rounded([*ahead, (model.at(model.cowl), model.belt), (model.at(model.deck), _shoulder(model, 1)), *behind])


def _cabin(model: CarModel) -> list[Flat]:
    """Windscreen, roof and rear window; (x, y)."""
    middle = (model.at((model.brow + model.crest) / 2), model.roof + 0.015)
    ahead = [(model.at(model.cowl), model.belt - 0.01), (model.at(model.brow), model.roof - 0.01)]
    behind = [(model.at(model.crest), model.roof_end), (model.at(model.deck), _shoulder(model, 1) - 0.01)]
    return _rounded([*ahead, middle, *behind])


def _shoulder(model: CarModel, share: float) -> float:
    """The height on which the cabin stands; share 0: at the windscreen, 1: at the rear window."""
    return model.belt + (max(model.belt, model.tail) - model.belt) * share


def _rounded(line: Sequence[Flat]) -> list[Flat]:
    """Corners cut twice, ends kept. https://en.wikipedia.org/wiki/Chaikin's_algorithm"""
    points = list(line)
    for _ in range(2):
        cut = [points[0]]
        for (ax, ay), (bx, by) in pairwise(points):
            cut += [(0.8 * ax + 0.2 * bx, 0.8 * ay + 0.2 * by), (0.2 * ax + 0.8 * bx, 0.2 * ay + 0.8 * by)]
        points = [*cut, points[-1]]
    return points


def _half_widths(model: CarModel, line: Sequence[Flat]) -> list[float]:
    return [HALF - _LEAN * max(0.0, y - model.belt) for _, y in line]


def _height_at(line: Sequence[Flat], x: float) -> float:
    """Height of a line that runs from nose to tail; 0 beyond its ends."""
    for (ax, ay), (bx, by) in pairwise(line):
        if bx <= x <= ax and ax > bx:
            return by + (ay - by) * (x - bx) / (ax - bx)
    return 0.0


def _shell(brush: Brush, line: Sequence[Flat], halves: Sequence[float]) -> None:
    """The faces that join the far side to the near one, where they can be seen."""
    faces = []
    for index, ((ax, ay), (bx, by)) in enumerate(pairwise(line)):
        size = math.hypot(bx - ax, by - ay) or 1.0
        ahead, up = (by - ay) / size, (ax - bx) / size
        if brush.view.nearness((ahead, up, 0.0)) > -0.05:
            a, b = halves[index], halves[index + 1]
            patch = [(ax, ay, -a), (ax, ay, a), (bx, by, b), (bx, by, -b)]
            faces.append((brush.view.nearness(((ax + bx) / 2, (ay + by) / 2, 0.0)), index, patch, up, ahead))
    for _, _, patch, up, ahead in sorted(faces):
        brush.fill(patch, brush.lit(brush.paint, up, ahead))


def _side(brush: Brush, model: CarModel) -> None:
    """The near side below the windows: sill, shoulder, arches, doors."""
    line = _body(model)
    brush.fill([(x, y, HALF) for x, y in line], tone(brush.paint, 0.9))
    sill = model.clearance + 0.28 * (model.belt - model.clearance)
    clad = "cladding" in model.extras
    brush.fill([(x, min(y, sill), HALF) for x, y in line], DARK if clad else tone(brush.paint, 0.72))
    for axle in _axles(model):
        arch = disc(axle, model.wheel, HALF, model.wheel * (1.3 if clad else _ARCH), 24)
        brush.fill([(x, max(y, model.clearance), z) for x, y, z in arch], tone(DARK, 1.0 if clad else 0.6))
    side_lamps(brush, model)
    _doors(brush, model)


def _doors(brush: Brush, model: CarModel) -> None:
    line = tone(brush.paint, 0.55)
    low = model.clearance + 0.05
    first = model.at(model.cowl + 0.05)
    edges = [first, *(model.at(pillar) for pillar in model.pillars or (model.deck - 0.03,))]
    for x in edges:
        lift = _arch_top(model, x)
        brush.stroke([(x, max(low, lift), HALF), (x, model.belt, HALF)], line, 0.012)
    for x in edges[1:]:
        brush.stroke([(x + 0.12, model.belt - 0.06, HALF), (x + 0.04, model.belt - 0.06, HALF)], line, 0.022)


def _arch_top(model: CarModel, x: float) -> float:
    """Top of the wheel arch at x, 0 where there is none."""
    radius = model.wheel * 1.3
    off = min(abs(x - axle) for axle in _axles(model))
    return model.wheel + math.sqrt(radius**2 - off**2) if off < radius else 0.0


def _closed_cabin(brush: Brush, model: CarModel) -> None:
    line = _cabin(model)
    halves = _half_widths(model, line)
    _shell(brush, line, halves)
    _screens(brush, model)
    brush.fill([(x, y, z) for (x, y), z in zip(line, halves, strict=True)], tone(brush.paint, 0.95))
    stops = [model.cowl, *model.pillars, model.deck]
    panes = list(pairwise(stops))
    for start, stop in panes[:1] if "panel" in model.extras else panes:
        _pane(brush, model, line, start, stop)
    if "rails" in model.extras:
        rails(brush, model, HALF - _LEAN * (model.roof - model.belt))


def _screens(brush: Brush, model: CarModel) -> None:
    """Windscreen and rear window, where they face the eye."""
    front = ((model.at(model.cowl), model.belt), (model.at(model.brow), model.roof))
    rear = ((model.at(model.crest), model.roof_end), (model.at(model.deck), _shoulder(model, 1)))
    for (ax, ay), (bx, by) in (front, rear):
        if brush.view.nearness((by - ay, ax - bx, 0.0)) > 0:
            ends = [(ax + (bx - ax) * t, ay + (by - ay) * t) for t in (0.14, 0.86)]
            (cx, cy), (dx, dy) = ends
            c, d = (half - 0.045 for half in _half_widths(model, ends))
            brush.fill([(cx, cy, -c), (cx, cy, c), (dx, dy, d), (dx, dy, -d)], tone(brush.glass, 1.15))


def _pane(brush: Brush, model: CarModel, line: Sequence[Flat], start: float, stop: float) -> None:
    """One side window between two shares of the length."""
    first, last = model.at(start) - 0.018, model.at(stop) + 0.018
    top, bottom = [], []
    for step in range(13):
        x = first + (last - first) * step / 12
        share = (model.at(model.cowl) - x) / (model.at(model.cowl) - model.at(model.deck))
        sill = _shoulder(model, share) + 0.02 + model.kick * max(0.0, 2 * share - 1)
        roof = min(_height_at(line, x - 0.03), _height_at(line, x + 0.03)) - 0.035
        if roof > sill:
            top.append((x, roof))
            bottom.append((x, sill))
    pane = [*top, *reversed(bottom)]
    if len(pane) > 4:
        brush.fill([(x, y, z) for (x, y), z in zip(pane, _half_widths(model, pane), strict=True)], brush.glass)


def _open_cabin(brush: Brush, model: CarModel) -> None:
    """Seats, windscreen in its frame, and the folded top."""
    inside, wide = model.belt + 0.004, HALF - 0.06
    front, back = model.at(model.cowl + 0.02), model.at(model.deck)
    brush.fill([(front, inside, -wide), (front, inside, wide), (back, inside, wide), (back, inside, -wide)], DARK)
    if brush.view.yaw <= 0:
        _wind_shield(brush, model)
    seat = model.at(model.deck - 0.08)
    for z in (-0.16, 0.14):
        back_rest = [(seat + 0.02, inside), (seat - 0.01, model.roof - 0.09), (seat - 0.06, model.roof - 0.07)]
        back_rest += [(seat - 0.10, model.roof - 0.10), (seat - 0.09, inside)]
        brush.fill([(x, y, z - 0.08) for x, y in back_rest], tone(brush.glass, 0.7))
        brush.fill([(x, y, z + 0.05) for x, y in back_rest], tone(brush.glass, 0.9))
    if brush.view.yaw > 0:
        _wind_shield(brush, model)
    fold = [(back + 0.03, inside), (back + 0.01, inside + 0.05), (back - 0.08, inside + 0.05), (back - 0.12, inside)]
    for z in (-wide, wide):
        brush.fill([(x, y, z) for x, y in fold], DARK)
    brush.fill(
        [
            (back, inside + 0.05, -wide),
            (back - 0.08, inside + 0.05, -wide),
            (back - 0.08, inside + 0.05, wide),
            (back, inside + 0.05, wide),
        ],
        tone(DARK, 1.5),
    )


def _wind_shield(brush: Brush, model: CarModel) -> None:
    foot, top = (model.at(model.cowl), model.belt), (model.at(model.brow), model.roof)
    low, high = _half_widths(model, (foot, top))
    frame: list[Point] = [(*foot, -low), (*foot, low), (*top, high), (*top, -high)]
    brush.fill(frame, tone(brush.glass, 1.25))
    brush.stroke([*frame, frame[0]], tone(brush.paint, 0.7), 0.03)
