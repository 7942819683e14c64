"""What the benchmarks share: measuring in turn, naming the machine, a table, a file in results/benchmarks/."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from carsray.commit import git_commit
from carsray.files import write_json

OUT = Path("results/benchmarks")
os.environ.setdefault("WANDB_MODE", "disabled")  # nothing is sent because whoever measures is logged in
Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a benchmark asks for, and what was found."""

    what: str
    found: float
    asked: float
    at_most: bool = False
    """Whether less is better."""

    @property
    def met(self) -> bool:
        """Whether the machine at hand keeps it."""
        return self.found <= self.asked if self.at_most else self.found >= self.asked

    def as_figures(self) -> Figures:
        """For the file."""
        bound = f"at {'most' if self.at_most else 'least'} {self.asked:g}"
        return {"what": self.what, "found": significant(self.found), "asked": bound, "met": self.met}


def publish(
    name: str,
    measure: Callable[[], tuple[Figures, Sequence[Condition]]],
    packages: Sequence[str] = ("torch", "numpy"),
    keep: bool = True,
) -> None:
    """Measure, print figures and conditions, and keep them in results/benchmarks/NAME.json, whole or not at all."""
    load, began = os.getloadavg()[0], time.perf_counter()
    figures, conditions = measure()
    facts = {
        "command": " ".join(["scripts/bench", Path(sys.argv[0]).stem, *sys.argv[1:]]),
        "commit": git_commit(),
        "conditions": [condition.as_figures() for condition in conditions],
        "seconds": round(time.perf_counter() - began, 1),
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "machine": machine(),
        "versions": {package: version(package) for package in packages},
    }
    assert not figures.keys() & facts.keys(), "a figure has the name of a fact"
    facts |= figures
    print(json.dumps(facts, indent=2))
    if conditions:
        _show(conditions)
    if keep:
        write_json(OUT / f"{name}.json", facts)


def machine() -> Figures:
    """Processor, number of processors, GPU and system."""
    return {
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": platform.platform(),
    }


def seconds_of(work: Callable[[], object]) -> float:
    """Wall seconds of a call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """The median of some calls, one after the other."""
    return statistics.median(seconds_of(work) for _ in range(repeats))


def in_turn(works: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """What each work gives, so many times: one of each in every round, so that a slow minute is slow for all."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(work())
    return found


def spread(values: Sequence[float]) -> Figures:
    """Median, extremes and number of some measurements."""
    low, high = significant(min(values)), significant(max(values))
    return {"median": significant(statistics.median(values)), "low": low, "high": high, "repeats": len(values)}


def significant(value: float) -> float:
    """To four digits."""
    return float(f"{value:.4g}")


def _show(conditions: Sequence[Condition]) -> None:
    table = Table("asked of this benchmark", "asked", "found", "", box=None)
    for condition in conditions:
        row = condition.as_figures()
        table.add_row(row["what"], row["asked"], f"{row['found']:g}", "met" if row["met"] else "missed")
    Console().print(table)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
