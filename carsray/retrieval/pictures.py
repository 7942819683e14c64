"""What a retrieval sweep looks like: accuracy over k, and some queries with their neighbours."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from carsray.files import write_bytes
from carsray.retrieval.evaluate import Outcome

STYLE: Any = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
SIDE, EDGE, GAP = 96, 4, 8
RIGHT, WRONG, ASKED = "#2e8b57", "#c0392b", "#404040"


def draw_accuracy(outcomes: Sequence[Outcome], path: Path) -> None:
    """Accuracy over k, a panel per distance, a line per normalisation and vote, as PNG."""
    distances = list(dict.fromkeys(each.point.distance for each in outcomes))
    names = dict.fromkeys(f"{each.point.normalize}, {each.point.vote}" for each in outcomes)
    colours = {name: f"C{at}" for at, name in enumerate(names)}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.5 + 3.2 * len(distances), 3.6), layout="constrained")
        panels = figure.subplots(1, len(distances), sharey=True, squeeze=False)[0]
        for axes, distance in zip(panels, distances, strict=True):
            lines: dict[str, list[tuple[int, float]]] = {}
            for each in outcomes:
                if each.point.distance == distance:
                    name = f"{each.point.normalize}, {each.point.vote}"
                    lines.setdefault(name, []).append((each.point.k, each.metrics["accuracy"]))
            for name, values in lines.items():
                axes.plot(*zip(*sorted(values), strict=True), marker="o", ms=3, label=name, color=colours[name])
            axes.set(title=distance, xlabel="k")
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("accuracy")
        longest = max(panels, key=lambda axes: len(axes.lines))
        figure.legend(*longest.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
        file = io.BytesIO()
        figure.savefig(file, dpi=130)
    write_bytes(path, file.getvalue())


def draw_neighbours(queries: Sequence[np.ndarray], neighbours: Sequence[Sequence[tuple[np.ndarray, bool]]]) -> bytes:
    """A PNG: a row per query, the query first, then its neighbours, nearest first; green is right, red is wrong.

    Pictures are uint8 (S, S, 3); with each neighbour goes whether it has the query's class.
    """
    columns = 1 + max(map(len, neighbours))
    cell = SIDE + 2 * EDGE + GAP
    sheet = Image.new("RGB", (GAP + columns * cell + GAP, GAP + len(queries) * cell), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (query, found) in enumerate(zip(queries, neighbours, strict=True)):
        _place(sheet, draw, query, (GAP, GAP + row * cell), ASKED)
        for column, (picture, right) in enumerate(found, start=1):
            _place(sheet, draw, picture, (2 * GAP + column * cell, GAP + row * cell), RIGHT if right else WRONG)
    file = io.BytesIO()
    sheet.save(file, "PNG")
    return file.getvalue()


def _place(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, picture: np.ndarray, at: tuple[int, int], colour: str
) -> None:
    x, y = at
    draw.rectangle((x, y, x + SIDE + 2 * EDGE - 1, y + SIDE + 2 * EDGE - 1), fill=colour)
    sheet.paste(Image.fromarray(np.asarray(picture)).resize((SIDE, SIDE)), (x + EDGE, y + EDGE))
