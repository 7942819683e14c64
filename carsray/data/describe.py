"""What is in a source, in numbers, as text or for a machine."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from carsray.data.inspect import Inspection
from carsray.data.records import Catalog, Picture
from carsray.data.splits import fingerprint

SHOWN = 5
"""Lines of a list that the short form shows."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Smallest, middle and largest of some numbers; all 0 where there are none."""

    min: int
    median: float
    max: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Byte-identical pictures."""

    paths: list[str]
    classes: list[str]
    """The labels they carry; more than one is a contradiction in the source."""
    splits: list[str]
    """The stated splits they lie in; more than one is a leak."""


@dataclass(frozen=True, slots=True)
class Description:
    """All that ``carsray data info`` says."""

    kind: str
    root: str
    images: int
    classes: int
    empty: list[str]
    """Folders that hold no picture directly, and are no classes for that."""
    official_test: bool
    splits: dict[str, int]
    """Pictures by what the source states; "none" where it states nothing."""
    per_class: Spread
    class_counts: dict[str, int]
    width: Spread
    height: Spread
    unreadable: dict[str, str]
    """Reason by path."""
    duplicates: list[Duplicate]
    fingerprint: str
    """SHA-256 over digests, labels and stated splits of the readable pictures."""


def describe(catalog: Catalog, inspection: Inspection) -> Description:
    """Count and compare the pictures of a catalog."""
    readable = [picture for picture in catalog.pictures if inspection[picture.path].problem is None]
    counts = Counter(picture.label for picture in catalog.pictures)
    bad = {str(p.path): why for p in catalog.pictures if (why := inspection[p.path].problem)}
    entries = ((picture.split or "none", inspection[picture.path].digest, picture.label) for picture in readable)
    return Description(
        kind=catalog.kind,
        root=str(catalog.root),
        images=len(catalog.pictures),
        classes=len(catalog.classes),
        empty=list(catalog.empty),
        official_test=catalog.official_test,
        splits=dict(Counter(picture.split or "none" for picture in catalog.pictures)),
        per_class=_spread(counts[label] for label in range(len(catalog.classes))),
        class_counts={name: counts[label] for label, name in enumerate(catalog.classes)},
        width=_spread(inspection[picture.path].width for picture in readable),
        height=_spread(inspection[picture.path].height for picture in readable),
        unreadable=bad,
        duplicates=_duplicates(catalog, readable, inspection),
        fingerprint=fingerprint(entries),
    )


def render(description: Description, verbose: bool = False) -> str:
    """The description as plain text; verbose lists every class, file and duplicate."""
    d = description
    torn = [group for group in d.duplicates if len(group.classes) > 1]
    leaks = [group for group in d.duplicates if len(group.splits) > 1]
    lines = [
        f"{d.root}",
        f"kind         {d.kind}{', with the official test' if d.official_test else ''}",
        f"images       {d.images} ({', '.join(f'{name}: {count}' for name, count in d.splits.items())})",
        f"classes      {d.classes}, each with {_text(d.per_class)} pictures (min/median/max)",
        *([f"no class     {len(d.empty)} of the folders: no picture lies directly in them"] if d.empty else []),
        *_some(d.empty, verbose),
        f"size         width {_text(d.width)}, height {_text(d.height)} pixels",
        f"unreadable   {len(d.unreadable)}",
        *_some([f"{path}: {why}" for path, why in d.unreadable.items()], verbose),
        f"duplicates   {len(d.duplicates)} groups of byte-identical pictures",
        f"  of these   {len(torn)} with two labels, {len(leaks)} on two sides of the stated split",
        *_some([_line(group) for group in d.duplicates], verbose),
        f"fingerprint  {d.fingerprint}",
    ]
    if verbose:
        wide = max(map(len, d.class_counts))
        lines += ["", *(f"{name:<{wide}}  {count:>6}" for name, count in d.class_counts.items())]
    return "\n".join(lines)


def _duplicates(catalog: Catalog, readable: Iterable[Picture], inspection: Inspection) -> list[Duplicate]:
    copies: defaultdict[str, list[Picture]] = defaultdict(list)
    for picture in sorted(readable, key=lambda picture: picture.path):
        copies[inspection[picture.path].digest].append(picture)
    groups = [group for group in copies.values() if len(group) > 1]
    return [
        Duplicate(
            paths=[_relative(picture.path, catalog.root) for picture in group],
            classes=[catalog.classes[label] for label in sorted({picture.label for picture in group})],
            splits=sorted({picture.split or "none" for picture in group}),
        )
        for group in groups
    ]


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _spread(numbers: Iterable[int]) -> Spread:
    values = sorted(numbers)
    return Spread(values[0], median(values), values[-1]) if values else Spread(0, 0, 0)


def _text(spread: Spread) -> str:
    return f"{spread.min}/{spread.median:g}/{spread.max}"


def _line(group: Duplicate) -> str:
    return " = ".join(group.paths) + (f"  labels: {' | '.join(group.classes)}" if len(group.classes) > 1 else "")


def _some(lines: list[str], every: bool) -> list[str]:
    shown = lines if every else lines[:SHOWN]
    rest = len(lines) - len(shown)
    return [f"  {line}" for line in shown] + ([f"  ... and {rest} more (--verbose lists all)"] if rest else [])
