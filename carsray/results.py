"""The results folder of a sweep: one property per file. Plain text throughout, readable without carsray."""

import itertools
import json
import shlex
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from carsray.config import TrialConfig, trial_config
from carsray.errors import ResultsError
from carsray.files import append_line, read_object, write_json, write_text

BEST = "val/accuracy_best"
"""The best epoch so far; never falls. Optuna, ASHA, the leaderboard and the winner rank by it alone."""

MICRO_BATCHES = "train/micro_batches"
"""Parts that each batch was cut into for lack of memory; absent where batches were whole."""

COMPUTING = "seconds/compute"
"""How long an epoch took but for what is not its own: views, validation, waiting."""

LATELY = 600.0
"""Seconds: whose lock cannot be seen, a process of another machine or of another user, shows by what it has written."""

AT_ONCE = 0.5
"""Seconds: who only looks whether a sweep is worked on has its lock for less."""

CUT = "train/cut_after_step"
"""Where an epoch was cut short, the step; see training/hopeless.py."""

COMPLETE, INTERRUPTED = "complete", "interrupted"
"""Why a process ended to work on a sweep, as runs.jsonl says it; anything else is a limit, or failures in a row."""

State = Literal["running", "paused", "finished", "pruned", "failed"]
"""A paused trial stands at a rung; it goes on if it is among the best there, and is pruned when the sweep is complete.
One that runs while nobody works on the sweep was cut off, by a signal, a crash or a limit, and goes on first."""


def whole_epoch_seconds(entry: Mapping[str, Any]) -> float | None:
    """How long the trial of an entry of a history computes for an epoch; None where it does not tell."""
    return None if CUT in entry else entry.get(COMPUTING)


@dataclass(frozen=True, slots=True)
class TrialState:
    """state.json of a trial."""

    state: State
    epochs: int = 0
    seconds: float = 0.0
    reason: str = ""
    """Why a failed trial failed."""
    node: str = ""
    """Where it ran: the host's name and the first digits of Ray's node id."""
    kind: str = ""
    """Of its failure, as training/messages.py lists them; "lost" where its Ray actor was."""


class TrialFolder:
    """trials/<id>/ of one trial; the id is the trial's number, four digits or more."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.number = int(root.name)
        self.config = root / "config.json"
        self.history = root / "history.jsonl"
        self.state = root / "state.json"
        self.checkpoint = root / "checkpoint.safetensors"
        self.snapshot = root / "snapshot.safetensors"

    def write_config(self, params: dict[str, Any], config: dict[str, Any]) -> None:
        """Store what was searched (params) and the whole config."""
        write_json(self.config, {"params": params, "config": config})

    def read_params(self) -> dict[str, Any]:
        """The searched values."""
        return dict(_read_json(self.config, "params")["params"])

    def read_trial_config(self) -> TrialConfig:
        """The whole config."""
        return trial_config(_read_json(self.config, "config")["config"], str(self.config))

    def write_state(self, state: TrialState) -> None:
        """Replace state.json."""
        write_json(self.state, asdict(state))

    def read_state(self) -> TrialState:
        """What state.json says."""
        return TrialState(**_read_json(self.state, "state"))

    def append(self, metrics: dict[str, Any]) -> None:
        """Add one epoch to the history."""
        append_line(self.history, json.dumps(metrics))

    def cut_history(self, epochs: int) -> None:
        """Keep the first so many epochs: those after them are trained again."""
        cut_history(self.history, epochs)

    def read_history(self) -> list[dict[str, Any]]:
        """One dict per epoch. A last line cut short by a kill is left out; any other broken line is an error."""
        return read_lines(self.history)


class SweepFolder:
    """results/<name>/ of one sweep."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.name = root.name
        self.space = root / "space.toml"
        self.settings = root / "sweep.json"
        self.split = root / "split.csv"
        self.study = root / "study.db"
        self.table = root / "trials.csv"
        self.importances = root / "importances.json"
        self.runs = root / "runs.jsonl"
        self.visits = root / "visits.jsonl"
        """A line for each command that has worked on it with storage, so that two folders that went on apart show."""
        self.finalists = root / "finalists.csv"
        self.finalists_json = root / "finalists.json"
        self.winner = root / "winner.toml"
        self.trials = root / "trials"

    @property
    def arguments(self) -> str:
        """What a command is told to find the sweep: its name, and where it lies unless that is the usual place."""
        name, place = shlex.quote(self.name), shlex.quote(str(self.root.parent))
        return name if self.root.parent == Path("results") else f"{name} --results {place}"

    def trial(self, number: int) -> TrialFolder:
        """The folder of one trial."""
        return TrialFolder(self.trials / f"{number:04d}")

    def all_trials(self) -> Iterator[TrialFolder]:
        """Every trial that has a folder, by number."""
        if self.trials.is_dir():
            names = sorted((p for p in self.trials.iterdir() if p.name.isdigit()), key=lambda p: int(p.name))
            yield from map(TrialFolder, names)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep every other process off the sweep. Raises ResultsError where one is at work on it.

        The lock is the system's: it ends with its process, however that ends.
        """
        lock = self._lock()
        try:
            lock.acquire(timeout=AT_ONCE)
        except Timeout:
            raise ResultsError(
                f"{self.root}: another process works on this sweep. Wait for its end, or stop it"
            ) from None
        except OSError as error:
            raise ResultsError(
                f"{self.root.parent}: cannot be written ({error.strerror}), and work on a sweep begins with its lock "
                "there. Mend the folder, or copy the sweep to one of yours"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def at_work(self) -> bool | None:
        """Whether a process of this machine works on the sweep at this moment; None where its lock cannot be opened."""
        try:
            with self._lock().acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return None

    def _lock(self) -> FileLock:
        return FileLock(self.root.with_name(f".{self.name}.lock"))

    def append_run(self, event: str, **facts: Any) -> None:
        """Note that a process began or ended to work on the sweep."""
        append_line(self.runs, json.dumps({"event": event, "time": round(time.time(), 2), **facts}))

    def read_runs(self) -> list[dict[str, Any]]:
        """What append_run noted; a last line cut short by a kill is left out."""
        return read_lines(self.runs)

    def read_settings(self) -> dict[str, Any]:
        """What sweep.json says."""
        return _read_json(self.settings)


def create_sweep(results: Path, name: str) -> SweepFolder:
    """A new, empty results folder. Raises ResultsError if the name is taken, no name for a folder, or unwritable.

    What a process left that died before it wrote sweep.json holds nothing, and bars no name.
    """
    folder = free_folder(results, name)
    try:
        folder.root.mkdir(parents=True, exist_ok=_left_empty(folder))
        folder.trials.mkdir(exist_ok=True)
    except FileExistsError:
        raise _taken(folder) from None  # by another process, since then
    except OSError as error:
        raise _barred(folder, error) from None
    return folder


def free_folder(results: Path, name: str) -> SweepFolder:
    """The results folder that a new sweep may make. Raises ResultsError if the name is taken, or no folder's."""
    if not name or name != Path(name).name or name.startswith("."):
        raise ResultsError(f"--name {name!r}: must be a plain folder name such as cars-1")
    folder = SweepFolder(results / name)
    try:
        taken = folder.root.exists() and not _left_empty(folder)
    except OSError as error:
        raise _barred(folder, error) from None
    if taken:
        raise _taken(folder)
    return folder


