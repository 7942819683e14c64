"""``carsray retrieval``."""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from carsray.cli.begun import address_of
from carsray.cli.sweep import ADDRESS, RESULTS
from carsray.cli.tracked import followed

if TYPE_CHECKING:
    from carsray.progress import Report
    from carsray.retrieval.evaluate import Search
    from carsray.retrieval.grid import Grid
    from carsray.retrieval.source import EmbedRows
    from carsray.retrieval.summary import Searched

USUAL = Path("search_spaces/retrieval.toml")
Protocol = Literal["same-classes", "leave-one-out"]


@click.command()
@click.argument("name")
@click.option("--space", type=click.Path(path_type=Path), help="The grid; else search_spaces/retrieval.toml.")
@click.option("--trial", type=click.IntRange(0), help="Embed with this trial; else the best one.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Embed with this checkpoint instead.")
@click.option("--embeddings", type=click.Path(path_type=Path), help="Search this .npz instead; NAME may be new.")
@click.option(
    "--protocol",
    default="same-classes",
    show_default=True,
    type=click.Choice(["same-classes", "leave-one-out"]),
    help="Val in train; or each picture of val in the rest of val.",
)
@click.option("--index", type=click.Choice(["ivf", "hnsw"]), help="Also build an approximate index for serving.")
@ADDRESS
@RESULTS
def retrieval(
    name: str,
    space: Path | None,
    trial: int | None,
    checkpoint: Path | None,
    embeddings: Path | None,
    protocol: Protocol,
    index: Literal["ivf", "hnsw"] | None,
    address: str | None,
    results: Path,
) -> None:
    """Find the best retrieval on a sweep's embeddings: every k, distance, normalisation and vote, exactly.

    \b
    carsray retrieval cars-1
    carsray retrieval cars-1 --trial 17 --protocol leave-one-out
    carsray retrieval mine --embeddings mine.npz
    """
    from carsray.errors import ConfigError
    from carsray.progress import bar
    from carsray.results import open_sweep
    from carsray.retrieval.evaluate import evaluate_grid
    from carsray.retrieval.grid import load_grid
    from carsray.retrieval.summary import print_best, write_index, write_results

    if sum(given is not None for given in (trial, checkpoint, embeddings)) > 1:
        raise ConfigError("--trial, --checkpoint, --embeddings: each names what to search; give one")
    grid = load_grid(space) if space else _usual_grid()
    with ExitStack() as stack:
        if embeddings is None:
            sweep = open_sweep(results, name)
            address = address_of(sweep, address)
            stack.enter_context(followed(sweep))  # a key that is refused is told before the work
        find, work = _on_cluster(stack, address)
        searched = _searched(results, name, trial, checkpoint, embeddings, work, stack)
        searched = replace(searched, alone=protocol == "leave-one-out")
        with bar("Searching") as report:
            outcomes = evaluate_grid(*searched.sides, grid, find, report)
        write_results(searched, outcomes, grid)
    if index:
        write_index(searched, index, outcomes)
    print_best(searched, outcomes, grid)


def _usual_grid() -> "Grid":
    """The one that is here, else the same without a file."""
    from carsray.retrieval.grid import Grid, load_grid

    return load_grid(USUAL) if USUAL.exists() else Grid()


def _on_cluster(stack: ExitStack, address: str | None) -> "tuple[Search, EmbedRows]":
    import torch

    from carsray.cluster.connect import LOCAL, connected
    from carsray.retrieval.search import search
    from carsray.retrieval.source import embed_rows

    if address in (None, LOCAL):
        return partial(search, device="cuda" if torch.cuda.is_available() else "cpu"), embed_rows
    from carsray.cluster.crew import crew_of
    from carsray.retrieval.shards import embed_in_shards, search_in_shards

    crew = stack.enter_context(crew_of(stack.enter_context(connected(address))))
    return search_in_shards(crew), lambda path, rows, run, report: embed_in_shards(
        crew, path.read_bytes(), rows, run, report
    )


def _searched(
    results: Path,
    name: str,
    trial: int | None,
    checkpoint: Path | None,
    embeddings: Path | None,
    work: "EmbedRows",
    stack: ExitStack,
) -> "Searched":
    from carsray.config import RunConfig, SweepSettings
    from carsray.data.split_file import read_split
    from carsray.errors import ConfigError
    from carsray.progress import bar
    from carsray.results import SweepFolder, open_sweep
    from carsray.retrieval.source import embed_split, pick_checkpoint
    from carsray.retrieval.store import read_npz
    from carsray.retrieval.summary import Searched

    if embeddings is not None:
        if SweepFolder(results / name).settings.exists():
            raise ConfigError(
                f"--embeddings {embeddings}: {name} is a sweep, whose retrieval is over its own embeddings; retrain "
                "would take the point that is chosen here. Give these a name of their own"
            )
        return Searched(results / name, str(embeddings), *read_npz(embeddings))
    folder = open_sweep(results, name)
    path = checkpoint or pick_checkpoint(folder, trial)
    split = read_split(folder.split)
    settings = SweepSettings.model_validate(folder.read_settings()["settings"])

    def report(side: str) -> "Report":
        shown: AbstractContextManager[Report] = bar(f"Embedding {side}")
        return stack.enter_context(shown)

    gallery, queries = embed_split(path, split, RunConfig(cache=settings.cache), report, work)
    return Searched(folder.root, str(path), gallery, queries, split, settings.cache)
