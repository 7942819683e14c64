"""Bounding boxes, held against the pictures they are said to belong to."""

from collections.abc import Mapping
from pathlib import Path

from carsray.data.inspect import Inspection
from carsray.data.records import Box, Picture

STRAY_SHARE = 0.01
"""Published boxes leave the picture now and then by a pixel or two; more of them, and they belong to other pictures."""


def fit_boxes(pictures: list[Picture], inspection: Inspection) -> tuple[Mapping[Path, Box], str | None]:
    """The boxes cut to their pictures, by path; none, and a warning, where they belong to other pictures."""
    boxed = [(picture.path, picture.box) for picture in pictures if picture.box]
    cut = {path: _cut(box, inspection[path].width, inspection[path].height) for path, box in boxed}
    stray = sum(cut[path] != box for path, box in boxed)
    if stray > STRAY_SHARE * len(boxed):
        return {}, (
            f"{stray} of {len(boxed)} boxes reach outside their pictures, so these were cropped or resized since: "
            f"no box is used"
        )
    return {path: box for path, box in cut.items() if box[0] < box[2] and box[1] < box[3]}, None


def _cut(box: Box, width: int, height: int) -> Box:
    return max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)
