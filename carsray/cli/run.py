"""``carsray run``: the whole chain. Each stage is a command of its own, in a process of its own."""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carsray.cli.sweep import RESULTS

if TYPE_CHECKING:
    from carsray.results import SweepFolder

START = "from carsray.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Stage:
    """One command of the chain."""

    name: str
    words: Callable[[], list[str]]
    """What is typed after ``carsray``; asked for when its turn comes."""
    done: Callable[[], bool]
    """Whether an earlier call has ended it."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("space", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="Name of the results folder; the same name goes on with it.")
@click.option("--top", default=3, show_default=True, type=click.IntRange(1), help="Finalists that are repeated.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Repetitions of each finalist.")
@click.option(
    "--export", "package", type=click.Path(path_type=Path), help="Folder of the exported model; else NAME-model."
)
@click.option("--no-onnx", is_flag=True, help="Leave out model.onnx, which needs the packages of carsray[export].")
@click.option("--address", help="A running Ray cluster (auto, or HOST:PORT); else this machine.")
@RESULTS
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS OF CARSRAY SWEEP]...")
def run(
    space: Path,
    name: str,
    top: int,
    seeds: int,
    package: Path | None,
    no_onnx: bool,
    address: str | None,
    results: Path,
    options: tuple[str, ...],
) -> None:
    """From a space to a model that runs elsewhere: sweep, confirm, retrieval, retrain, export, report.

    Options that are not listed here go to the sweep. The same command goes on with the stage where it was stopped, and
    opens the test once.

    \b
    carsray run search_spaces/transfer_mobilenet_v2.toml --data ~/cars --name cars-1
    carsray run search_spaces/cnn.toml --data ~/cars --name cnn-1 --trials 40 --classes 20 --set image_size=96
    """
    from carsray.results import SweepFolder

    folder = SweepFolder(results / name)
    place = ["--results", str(results)]
    where = ["--address", address] if address else []
    begin = [str(space), "--name", name, *place, *where, *options, "--or-resume"]
    again = shlex.join(["carsray", *sys.argv[1:]])
    leaves_out = ["--no-onnx"] if no_onnx else []
    if not no_onnx:
        from carsray.final.package.onnx_file import require_onnx

        require_onnx()  # told now, not after hours
    if folder.settings.exists():
        from carsray.cli.begun import require_same
        from carsray.cli.options import asked_of

        require_same(folder, asked_of([str(space), *where, *options], "carsray run"))
    for stage in _stages(folder, begin, place, where, (top, seeds), package or Path(f"{name}-model"), leaves_out):
        if stage.done():
            click.echo(f"{stage.name}: done before", err=True)
            continue
        words = stage.words()
        click.secho(f"\n$ {shlex.join(['carsray', *words])}", bold=True, err=True)
        if code := _call(words):
            click.echo(f"{stage.name} ended with exit code {code}. To go on, once that is seen to: {again}", err=True)
            sys.exit(code)
    _print_end(folder, package or Path(f"{name}-model"))


def _stages(
    folder: "SweepFolder",
    begin: list[str],
    place: list[str],
    where: list[str],
    confirmed: tuple[int, int],
    package: Path,
    leaves_out: list[str],
) -> Iterator[Stage]:
    name, (top, seeds) = folder.name, confirmed

    def confirm() -> list[str]:
        return ["confirm", name, "--top", str(top), "--seeds", str(seeds), *place, *where]

    def retrieval() -> list[str]:
        # Only the best trials keep their weights; without them those of the best one stand in.
        chosen = _chosen(folder)
        trial = ["--trial", str(chosen)] if folder.trial(chosen).checkpoint.exists() else []
        return ["retrieval", name, *trial, *place, *where]

    retrained = folder.root / "retrain" / "retrain.json"
    yield Stage("sweep", lambda: ["sweep", *begin], lambda: _swept(folder))
    yield Stage("confirm", confirm, lambda: folder.winner.exists() and not _outdated(folder))
    yield Stage("retrieval", retrieval, lambda: _retrieved(folder))
    yield Stage(
        "retrain",
        lambda: ["retrain", name, *place, *where],
        lambda: retrained.exists() and _is_wanted(_read(retrained), _chosen(folder)),
    )
    yield Stage(
        "export",
        lambda: ["export", name, str(package), *leaves_out, *_over(package, name), *place],
        lambda: _same(package / "record" / "retrain.json", retrained),
    )
    yield Stage("report", lambda: ["report", name, *place], lambda: False)


def _chosen(folder: "SweepFolder") -> int:
    """The trial that is the winner."""
    return int(_read(folder.finalists_json)["chosen"])


def _is_wanted(retrained: dict[str, Any], winner: int) -> bool:
    """Whether it is the winner, or what a person has chosen in its place."""
    return not retrained.get("confirmed", True) or retrained.get("trial", winner) == winner


def _outdated(folder: "SweepFolder") -> bool:
    from carsray.final.confirm.record import gone_on

    return bool(gone_on(folder))


def _retrieved(folder: "SweepFolder") -> bool:
    """Whether it is the winner's embeddings that were searched, where its weights are kept."""
    record, weights = folder.root / "retrieval.json", folder.trial(_chosen(folder)).checkpoint
    return record.exists() and (not weights.exists() or _read(record).get("source") == str(weights))