def _barred(folder: SweepFolder, error: OSError) -> ResultsError:
    return ResultsError(f"{folder.root}: cannot be created: {error.strerror}. Choose another --results or --name")


def _taken(folder: SweepFolder) -> ResultsError:
    return ResultsError(
        f"{folder.root}: exists already. Choose another --name, or go on with: carsray resume {folder.arguments}"
    )


def _left_empty(folder: SweepFolder) -> bool:
    """Whether there is no more than what `begin_record` writes before sweep.json, and no trial."""
    if folder.root.is_file():
        return False
    entries = folder.root.iterdir() if folder.root.is_dir() else ()
    there = {path.name for path in entries if not path.name.endswith(".partial")}
    return there <= {folder.trials.name, folder.space.name, folder.split.name} and not any(folder.all_trials())


def next_name(results: Path, stem: str, taken: Collection[str] = ()) -> str:
    """The first of stem-1, stem-2, ... that is no folder there and not taken elsewhere."""
    names = (f"{stem}-{n}" for n in itertools.count(1))
    return next(name for name in names if name not in taken and not (results / name).exists())


def open_sweep(results: Path, name: str) -> SweepFolder:
    """The results folder of an earlier sweep. Raises ResultsError, naming the sweeps that are there."""
    folder = SweepFolder(results / name)
    if not folder.settings.is_file():
        there = sorted(p.parent.name for p in results.glob("*/sweep.json"))
        known = f"Sweeps there: {', '.join(there)}" if there else "There are no sweeps"
        raise ResultsError(f"{folder.root}: is no sweep. {known}")
    return folder


def read_lines(path: Path) -> list[dict[str, Any]]:
    """One dict a line; none where there is no file. A last line cut short by a kill is left out.

    Raises ResultsError where any other line is broken.
    """
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            if number < len(lines):
                raise ResultsError(f"{path}: line {number} is not JSON. Restore the file or delete it") from None
    return found


def cut_history(path: Path, epochs: int) -> None:
    """Keep the lines of the first so many epochs."""
    kept = [line for line in read_lines(path) if line["epoch"] <= epochs]
    write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


def _read_json(path: Path, *needed: str) -> dict[str, Any]:
    advice = "Restore it or start a new sweep"
    value = read_object(path, advice)
    if not value.keys() >= {*needed}:
        raise ResultsError(f"{path}: cannot be read (no JSON object with {', '.join(needed)}). {advice}")
    return value
