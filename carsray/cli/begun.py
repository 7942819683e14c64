"""What a sweep that has begun says to later commands: whether it is the one asked for again, and where it runs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from carsray.cli.options import Asked
from carsray.config import SweepSettings
from carsray.errors import ConfigError
from carsray.results import SweepFolder
from carsray.space import Parameter, Space, Value
from carsray.space_file import load_space

ALWAYS = ("data", "trials", "seed")
"""Settings that have to be the recorded ones."""
IF_ASKED = ("concurrent", "gpus_per_trial", "budget_hours", "budget_gpu_hours", "target", "wandb", "wandb_project")
"""Settings that, left out, stay as they are. The others say where it runs, which may change from call to call."""


def require_same(folder: SweepFolder, asked: Asked) -> None:
    """Raises ConfigError, with what differs, where the record is of another sweep than the one asked for.

    What was asked before an extension is still right: the first command goes on with an extended sweep.
    """
    record = folder.read_settings()
    begun = load_space(folder.space, record["pinned"])
    differing = [*_spaces(begun, asked.space), *_settings(record, asked.settings)]
    if "start" in record and record["start"] != list(asked.space.start):
        differing.append("start points: others are recorded than asked")
    if differing:
        raise ConfigError(
            f"{folder.root}: is another sweep than the one asked for ({'; '.join(differing)}). More trials and new "
            f"limits: carsray extend {folder.arguments}. What differs otherwise is a sweep of its own: choose another "
            "--name"
        )


def address_of(folder: SweepFolder, asked: str | None) -> str | None:
    """The Ray cluster that a later command runs on: the one it is told, else the sweep's own."""
    return asked or folder.read_settings()["settings"].get("address")


def _spaces(begun: Space, asked: Space) -> Iterator[str]:
    """What is searched, and how; comments of the file, its name and the order of lines play no part."""
    for name in begun.objective.model_fields_set | asked.objective.model_fields_set:
        if getattr(begun.objective, name) != getattr(asked.objective, name):
            yield _differs(name, getattr(begun.objective, name), getattr(asked.objective, name))
    for name in dict.fromkeys([*begun.fixed, *begun.parameters, *asked.fixed, *asked.parameters]):
        before, now = _may_be(begun, name), _may_be(asked, name)
        if before != now:
            yield _differs(name, before, now)


def _may_be(space: Space, name: str) -> Parameter | Value | None:
    """A default is a start point, and compared as such."""
    if name in space.parameters:
        return replace(space.parameters[name], default=None)
    return space.fixed.get(name)


def _settings(record: dict[str, Any], asked: SweepSettings) -> Iterator[str]:
    recorded = [SweepSettings.model_validate(each) for each in (record["settings"], *record.get("extended", ()))]
    for name in (*ALWAYS, *IF_ASKED):
        now = getattr(asked, name)
        left_out = name in IF_ASKED and now == SweepSettings.model_fields[name].default
        if not left_out and now not in [getattr(each, name) for each in recorded]:
            yield _differs(name, getattr(recorded[0], name), now)


def _differs(name: str, before: object, now: object) -> str:
    told = ("not named" if value is None else str(value) for value in (before, now))
    return "{}: recorded {}, asked {}".format(name, *told)
