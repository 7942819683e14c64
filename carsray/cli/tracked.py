"""Commands that work on a sweep, with W&B beside them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import click

from carsray.config import SweepSettings

if TYPE_CHECKING:
    from carsray.results import SweepFolder
    from carsray.tracking.tracker import Tracker


@contextmanager
def tracking_of(settings: SweepSettings) -> Iterator["Tracker"]:
    """A tracker as a sweep's settings ask for it; what it says goes to stderr."""
    from carsray.tracking.tracker import tracking

    with tracking(settings.wandb, settings.wandb_project, partial(click.echo, err=True)) as tracker:
        yield tracker


@contextmanager
def followed(folder: "SweepFolder") -> Iterator[None]:
    """Track what a command adds to the record of an earlier sweep, in the way that the sweep was tracked.

    These commands have no --wandb: WANDB_MODE=disabled turns it off.
    """
    from carsray.tracking.login import choose, turned_off

    settings = SweepSettings.model_validate(folder.read_settings()["settings"])
    if turned_off() or choose(settings.wandb).mode == "off":  # the environment or the sweep has said so
        yield
        return
    with tracking_of(settings) as tracker:
        tracker.check()
        tracker.follow(folder)
        yield