def _over(package: Path, name: str) -> list[str]:
    """That an earlier export of the same sweep may be replaced."""
    facts = package / "export.json"
    return ["--force"] if facts.exists() and _read(facts).get("name") == name else []


def _same(one: Path, other: Path) -> bool:
    """Whether both are there and say the same: a package may be of an earlier retrain, or of another sweep."""
    return one.exists() and other.exists() and one.read_bytes() == other.read_bytes()


def _swept(folder: "SweepFolder") -> bool:
    """Whether the sweep has come to an end of its own: complete, or at a limit that was set."""
    from carsray.results import INTERRUPTED
    from carsray.tuning.sweep import GAVE_UP

    ends = [run["why"] for run in folder.read_runs()[-1:] if run["event"] == "ended"]
    return any(why not in (INTERRUPTED, GAVE_UP) for why in ends)


def _call(words: list[str]) -> int:
    """Run a command to its end; signals that end this process end it first."""
    child = subprocess.Popen([sys.executable, "-c", START, *words])
    # A terminal sends Ctrl-C to both; SIGTERM comes to this process alone.
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    on_terminate = signal.signal(signal.SIGTERM, lambda number, frame: child.terminate())
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, on_interrupt)
        signal.signal(signal.SIGTERM, on_terminate)
    return code if code >= 0 else 128 - code


def _read(path: Path) -> dict[str, Any]:
    from carsray.errors import ResultsError

    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}). Delete it to have the stage run again") from None


def _print_end(folder: "SweepFolder", package: Path) -> None:
    """The answer, and where it stands."""
    found, tested = _read(folder.finalists_json), _read(folder.root / "retrain" / "retrain.json")
    low, high = tested["test"]["accuracy_interval"]
    click.echo()
    click.echo(found["statement"])
    click.echo(
        f"Retrained on train and val: test accuracy {tested['test']['accuracy']:.2%} (95 %: {low:.2%} to {high:.2%};"
        f" {tested['pictures']['test']:,} pictures, {tested['test_kind']}; opened {tested['opening']} times)."
    )
    if near := tested.get("retrieval"):
        click.echo(f"By its nearest neighbours: {near['accuracy']:.2%}.")
    for path, what in (
        (folder.table, "all trials"),
        (folder.winner, "the winner's settings"),
        (folder.root / "retrain" / "retrain.json", "what the test said"),
        (package / "README.md", "the model card"),
        (folder.root / "report.html", "all of it to look at"),
    ):
        click.echo(f"  {path}  {what}")
    click.echo(f"Try it: carsray predict {package} PICTURE")
