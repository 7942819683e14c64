"""The eye that looks at a drawn car, and the brush that paints what it sees.

Points are (x, y, z) in units: x along the car, nose positive; y up from the road; z across it, the near side positive.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import ImageDraw

Colour = tuple[int, int, int]
Flat = tuple[float, float]
Point = tuple[float, float, float]

_PERSPECTIVE = 0.14
"""How much larger a thing looks per unit of nearness."""


@dataclass(frozen=True, slots=True)
class View:
    """Where the eye is (angles in radians), and where the car lands in the picture (pixels)."""

    yaw: float
    """Positive: the front shows; negative: the tail."""
    pitch: float
    roll: float
    mirrored: bool
    scale: float = 1.0
    """Pixels to a unit."""
    x: float = 0.0
    y: float = 0.0

    def nearness(self, point: Point) -> float:
        """How much nearer to the eye than the middle of the car, in units."""
        x, y, z = point
        return (x * math.sin(self.yaw) + z * math.cos(self.yaw)) * math.cos(self.pitch) + y * math.sin(self.pitch)

    def place(self, points: Iterable[Point]) -> list[Flat]:
        """Pixels of points: turn by yaw, tip by pitch, weak perspective, mirror, roll and scale."""
        cos_yaw, sin_yaw = math.cos(self.yaw), math.sin(self.yaw)
        cos_pitch, sin_pitch = math.cos(self.pitch), math.sin(self.pitch)
        cos_roll, sin_roll = math.cos(self.roll) * self.scale, math.sin(self.roll) * self.scale
        side = -1.0 if self.mirrored else 1.0
        placed = []
        for x, y, z in points:
            near = x * sin_yaw + z * cos_yaw
            larger = 1 / (1 - _PERSPECTIVE * near)
            across = (x * cos_yaw - z * sin_yaw) * larger * side
            down = (near * sin_pitch - y * cos_pitch) * larger
            placed.append((self.x + across * cos_roll - down * sin_roll, self.y + across * sin_roll + down * cos_roll))
        return placed


@dataclass(frozen=True, slots=True)
class Brush:
    """A surface to draw on, the view, and what differs from car to car of one model."""

    draw: ImageDraw.ImageDraw
    view: View
    paint: Colour
    rim: Colour
    glass: Colour
    turn: float
    """How far the wheels have rolled, in radians."""
    sun: float
    """Where the light comes from, -1 (behind the tail) to 1 (ahead of the nose)."""

    def fill(self, points: Iterable[Point], colour: Colour) -> None:
        """One flat patch."""
        self.draw.polygon(self.view.place(points), fill=colour)

    def stroke(self, points: Iterable[Point], colour: Colour, width: float) -> None:
        """A line, width in units."""
        self.draw.line(self.view.place(points), fill=colour, width=max(1, round(width * self.view.scale)))

    def lit(self, colour: Colour, up: float, ahead: float) -> Colour:
        """The colour on a face whose outward normal is (ahead, up, 0)."""
        return tone(colour, 0.84 + 0.28 * up + 0.14 * ahead * self.sun)


def tone(colour: Colour, gain: float) -> Colour:
    """The colour, lighter or darker."""
    red, green, blue = (max(0, min(255, round(part * gain))) for part in colour)
    return red, green, blue


def blend(one: Colour, other: Colour, share: float) -> Colour:
    """A mixture that holds this share of the other colour."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def disc(x: float, y: float, z: float, radius: float, sides: int = 18) -> list[Point]:
    """A circle in the plane of the car's side."""
    turns = (2 * math.pi * side / sides for side in range(sides))
    return [(x + radius * math.cos(turn), y + radius * math.sin(turn), z) for turn in turns]
