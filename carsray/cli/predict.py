"""``carsray predict``."""

import itertools
import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from carsray.final.package.model import Model, Prediction

BATCH = 64
"""Pictures that are read before they are answered."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Classes to name.")
@click.option(
    "--neighbours", "k", default=5, show_default=True, type=click.IntRange(0), help="Gallery pictures to name."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each picture.")
def predict(folder: Path, images: tuple[Path, ...], top: int, k: int, as_json: bool) -> None:
    """What do these pictures show? The most probable classes, and the most similar pictures of the gallery.

    DIR is what `carsray export` wrote; each IMAGE is a picture, or a folder whose pictures are all taken. Answers go
    to stdout. A picture that cannot be read is a line on stderr; the others are answered, and the exit code is 1.

    \b
    carsray predict cars-model car.jpg
    carsray predict cars-model photos/ --top 3 --neighbours 0
    carsray predict cars-model photos/ --json > answers.jsonl
    """
    from carsray.final.package.model import load_model

    model = load_model(folder)
    failed = False
    show = _print_json if as_json else _print_text
    # Pillow warns of large pictures and odd metadata.
    with warnings.catch_warnings(action="ignore"):
        for batch in _batches(_files(images)):
            answers, problems = _answer(model, batch, top, k)
            for path, answer in answers:
                show(path, answer)
            for problem in problems:
                click.echo(click.style("error: ", fg="red", bold=True) + problem, err=True)
            failed = failed or bool(problems)
    if failed:
        sys.exit(1)


def _answer(
    model: "Model", paths: Iterable[Path], top: int, k: int
) -> "tuple[list[tuple[Path, Prediction]], list[str]]":
    """The answers to the pictures that can be read, and what is wrong with the others."""
    import numpy as np

    from carsray.errors import DataError

    read, problems = [], []
    for path in paths:
        try:
            read.append((path, model.read(path)))
        except DataError as error:
            problems.append(str(error))
    answers = model.answer(np.stack([square for _, square in read]), top, k) if read else []
    return [(path, answer) for (path, _), answer in zip(read, answers, strict=True)], problems


def _files(images: Iterable[Path]) -> Iterator[Path]:
    """The pictures named, and those in the folders named and below, by name. A folder without one stands for itself."""
    from carsray.data.sources.folders import SUFFIXES

    for image in images:
        found = [image]
        if image.is_dir():
            found = sorted(path for path in image.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        yield from found or [image]


def _batches(paths: Iterator[Path]) -> Iterator[list[Path]]:
    while batch := list(itertools.islice(paths, BATCH)):
        yield batch


def _print_json(path: Path, answer: "Prediction") -> None:
    click.echo(json.dumps({"image": click.format_filename(path), **asdict(answer)}, default=str, ensure_ascii=False))


def _print_text(path: Path, answer: "Prediction") -> None:
    click.echo(click.format_filename(path))
    for guess in answer.guesses:
        click.echo(f"  {guess.probability:7.1%}  {guess.name}")
    for at, near in enumerate(answer.neighbours):
        shown = near.thumbnail or near.file
        click.echo(f"  {'nearest' if not at else '':7}  {near.name or 'no class'} ({near.distance:.3f}, {shown})")
