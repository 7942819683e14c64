"""``carsray search``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carsray.errors import ConfigError

if TYPE_CHECKING:
    from carsray.serve.answers import Answer


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("image", metavar="IMAGE", type=click.Path(path_type=Path), required=False)
@click.option("--row", type=click.IntRange(0), help="Search from this gallery picture instead of an IMAGE.")
@click.option("--neighbours", "k", type=click.IntRange(1), help="How many; else as the model was chosen.")
@click.option("--class", "name", help="Neighbours of this class only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, as the service answers.")
def search(folder: Path, image: Path | None, row: int | None, k: int | None, name: str | None, as_json: bool) -> None:
    """Which gallery pictures are most like this one? As `carsray serve` answers, here in the terminal.

    DIR is what `carsray export` wrote. The number before each neighbour is its row: search on from there with --row.

    \b
    carsray search cars-model car.jpg
    carsray search cars-model car.jpg --class "Audi TTS Coupe 2012" --neighbours 10
    carsray search cars-model --row 17 --json
    """
    if (image is None) == (row is None):
        raise ConfigError("search: give an IMAGE or --row, one of them")
    from carsray.final.package.model import load_model
    from carsray.serve.engine import Engine, Question

    model = load_model(folder)
    if name is not None and name not in model.classes:
        raise ConfigError(f"--class {name!r}: is none of the model's; {folder / 'classes.json'} lists them")
    label = None if name is None else model.classes.index(name)
    asked = model.read(image) if image is not None else row
    assert asked is not None
    (answer,) = Engine(model).answer([Question(asked, k or model.gallery.point.k, label)])
    if as_json:
        click.echo(answer.model_dump_json())
    else:
        _print_text(answer)


def _print_text(answer: "Answer") -> None:
    if answer.asked:
        click.echo(f"{answer.asked.name or 'no class'} ({answer.asked.file})")
    for guess in answer.guesses:
        click.echo(f"{guess.probability:7.1%}  {guess.name}")
    click.echo("row      distance  nearest")
    for near in answer.neighbours:
        click.echo(f"{near.row:<8} {near.distance:8.4f}  {near.name or 'no class'} ({near.file})")
