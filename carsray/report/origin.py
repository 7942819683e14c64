"""Where the numbers come from: data, the test ledger, versions, processes and commands."""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from carsray.commit import git_commit
from carsray.report.plots import Table
from carsray.report.reading import Sweep
from carsray.space import Value
from carsray.tuning.picture import duration

DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,52}\b")


@dataclass(frozen=True, slots=True)
class Origin:
    """All that another person needs to judge a number, or to find it again."""

    facts: Sequence[tuple[str, str]]
    commands: Sequence[str]
    ledger: Table | None
    ledger_sentence: str
    versions: Table
    runs: Table
    space: str
    """The search space's file."""


def origin(sweep: Sweep) -> Origin:
    """From sweep.json, runs.jsonl and the ledger."""
    data, openings = sweep.facts["data"], sweep.findings.openings
    test = f"{data['test']:,} test ({data['test_kind']})" if data["test"] else "no test"
    facts = [
        ("data", str(sweep.settings.data)),
        ("pictures", f"{data['classes']} classes; {data['train']:,} train, {data['val']:,} val, {test}"),
        ("fingerprint", data["fingerprint"]),
        ("seed", str(sweep.settings.seed)),
        ("begun", str(sweep.facts.get("started", ""))),
        ("commit of the sweep", str(sweep.facts.get("git_commit") or "not recorded")),
        ("commit of this page", str(git_commit() or "not recorded")),
    ]
    return Origin(
        facts,
        list(_commands(sweep)),
        _ledger(openings),
        _sentence(sweep),
        _versions(sweep),
        _runs(sweep),
        sweep.space.text,
    )


def _commands(sweep: Sweep) -> Iterator[str]:
    """Commands that lead to this again: as they were typed, where that is on record."""
    settings, name = sweep.settings, sweep.arguments
    pins = [part for key, value in sweep.space.pinned.items() for part in ("--set", f"{key}={_plain(value)}")]
    limits = {
        "--budget-hours": settings.budget_hours,
        "--budget-gpu-hours": settings.budget_gpu_hours,
        "--target": settings.target,
        "--gpus-per-trial": settings.gpus_per_trial,
        "--concurrent": settings.concurrent,
        "--storage": settings.storage,
    }
    asked = [part for option, value in limits.items() if value is not None for part in (option, _plain(value))]
    sizes = (*settings.extended_from, settings.trials)
    size = ["--trials", str(sizes[0]), "--seed", str(settings.seed)]
    begin = ["carsray", "sweep", str(sweep.folder.space), "--data", str(settings.data)]
    yield sweep.facts.get("command") or shlex.join([*begin, *pins, *size, *asked]) + f" --name {name}"
    for before, trials in pairwise(sizes):
        yield f"carsray extend {name} --trials {trials - before}"
    if confirmed := sweep.findings.confirmed:
        yield str(confirmed.get("command") or f"carsray confirm {name}")
    if retrieved := sweep.findings.retrieved:
        source = re.search(r"trials/(\d+)/checkpoint", str(retrieved.get("source", "")))
        yield f"carsray retrieval {name}" + (f" --trial {int(source[1])}" if source else "")
    if retrained := sweep.findings.retrained:
        unconfirmed = not retrained.get("confirmed", True) and retrained.get("trial") is not None
        trial = f" --trial {retrained['trial']}" if unconfirmed else ""
        average = f" --ema {retrained['average']['decay']:g}" if retrained.get("average") else ""
        yield f"carsray retrain {name}{trial} --seeds {len(retrained['seeds'])}{average}"


def _plain(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _sentence(sweep: Sweep) -> str:
    count = len(sweep.findings.openings)
    if count:
        return f"The test was opened {'once' if count == 1 else f'{count} times'}."
    return "The test has not been opened: its ledger is empty." if sweep.split.test else "There is no test split."


def _ledger(openings: Sequence[Mapping[str, Any]]) -> Table | None:
    columns = ("time", "by", "experiment", "seed", "pictures", "test_kind", "commit", "config", "weights", "test")
    rows = [[_short(line.get(column, "")) for column in columns] for line in openings]
    words = frozenset(range(len(columns))) - {3, 4}
    return Table("Test ledger; digests by their first twelve digits", columns, rows, words) if rows else None


def _short(value: object) -> str:
    return DIGEST.sub(r"\1", str(value))


def _versions(sweep: Sweep) -> Table:
    versions = sweep.facts.get("versions", {})
    host = sweep.facts.get("host", {})
    rows = [[name, str(version or "not installed")] for name, version in versions.items()]
    rows += [["python", str(sweep.facts.get("python", ""))], ["system", str(host.get("system", ""))]]
    rows += [["processors", str(host.get("cpus", ""))], ["host", str(host.get("name", ""))]]
    return Table("Versions", ["what", "version"], rows, frozenset({0, 1}))


def _runs(sweep: Sweep) -> Table:
    begun = [run for run in sweep.runs if run["event"] == "began"]
    rows = [
        [
            datetime.fromtimestamp(began).astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            duration(ended - began),
            str(run.get("host", {}).get("name", "")),
            _short(run.get("git_commit") or ""),
        ]
        for run, (began, ended) in zip(begun, sweep.spans, strict=True)
    ]
    return Table("Processes that worked on it", ["begun", "for", "host", "commit"], rows, frozenset({0, 2, 3}))
