"""report.md of a reproduction, and the same tables on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.table import Table

from carsray.published.tables import Row, cells

HEADER = ("experiment", "metric", "published", "reproduced", "difference and 95 % interval")
DEVIATING = "Settings differ from the published ones, and with them what the difference means"


@dataclass(frozen=True, slots=True)
class About:
    """What a reader has to know to trust a table."""

    name: str
    """Of the report."""
    command: str
    commit: str | None
    data: str
    """Classes and pictures."""
    fingerprints: tuple[str, ...]
    seeds: int
    pins: Mapping[str, object]
    notes: tuple[str, ...]
    impossible: Mapping[str, str]
    """By experiment: why it could not run."""


def table_title(rows: Sequence[Row]) -> str:
    """Which pictures a table is about, and what its intervals hold for."""
    first = rows[0]
    where = f"test ({first.test_kind})" if first.split == "test" else "validation"
    over = f"; intervals for other seeds on the same pictures, from {first.seeds}" if first.seeds > 1 else ""
    return f"{where}, {first.pictures:,} pictures{over}"


def by_table(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """(title, rows) for each set of pictures; test before validation."""
    ordered = sorted(rows, key=lambda row: (row.split != "test", table_title([row])))
    for title, group in groupby(ordered, key=lambda row: table_title([row])):
        yield title, list(group)


def terminal_tables(rows: Sequence[Row]) -> Iterator[Table]:
    """One table for each set of pictures."""
    for title, group in by_table(rows):
        table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
        for at, name in enumerate(HEADER):
            table.add_column(name, justify="right" if at in (2, 3) else "left", no_wrap=True)
        for name, same in groupby(group, key=lambda row: row.experiment):
            for at, row in enumerate(same):
                table.add_row("" if at else name, *cells(row), end_section=False)
        yield table


def markdown(about: About, rows: Sequence[Row], pictures: Sequence[str]) -> str:
    """The whole report."""
    parts = [f"# {about.name}: published and reproduced", _facts(about)]
    for title, group in by_table(rows):
        parts += [f"## {title[0].upper()}{title[1:]}", _table(group)]
    if about.impossible:
        reasons = (f"- {name}: {reason.splitlines()[0]}" for name, reason in about.impossible.items())
        parts += ["## Not run", "\n".join(reasons)]
    if pictures:
        parts += ["## Curves and comparison", "\n\n".join(f"![{path}]({path})" for path in pictures)]
    return "\n\n".join(parts) + "\n"


def _facts(about: About) -> str:
    marks = ", ".join(mark[:12] for mark in about.fingerprints)
    lines = [
        f"`{about.command}`",
        f"Commit {about.commit or 'unknown'}; {about.data}; fingerprint {marks}.",
        f"{about.seeds} seed{'s' if about.seeds > 1 else ''}. Shares are in percent. "
        + (
            "Intervals are Student's t over the seeds."
            if about.seeds > 1
            else "Intervals are by the pictures (Wilson, bootstrap): they hold for these weights, not for another seed."
        ),
    ]
    if about.pins:
        pins = ", ".join(f"{name} = {value}" for name, value in about.pins.items())
        lines.append(f"**{DEVIATING}**: {pins}.")
    return "\n\n".join([*lines, "\n".join(f"- {note}" for note in about.notes)]).strip()


def _table(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADER) + " |", "| --- | --- | ---: | ---: | --- |"]
    for name, same in groupby(rows, key=lambda row: (row.experiment, row.title)):
        for at, row in enumerate(same):
            label = "" if at else f"**{name[0]}** {name[1]}".strip()
            lines.append("| " + " | ".join((label, *cells(row))) + " |")
    return "\n".join(lines)
