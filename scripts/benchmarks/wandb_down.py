"""What a sweep loses, in time and in epochs, when W&B does not answer: paired sweeps, without W&B and with it down.

    scripts/bench wandb-down

Each round runs the same sweep once for every way: without W&B (off), then with a key and a server on loopback that
refuses connections, hangs, answers 500, or answers the login and hangs from then on (lost). Every trial runs to its
end, two at a time on two processors: all sweeps have the same work, and no processor is free. Times are those of the
whole command, from its start to its exit; a way is set beside the off of its own round. Then the sweep is sent to a
server that answers, and epochs that are not there are counted.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import Condition, Figures, in_turn, publish, spread
from small_sweep import COMMAND, lay_out

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from wandb_server import KEY, Fault, Stored, serving

from carsray.leaderboard import read_rows
from carsray.results import SweepFolder

SEARCH = """\
optimizer = { choices = ["adam", "sgd"], default = "adam" }
lr = { low = 1e-4, high = 1e-2, log = true, default = 1e-3 }"""
WAYS: dict[str, Fault] = {"refuses": "", "hangs": "hang", "answers 500": "500", "lost": ""}
ALLOWED = 0.05
"""Of the time without W&B."""
END = 10.0
"""Seconds that the end may take where the server is lost after the login."""


class Sweeps:
    """Sweeps over the same pictures, in folders of their own."""

    def __init__(self, root: Path, trials: int) -> None:
        self.root, self.trials, self.count = root, trials, 0
        self.missing: dict[str, int] = dict.fromkeys(WAYS, 0)
        """Epochs on record that no server got."""
        lay_out(root, "rungs = [6]", SEARCH)

    def off(self) -> float:
        """Seconds without W&B."""
        return self._seconds("off")[0]

    def down(self, way: str) -> float:
        """Seconds with a server in trouble; then the sweep is sent, and what is missing counted."""
        with serving(WAYS[way]) as (url, stored):
            os.environ["WANDB_BASE_URL"] = "http://127.0.0.1:9" if way == "refuses" else url
            with falling_silent(stored) if way == "lost" else no_change():
                seconds, folder = self._seconds("online")
        self.missing[way] += unsent(folder)
        return seconds

    def _seconds(self, mode: str) -> tuple[float, SweepFolder]:
        self.count += 1
        folder = SweepFolder(self.root / "results" / f"sweep-{self.count}")
        asked = ["--data", self.root / "pictures", "--trials", self.trials, "--concurrent", 2, "--wandb", mode]
        where = ["--name", folder.name, "--results", folder.root.parent, "--cache", self.root / "cache"]
        began = time.perf_counter()
        said = carsray("sweep", self.root / "space.toml", *asked, *where)
        seconds = time.perf_counter() - began
        rows = read_rows(folder)
        assert [row.state for row in rows] == ["finished"] * self.trials, said
        print(f"{seconds:.1f} s: {mode}", *(line for line in said.splitlines() if "W&B" in line), file=sys.stderr)
        return seconds, folder


@contextmanager
def falling_silent(stored: Stored) -> Iterator[None]:
    """A server that hangs as soon as it has answered a login."""
    answer = stored.answer

    def last_words(operation: str, given: dict[str, object], url: str) -> dict[str, object]:
        if operation == "GetDefaultEntity":
            stored.fault = "hang"
        return answer(operation, given, url)

    stored.answer = last_words  # type: ignore[method-assign]
    yield


@contextmanager
def no_change() -> Iterator[None]:
    """The server stays as it is."""
    yield


def unsent(folder: SweepFolder) -> int:
    """Send a sweep to a server that answers; the epochs of its record that are not there once."""
    with serving() as (url, stored):
        os.environ["WANDB_BASE_URL"] = url
        carsray("wandb", "sync", folder.name, "--results", folder.root.parent)
    sent = [(name[-4:], row["_step"]) for name, run in stored.runs.items() for row in run["lines"]]
    kept = [(f"{t.number:04d}", line["epoch"]) for t in folder.all_trials() for line in t.read_history()]
    return sum(sent.count(epoch) != 1 for epoch in kept)


def carsray(*arguments: object) -> str:
    """Run a command to its end; what it said."""
    done = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """All ways in turn, so many times."""
    os.environ["WANDB_API_KEY"] = KEY
    os.environ.pop("WANDB_MODE", None)
    with tempfile.TemporaryDirectory(prefix="carsray-wandb-") as scratch:
        sweeps = Sweeps(Path(scratch), options.trials)
        sweeps.off()  # the first one packs the pictures, and finds no page of torch in memory
        works = {"off": sweeps.off, **{way: (lambda way=way: sweeps.down(way)) for way in WAYS}}
        found = in_turn(works, options.repeats)
    longer = {way: [at / off - 1 for at, off in zip(found[way], found["off"], strict=True)] for way in WAYS}
    figures = {
        "trials": options.trials,
        "sweep_seconds": {way: spread(values) for way, values in found.items()},
        "longer": {way: spread(values) for way, values in longer.items()},
        "epochs_missing": sweeps.missing,
    }
    off = statistics.median(found["off"])
    return figures, conditions({way: statistics.median(values) for way, values in longer.items()}, sweeps.missing, off)


def conditions(longer: dict[str, float], missing: dict[str, int], off: float) -> list[Condition]:
    """What is asked: no more than the allowed share longer, and nothing lost."""
    made = [
        Condition(f"{way}: share of the time without W&B that it takes longer", longer[way], ALLOWED, at_most=True)
        for way in WAYS
        if way != "lost"
    ]
    lost = Condition("lost: seconds that it takes longer", longer["lost"] * off, END + ALLOWED * off, at_most=True)
    return [*made, lost, Condition("epochs missing after a sync", sum(missing.values()), 0, at_most=True)]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--quick", action="store_true", help="a smoke run that writes nothing")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.repeats = 2, 1
    return options


if __name__ == "__main__":
    options = parse()
    publish("wandb-down", lambda: measure(options), packages=("wandb", "torch", "ray"), keep=not options.quick)
