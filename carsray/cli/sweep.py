"""``carsray sweep`` and ``carsray resume``."""

from pathlib import Path

import click

from carsray.cli.options import first_config, pinned_values, split_data, sweep_options

RESULTS = click.option(
    "--results",
    default=Path("results"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder that holds the sweeps.",
)


@click.command()
@sweep_options
@click.option("--name", help="Name of the results folder; else the space's name and a number.")
@RESULTS
def sweep(
    space: Path,
    data: Path,
    trials: int,
    epochs: int | None,
    classes: int | None,
    pins: tuple[str, ...],
    seed: int,
    address: str | None,
    gpus_per_trial: float | None,
    concurrent: int | None,
    cache: Path,
    name: str | None,
    results: Path,
) -> None:
    """Search a space: many trials under Ray Tune, proposed by Optuna, stopped early by ASHA.

    \b
    carsray sweep search_spaces/transfer_mobilenet_v2.toml --data ~/cars --name cars-1
    carsray sweep search_spaces/cnn.toml --data ~/cars --classes 20 --set image_size=96 --trials 40
    carsray sweep search_spaces/transfer_resnet50.toml --data /mnt/cars --address auto --gpus-per-trial 0.5
    """
    from carsray.config import SweepSettings
    from carsray.results import create_sweep, next_name
    from carsray.space_file import load_space
    from carsray.tuning.sweep import begin_record

    checked = load_space(space, pinned_values(pins, epochs, classes))
    split = split_data(data, first_config(checked), cache)
    settings = SweepSettings(
        data=data.resolve(),
        trials=trials,
        seed=seed,
        concurrent=concurrent,
        gpus_per_trial=gpus_per_trial,
        address=address,
        cache=cache.resolve(),
    )
    folder = create_sweep(results, name or next_name(results, checked.name))
    begin_record(folder, checked, split, settings)
    _run(results, folder.name)


@click.command()
@click.argument("name")
@RESULTS
def resume(name: str, results: Path) -> None:
    """Go on with a sweep that was interrupted: trials that were under way start again, finished ones stay.

    \b
    carsray resume cars-1
    """
    _run(results, name)


def _run(results: Path, name: str) -> None:
    """Run what the record of a sweep still lacks, and say how it ended."""
    from carsray.cli.summary import print_summary
    from carsray.data.pack import ensure_pack
    from carsray.progress import bar
    from carsray.results import open_sweep, read_rows
    from carsray.tuning.sweep import read_record, run_sweep

    folder = open_sweep(results, name)
    space, split, settings = read_record(folder)
    for title, part in (("Packing train", split.train), ("Packing val", split.val)):
        with bar(title) as report:
            ensure_pack(part, first_config(space), settings.cache, report)
    rows = run_sweep(folder, space, split, settings, read_rows(folder))
    print_summary(folder, space, split, settings, rows)
