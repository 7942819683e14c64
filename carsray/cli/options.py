"""What sweep and plan take alike, and how it becomes a space, a split data set and settings."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce, wraps
from pathlib import Path
from typing import Any, Literal

import click

from carsray.config import SweepSettings, TrialConfig
from carsray.data.records import DataSplit
from carsray.errors import ConfigError
from carsray.files import whole_path
from carsray.space import Space, Values
from carsray.storage.address import in_full, is_remote, parse_address

DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "carsray"

BUDGETS = (
    click.option(
        "--budget-hours",
        type=click.FloatRange(0, min_open=True),
        help="Hours, those before a resume included, after which the sweep winds down.",
    ),
    click.option("--budget-gpu-hours", type=click.FloatRange(0, min_open=True), help="The same for GPU-hours."),
    click.option(
        "--target",
        type=click.FloatRange(0, 1, min_open=True),
        help="Wind down when a trial reaches this val/accuracy.",
    ),
)

_OPTIONS = (
    click.argument("space", type=click.Path(path_type=Path)),
    click.option("--data", required=True, help="Folder or CSV with the pictures, or s3://bucket/prefix."),
    click.option("--trials", default=20, show_default=True, type=click.IntRange(1), help="Trials in all."),
    click.option("--epochs", type=click.IntRange(1), help="Full length of a trial; else as the space says."),
    click.option("--classes", type=click.IntRange(2), help="Use the first K classes only."),
    click.option("--from", "origin", metavar="REPORT/ID", help="Begin with a published experiment: almog2025/cnn-3."),
    click.option("--set", "pins", multiple=True, metavar="KEY=VALUE", help="Pin a setting; may be given often."),
    click.option(
        "--seed", default=0, show_default=True, type=click.IntRange(0), help="All randomness derives from it."
    ),
    click.option("--address", help="A running Ray cluster (auto, or HOST:PORT); else this machine."),
    click.option("--gpus-per-trial", type=click.FloatRange(0), help="1, 2, ... or 0.5 for two trials on a GPU."),
    click.option("--concurrent", type=click.IntRange(1), help="Trials at a time; else as many as fit."),
    click.option(
        "--cache",
        default=DEFAULT_CACHE,
        show_default=True,
        type=click.Path(path_type=Path),
        help="Folder for packed pictures.",
    ),
    click.option(
        "--storage",
        metavar="URI",
        help="Mirror the record to s3://bucket/prefix, gs://bucket/prefix or a shared folder.",
    ),
    *BUDGETS,
    click.option(
        "--wandb", type=click.Choice(["online", "offline", "off"]), help="Runs in W&B; else online if there is a login."
    ),
    click.option(
        "--wandb-project", default="carsray", show_default=True, envvar="WANDB_PROJECT", help="Where they go in W&B."
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options that describe a sweep say, checked."""

    space: Space
    settings: SweepSettings

    def split(self) -> DataSplit:
        """The pictures, inspected and split as the space says."""
        return split_data(self.settings.data, first_config(self.space), self.settings.cache)


def sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that describe a sweep; it gets them as one ``asked``."""

    @wraps(command)
    def ask(
        space: Path,
        pins: tuple[str, ...],
        origin: str | None,
        epochs: int | None,
        classes: int | None,
        data: str,
        cache: Path,
        trials: int,
        seed: int,
        concurrent: int | None,
        gpus_per_trial: float | None,
        address: str | None,
        storage: str | None,
        budget_hours: float | None,
        budget_gpu_hours: float | None,
        target: float | None,
        wandb: Literal["online", "offline", "off"] | None,
        wandb_project: str,
        **others: Any,
    ) -> None:
        settings = SweepSettings(
            data=data_source(data),
            cache=cache.resolve(),
            trials=trials,
            seed=seed,
            concurrent=concurrent,
            gpus_per_trial=gpus_per_trial,
            address=address,
            storage=str(parse_address(storage)) if storage else None,
            budget_hours=budget_hours,
            budget_gpu_hours=budget_gpu_hours,
            target=target,
            wandb=wandb,
            wandb_project=wandb_project,
        )
        command(Asked(_space(space, origin, pinned_values(pins, epochs, classes)), settings), **others)

    wrapped: Callable[..., None] = decorated(_OPTIONS)(ask)
    return wrapped


def asked_of(words: Sequence[str], command: str) -> Asked:
    """What these words ask for, a space and options of ``carsray sweep``, typed after another command."""
    found: list[Asked] = []
    click.command()(sweep_options(found.append)).main(words, prog_name=command, standalone_mode=False)
    return found[0]


def decorated(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """A decorator that gives a command these options, in this order."""
    return lambda command: reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


def _space(path: Path, origin: str | None, pins: Values) -> Space:
    """The space of a file, or of a winner's; with --from, it begins with that experiment."""
    from carsray.published.experiments_file import holds_experiments
    from carsray.space_file import load_new_space

    alone = holds_experiments(path)
    if origin is None and not alone:
        return load_new_space(path, pins)
    from carsray.published.start import space_from, space_of_one

    if origin is None:
        return space_of_one(path, pins)
    if alone:
        raise ConfigError(f"--from {origin}: goes with a space, and {path} holds experiments; leave one of them out")

    made = space_from(path, origin, pins)
    if outside := made.outside(made.start[0]):
        names = ", ".join(f"{name} = {value}" for name, value in outside.items())
        click.echo(f"First trial: {origin}. Outside of what {path.name} searches: {names}", err=True)
    return made


def pinned_values(pins: Sequence[str], epochs: int | None, classes: int | None) -> Values:
    """The settings that --set, --epochs and --classes pin."""
    from carsray.space_file import parse_value

    values: Values = {}
    for pin in pins:
        key, equals, text = pin.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {pin}: must be KEY=VALUE, for example --set image_size=128")
        values[key.strip()] = parse_value(text.strip())
    for key, number in (("epochs", epochs), ("classes", classes)):
        if number is not None and values.get(key, number) != number:
            raise ConfigError(f"--{key} {number}: --set {key}={values[key]} says another. Keep one of the two")
        if number is not None:
            values[key] = number
    if isinstance(weights := values.get("weights"), str):
        values["weights"] = whole_path(weights)
    return values


def first_config(space: Space) -> TrialConfig:
    """The config of the first start point; where there is none, of each parameter's first value."""
    return space.config(space.first)


def data_source(text: str) -> str:
    """What --data says, in a form that holds in another folder, where resume may start, and on another node."""
    return str(in_full(parse_address(text, "--data"))) if is_remote(text) else str(Path(text).resolve())


def split_data(data: str | Path, config: TrialConfig, cache: Path) -> DataSplit:
    """Read, inspect and split the pictures; warnings go to stderr."""
    from carsray.data.inspect import inspect
    from carsray.data.remote import open_data
    from carsray.data.splits import make_split
    from carsray.progress import bar

    with bar("Fetching pictures") as report:
        catalog = open_data(str(data), cache, report)
    with bar("Inspecting pictures") as report:
        inspection = inspect(catalog, cache, report)
    split, warnings = make_split(catalog, inspection, config)
    for warning in warnings:
        click.echo(click.style("warning: ", fg="yellow") + warning, err=True)
    return split
