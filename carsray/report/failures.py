"""Failed trials by kind: reasons that differ in their numbers only are one kind."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from carsray.leaderboard import TrialRow
from carsray.report.plots import Bar, Bars, Part, Table
from carsray.report.reading import Sweep

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(,\d{3})*(\.\d+)?(e[-+]?\d+)?(?!\w)")


@dataclass(frozen=True, slots=True)
class Failures:
    """The kinds, most frequent first, with one whole reason of each."""

    sentence: str
    bars: Bars
    table: Table
    examples: Sequence[tuple[str, str]]
    """(trial, all of its reason) where that is more than a line."""


def failures(sweep: Sweep) -> Failures | None:
    """None where nothing failed."""
    failed = sorted((row for row in sweep.rows if row.state == "failed"), key=lambda row: row.trial)
    if not failed:
        return None
    kinds: dict[str, list[TrialRow]] = {}
    for row in failed:
        kinds.setdefault(kind(row.reason), []).append(row)
    ordered = sorted(kinds.items(), key=lambda each: -len(each[1]))
    most = len(ordered[0][1])
    bars = [Bar(name, str(len(rows)), [Part(0, round(100 * len(rows) / most, 2), "failed")]) for name, rows in ordered]
    return Failures(
        f"{len(failed)} of {len(sweep.rows)} trials failed, in {len(ordered)} ways. The sweep went on without them.",
        Bars("Failures: " + "; ".join(f"{name}: {len(rows)}" for name, rows in ordered), bars),
        Table(
            "Failed trials",
            ["trial", "epochs", "node", "why"],
            [[str(row.trial), str(row.epochs), row.node, first_line(row.reason)] for row in failed],
            frozenset({0, 2, 3}),
        ),
        [(f"trial {rows[0].trial}", rows[0].reason) for _, rows in ordered if "\n" in rows[0].reason.strip()],
    )


def kind(reason: str) -> str:
    """A reason without its numbers."""
    return NUMBER.sub("…", first_line(reason))


def first_line(reason: str) -> str:
    """What happened; after it there may be a traceback."""
    return next(iter(reason.strip().splitlines()), "no reason was recorded")
