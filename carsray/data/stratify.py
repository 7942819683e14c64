"""Takes the same share of every class, and never parts two copies of one picture."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from carsray.data.records import Row, SplitName
from carsray.errors import DataError
from carsray.seed import derive

Sides = dict[SplitName, list[Row]]
Unit = list[Row]
"""All copies of one picture."""


def stratify(
    rows: Sequence[Row], classes: Sequence[str], shares: Mapping[SplitName, float], rest: SplitName, seed: int
) -> Sides:
    """Take each side's share of every class; what is left is the side named rest.

    Depends on digests, labels and seed, not on paths or order. Copies with two labels are left to rest.
    Raises DataError for a class that has too few distinct pictures.
    """
    units, torn = gather(rows)
    sides: Sides = {**{side: [] for side in shares}, rest: [row for unit in torn for row in unit]}
    spare = {row.label for row in sides[rest]}
    for label, name in enumerate(classes):
        _require(name, len(units[label]), len(shares) + (label not in spare), [*shares, rest])
        count = sum(len(unit) for unit in units[label]) + sum(row.label == label for unit in torn for row in unit)
        order = np.random.default_rng(derive(seed, "split", label)).permutation(len(units[label]))
        left = [units[label][i] for i in order]
        later = len(shares) + (label not in spare)
        for side, wanted in quotas(count, shares).items():
            later -= 1
            taken, left = take(left, wanted, len(left) - later)
            sides[side] += [row for unit in taken for row in unit]
        sides[rest] += [row for unit in left for row in unit]
    return sides


def gather(rows: Sequence[Row]) -> tuple[dict[int, list[Unit]], list[Unit]]:
    """All copies of a picture together, in the order of their digests: by label, and those that have several labels."""
    copies: defaultdict[str, Unit] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.digest, row.label, row.path)):
        copies[row.digest].append(row)
    whole: defaultdict[int, list[Unit]] = defaultdict(list)
    torn = []
    for unit in copies.values():
        if unit[0].label == unit[-1].label:
            whole[unit[0].label].append(unit)
        else:
            torn.append(unit)
    return whole, torn


def take(units: list[Unit], wanted: int, most: int) -> tuple[list[Unit], list[Unit]]:
    """From the front, at most this many units that hold as near to wanted pictures as they can; and the other units.

    At least one is taken; there has to be one.
    """
    taken: list[Unit] = []
    left: list[Unit] = []
    for unit in units:
        fits = len(taken) < most and len(unit) <= wanted
        (taken if fits else left).append(unit)
        wanted -= len(unit) if fits else 0
    if not taken:  # every picture has more copies than are wanted; none at all would be worse
        smallest = min(left, key=len)
        return [smallest], [unit for unit in left if unit is not smallest]
    return taken, left


def quotas(count: int, shares: Mapping[SplitName, float]) -> dict[SplitName, int]:
    """Pictures of a class of count for each side: rounded, at least one, and one left over."""
    wanted = {side: max(1, int(count * share + 0.5)) for side, share in shares.items()}
    while sum(wanted.values()) >= count and max(wanted.values()) > 1:
        largest = max(wanted, key=lambda side: wanted[side])
        wanted[largest] -= 1
    return wanted


def _require(name: str, found: int, needed: int, sides: Sequence[SplitName]) -> None:
    if found < needed:
        plural = "" if found == 1 else "s"
        raise DataError(
            f"class {name!r}: {found} distinct picture{plural} to share out; at least {needed} are needed, so that "
            f"{', '.join(sides)} get one each - add pictures or leave the class out"
        )
