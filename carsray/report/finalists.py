"""The finalists, repeated: means with intervals, and beside each what the search had said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.report.numbers import bounds, point_bounds, points, round_share, share
from carsray.report.plots import Estimate, Estimates, Key, Table, axis
from carsray.report.reading import Sweep
from carsray.report.scales import Scale, share_span
from carsray.tuning.picture import duration, number


@dataclass(frozen=True, slots=True)
class Finalists:
    """The verdict."""

    statement: str
    method: str
    notes: Sequence[str]
    estimates: Estimates
    table: Table
    settings: Table


def finalists(sweep: Sweep) -> Finalists | None:
    """None before `carsray confirm`."""
    confirmed = sweep.findings.confirmed
    if not confirmed:
        return None
    rows: list[Mapping[str, Any]] = confirmed["finalists"]
    scale = share_span(x for row in rows for x in (row["low"], row["high"], row["search_score"], *row["accuracies"]))
    outdated = [sweep.findings.gone_on] if sweep.findings.gone_on else []
    failed = [f"{name} failed: {reason.splitlines()[0]}" for name, reason in confirmed.get("failed", {}).items()]
    return Finalists(
        confirmed["statement"],
        confirmed.get("method", ""),
        [*outdated, *confirmed.get("notes", ()), *failed],
        Estimates(
            "Mean accuracy of each finalist: "
            + "; ".join(
                f"trial {row['trial']} {share(row['mean'])}, {bounds((row['low'], row['high']))}" for row in rows
            ),
            axis("accuracy on fresh pictures", scale, round_share),
            [_estimate(scale, row) for row in rows],
            [
                Key("interval", "mean and 95 % interval"),
                Key("spot", "single repetitions", shape="dot"),
                Key("searched", "what the search said", shape="tick"),
            ],
        ),
        _table(rows),
        _settings(rows),
    )


def _estimate(scale: Scale, row: Mapping[str, Any]) -> Estimate:
    return Estimate(
        f"trial {row['trial']}" + (", the winner" if row["chosen"] else ""),
        f"{share(row['mean'])} ({bounds((row['low'], row['high']))})",
        scale.at(row["mean"]),
        "chosen" if row["chosen"] else "other",
        scale.at(row["low"]),
        scale.at(row["high"]),
        scale.at(row["search_score"]),
        [scale.at(each) for each in row["accuracies"]],
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    head = [
        "trial",
        "named",
        "search",
        "repeated",
        "95 %",
        "the search said more",
        "behind the best",
        "epochs",
        "seeds",
        "training",
    ]
    cells = [
        [
            str(row["trial"]),
            "winner" if row["chosen"] else "",
            share(row["search_score"]),
            share(row["mean"]),
            bounds((row["low"], row["high"])),
            points(row["search_score"] - row["mean"]),
            ""
            if row["difference_low"] is None
            else f"{points(row['difference'])} ({point_bounds((row['difference_low'], row['difference_high']))})",
            str(row["epochs"]),
            str(row["seeds"]),
            duration(row["seconds"]),
        ]
        for row in rows
    ]
    return Table("Finalists, best mean first; differences in points", head, cells, frozenset({0, 1}))


def _settings(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row["params"]))
    cells = [[str(row["trial"]), *(number(row["params"].get(name, "")) for name in names)] for row in rows]
    return Table("Their settings", ["trial", *names], cells)
