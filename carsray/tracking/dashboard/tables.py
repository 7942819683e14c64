"""What the report says in words and tables, from the record: panels show curves, and no figure can be read off them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from carsray.leaderboard import TrialRow, ranked, read_rows
from carsray.results import SweepFolder
from carsray.tracking.facts import SweepFacts
from carsray.tracking.later_runs import read_table

SHOWN = 10


def answer(folder: SweepFolder, facts: SweepFacts) -> str:
    """The best trial, how many there were, and what came of confirming it."""
    rows = read_rows(folder)
    scored = [row for row in ranked(rows) if row.best]
    counts = Counter(row.state for row in rows)
    ended = ", ".join(f"{number} {state}" for state, number in counts.items())
    if not scored:
        return f"{len(rows)} trials ({ended}), none with a score yet."
    best, rungs = scored[0], ", ".join(map(str, facts.space.rungs))
    lines = [
        f"Best of {len(rows)} trials ({ended}): **trial {best.trial}**, val/accuracy {best.score:.4f}.",
        f"Trials are compared at epochs {rungs}; the longest have {facts.space.epochs}.",
    ]
    chosen = next((line for line in read_table(folder.root / "finalists.csv") if line["chosen"] == "True"), None)
    if chosen:
        lines.append(
            f"Confirmed over {chosen['seeds']} repetitions: **trial {chosen['trial']}**, mean accuracy "
            f"{_share(chosen['mean'])}, 95 % interval {_share(chosen['low'])} to {_share(chosen['high'])}."
        )
    return "\n\n".join(lines)


def leaders(folder: SweepFolder, facts: SweepFacts) -> str:
    """The best trials with their parameters."""
    names = list(facts.space.parameters)
    rows = [row for row in ranked(read_rows(folder)) if row.best][:SHOWN]
    body = [
        [row.trial, row.state, row.epochs, f"{row.score:.4f}", *(_value(row, name) for name in names)] for row in rows
    ]
    return markdown(["trial", "state", "epochs", "val/accuracy_best", *names], body)


def failed(folder: SweepFolder) -> str:
    """Failures by kind, with the first reason of each."""
    kinds: dict[str, list[TrialRow]] = {}
    for row in read_rows(folder):
        if row.state == "failed":
            kinds.setdefault(row.kind or "unknown", []).append(row)
    if not kinds:
        return "No trial has failed."
    body = [
        [kind, len(rows), ", ".join(str(row.trial) for row in rows[:SHOWN]), rows[0].reason.splitlines()[0]]
        for kind, rows in sorted(kinds.items(), key=lambda each: -len(each[1]))
    ]
    return markdown(["kind", "trials", "which", "the first one's reason"], body)


def finalists(folder: SweepFolder) -> str:
    """Every finalist with its interval."""
    lines = read_table(folder.root / "finalists.csv")
    if not lines:
        return f"Not confirmed yet: `carsray confirm {folder.name}`"
    body = [
        [
            *(line["trial"] + (" (chosen)" if line["chosen"] == "True" else ""), line["seeds"], _share(line["mean"])),
            *(f"{_share(line['low'])} to {_share(line['high'])}", _share(line["search_score"])),
        ]
        for line in lines
    ]
    return markdown(["trial", "repetitions", "mean accuracy", "95 % interval", "in the search"], body)


def retrieval(folder: SweepFolder) -> str:
    """The best points of the grid."""
    lines = read_table(folder.root / "retrieval.csv")[:SHOWN]
    if not lines:
        return f"No retrieval sweep yet: `carsray retrieval {folder.name}`"
    body = [
        [
            *(line["k"], line["distance"], line["normalize"], line["vote"], _share(line["accuracy"])),
            f"{_share(line['accuracy_low'])} to {_share(line['accuracy_high'])}",
        ]
        for line in lines
    ]
    return markdown(["k", "distance", "normalisation", "vote", "accuracy", "95 % interval"], body)


def markdown(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table; a bar within a cell would end it."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _share(text: str) -> str:
    return f"{float(text):.4f}" if text else "?"


def _value(row: TrialRow, name: str) -> str:
    value = row.params.get(name, "")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
