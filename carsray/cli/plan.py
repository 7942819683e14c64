"""``carsray plan``."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from carsray.cli.options import Asked, sweep_options

if TYPE_CHECKING:
    from carsray.config import SweepSettings, TrialConfig
    from carsray.space import Space
    from carsray.tuning.plan import Plan


@click.command()
@sweep_options
@click.option("--results", default=Path("results"), show_default=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def plan(asked: Asked, results: Path, as_json: bool) -> None:
    """What `carsray sweep` with the same arguments would cost, running nothing but a short probe.

    \b
    carsray plan search_spaces/transfer_resnet50.toml --data ~/cars --trials 64
    """
    split = asked.split()
    from carsray.tuning.check import check_networks
    from carsray.tuning.plan import make_plan

    check_networks(asked.space)
    made = make_plan(asked.space, split, asked.settings, results)
    if as_json:
        click.echo(json.dumps(asdict(made) | _plain(made), indent=2))
        return
    trials, train, val = asked.settings.trials, len(split.train), len(split.val)
    click.echo(f"{trials} trials of {asked.space.name} on {train:,} pictures, {val:,} to validate")
    _print_search(asked.space)
    _print_cost(asked.space, made)
    for line in limits(asked.settings, made.seconds / 3600, made.gpu_hours):
        click.echo(line)


def _plain(made: "Plan") -> dict[str, object]:
    costs = [asdict(cost) for _, cost in made.costs]
    return {"costs": costs, "too_large": [config.model_dump(mode="json") for config in made.too_large]}


def _print_search(space: "Space") -> None:
    width = max(map(len, space.parameters), default=0)
    for name, what in space.describe():
        click.echo(f"  {name:<{width}}  {what}")


def _print_cost(space: "Space", made: "Plan") -> None:
    from carsray.tuning.picture import duration

    resources = made.resources
    click.echo(f"At a time: {resources.concurrent} trials, each with {resources.cpus:g} CPU and {resources.gpus:g} GPU")
    rungs = ", ".join(f"{count:.0f} to epoch {epoch}" for epoch, count in made.reaching.items())
    click.echo(f"Rungs: trials expected {rungs}; {made.epochs:.0f} epochs in all")
    for config, cost in made.costs:
        memory = f", {cost.device_bytes / 2**30:.1f} GiB" if cost.device_bytes else ""
        click.echo(
            f"  probe: {1 / cost.train_seconds:,.0f} pictures/s on {cost.device}{memory}  {_values(space, config)}"
        )
    for config in made.too_large:
        click.echo(
            f"  probe: memory is lacking; a trial goes on with parts of a batch, slower  {_values(space, config)}"
        )
    low, high = made.seconds_range
    turns = ", the most if trials that share a GPU take turns" if 0 < resources.gpus < 1 else ""
    click.echo(f"Time: about {duration(made.seconds)} ({duration(low)} to {duration(high)}{turns})")
    if resources.gpus:
        click.echo(f"GPU-hours: about {made.gpu_hours:.1f}")
        click.echo(gpu_advice(resources.gpus, made.trials_per_gpu))
    need = made.pack_bytes + made.kept_bytes
    click.echo(disk_line(need, made.cached_bytes, made.free_bytes))
    if need > made.free_bytes:
        click.echo(
            "warning: that does not fit. Free space, or choose other folders with --results and --cache", err=True
        )


def _values(space: "Space", config: "TrialConfig") -> str:
    return f"[{' '.join(f'{name}={getattr(config, name)}' for name in space.parameters if name in _TELLING)}]"


def disk_line(need: int, cached: int, free: int) -> str:
    """What to say of the bytes that must find room, and of those that take what room there is."""
    more = f", and up to {cached / 2**30:.0f} GiB of what is left for cached activations" if cached else ""
    return f"Disk: at most {need / 2**30:.2f} GiB (pack, weights and snapshots){more}; {free / 2**30:.0f} GiB free"


def limits(asked: "SweepSettings", hours: float, gpu_hours: float) -> Iterator[str]:
    """What may end the sweep before its trials are through."""
    for option, budget, need in (
        ("--budget-hours", asked.budget_hours, hours),
        ("--budget-gpu-hours", asked.budget_gpu_hours, gpu_hours),
    ):
        if budget:
            share = f"about {budget / need:.0%} of this" if budget < need else "more than this"
            yield f"Limit: {option} {budget:g} is {share}"
    if asked.target:
        yield f"Limit: --target {asked.target:g} ends it when a trial is as good, which no plan can tell"


def gpu_advice(asked: float, fit: int) -> str:
    """What to say of the GPUs of a trial where memory allows so many trials on one."""
    if asked < 1 / fit - 1e-6:
        return f"GPU memory: may not hold {1 / asked:.0f} trials; --gpus-per-trial {1 / fit:g} leaves room"
    if fit > 1 and asked > 1 / fit + 1e-6:
        return f"GPU memory: {fit} trials fit on a GPU; where one leaves it idle, try --gpus-per-trial {1 / fit:g}"
    return f"GPU memory: {f'{fit} trials fit' if fit > 1 else '1 trial fits'} on a GPU"


_TELLING = {"unfreeze_depth", "depth", "width", "batch_size", "image_size", "backbone"}
"""The settings that decide what an epoch costs."""
