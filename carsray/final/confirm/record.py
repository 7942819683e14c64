"""What a confirmation leaves in the sweep's folder: finalists.csv, finalists.json, winner.toml."""

import csv
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carsray.commit import git_commit
from carsray.config import TrialConfig
from carsray.files import read_object, write_json, write_text
from carsray.final.confirm.verdict import METHOD, Standing, Verdict, statement
from carsray.results import SweepFolder
from carsray.settings import DERIVED
from carsray.toml_lines import toml_line

COLUMNS = (
    *("trial", "chosen", "search_score", "mean", "low", "high", "seeds", "seed_deviation"),
    *("difference", "difference_low", "difference_high", "separable", "epochs", "seconds"),
)

WIDTH = 110


@dataclass(frozen=True, slots=True)
class Asked:
    """What `carsray confirm` was asked for, and what came of it beside the verdict."""

    command: str
    top: int
    seeds: int
    failures: Mapping[str, str] = field(default_factory=dict)
    """By the name of a repetition."""
    notes: Sequence[str] = ()
    """What a reader should know."""


def write_verdict(folder: SweepFolder, verdict: Verdict, asked: Asked, params: Sequence[str]) -> dict[str, Any]:
    """Write all three; what finalists.json says. ``params`` are the searched parameters."""
    found = summary(verdict, asked) | {"among": progress(folder)}
    write_text(folder.finalists, table(verdict, params))
    write_json(folder.finalists_json, found)
    write_text(folder.winner, winner_text(folder, verdict, asked))
    return found


def progress(folder: SweepFolder) -> dict[str, int]:
    """How far a sweep has come: trials that have an epoch, and epochs of all of them."""
    epochs = [len(trial.read_history()) for trial in folder.all_trials()]
    return {"trials": sum(map(bool, epochs)), "epochs": sum(epochs)}


def read_finalists(folder: SweepFolder) -> dict[str, Any]:
    """What finalists.json says; empty where there is none: no winner yet, or a person has written winner.toml.

    Raises ResultsError where it cannot be read.
    """
    path = folder.finalists_json
    return read_object(path, "Restore it, or confirm the finalists again") if path.exists() else {}


def gone_on(folder: SweepFolder) -> str:
    """That the sweep has gone on since its winner was named, in words; empty where it has not, or nobody knows."""
    among, now = read_finalists(folder).get("among"), progress(folder)
    if not among or among == now:
        return ""
    return (
        f"the winner was named among {among['trials']} trials with {among['epochs']} epochs, and the sweep has gone on "
        f"since: {now['trials']} trials, {now['epochs']} epochs. To name it anew: carsray confirm {folder.arguments}"
    )


def is_of(found: Mapping[str, Any], retrained: Mapping[str, Any]) -> bool:
    """Whether what finalists.json says is of the model that retrain.json is about; older ones name no trial."""
    return bool(retrained.get("confirmed", True)) and retrained.get("trial", found["chosen"]) == found["chosen"]


def table(verdict: Verdict, params: Sequence[str]) -> str:
    """finalists.csv: one row a finalist, best mean first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *params])
    for standing in verdict.standings:
        row = as_row(standing, verdict)
        writer.writerow([*(row[name] for name in COLUMNS), *map(standing.finalist.params.get, params)])
    return text.getvalue()


def as_row(standing: Standing, verdict: Verdict) -> dict[str, Any]:
    """A finalist's numbers under the names of finalists.csv."""
    behind = standing.behind or (None, None)
    return {
        "trial": standing.finalist.trial,
        "chosen": standing is verdict.chosen,
        "search_score": standing.finalist.score,
        "mean": standing.mean,
        "low": standing.interval[0],
        "high": standing.interval[1],
        "seeds": len(standing.accuracies),
        "seed_deviation": verdict.seed_deviation,
        "difference": standing.difference,
        "difference_low": behind[0],
        "difference_high": behind[1],
        "separable": standing.separable,
        "epochs": standing.finalist.config.epochs,
        "seconds": round(standing.seconds, 2),
    }


def summary(verdict: Verdict, asked: Asked) -> dict[str, Any]:
    """finalists.json."""
    chosen = verdict.chosen
    return {
        "chosen": chosen.finalist.trial,
        "separable": verdict.separable,
        "settings": settings_of(chosen.finalist.config),
        "alike": [standing.finalist.trial for standing in verdict.alike],
        "statement": statement(verdict),
        "seeds": len(chosen.accuracies),
        "mean": chosen.mean,
        "interval": list(chosen.interval),
        "search_score": chosen.finalist.score,
        "curse": chosen.curse,
        "seed_deviation": verdict.seed_deviation,
        "val_losses": list(chosen.val_losses),
        "method": METHOD,
        "finalists": [
            {**as_row(standing, verdict), "accuracies": list(standing.accuracies), "params": standing.finalist.params}
            for standing in verdict.standings
        ],
        "asked": {"top": asked.top, "seeds": asked.seeds},
        "failed": dict(asked.failures),
        "notes": list(asked.notes),
        "command": asked.command,
        "git_commit": git_commit(),
    }


def winner_text(folder: SweepFolder, verdict: Verdict, asked: Asked) -> str:
    """winner.toml: an experiments file, whose settings are those that differ from their defaults."""
    name, chosen = folder.name, verdict.chosen
    comment = [
        f"The winner of {name}: trial {chosen.finalist.trial}.",
        "",
        f"Made by: {asked.command}",
        *textwrap.wrap(statement(verdict), WIDTH),
        "",
        f"Next:    carsray retrain {folder.arguments}",
        f"Or:      carsray sweep SPACE --data DIR --from {folder.winner}#winner",
    ]
    lines = [
        *(f"# {line}".rstrip() for line in comment),
        "",
        "[[experiment]]",
        'id = "winner"',
        toml_line("title", f"the winner of {name}, trial {chosen.finalist.trial}"),
        'report = ["val"]                # `carsray reproduce` is not to open the test; that is for retrain, once',
        *(toml_line(key, value) for key, value in settings_of(chosen.finalist.config).items()),
    ]
    return "\n".join(lines) + "\n"


def settings_of(config: TrialConfig) -> dict[str, Any]:
    """What differs from the defaults; seeds are the trainings' own."""
    usual = TrialConfig().model_dump(mode="json")
    values = config.model_dump(mode="json")
    return {name: value for name, value in values.items() if name not in DERIVED and value != usual[name]}


def show_json(found: dict[str, Any]) -> str:
    """For --json."""
    return json.dumps(found, indent=2)
