"""``carsray doctor``."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from carsray.cli.options import DEFAULT_CACHE, data_source
from carsray.cli.sweep import RESULTS
from carsray.cluster.examine import DriverFacts, Examined, examine_driver
from carsray.cluster.findings import Finding, Level, findings, listed

COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "error": "red"}


@dataclass(frozen=True, slots=True)
class Examination:
    """All that was looked at."""

    address: str
    nodes: list[Examined]
    driver: DriverFacts


@click.command()
@click.option("--address", help="A running Ray cluster (auto, or HOST:PORT); else this machine.")
@click.option("--data", help="Pictures that every node has to be able to read: a path, or s3://bucket/prefix.")
@RESULTS
@click.option("--storage", metavar="URI", help="Bucket or shared folder that is to mirror the record.")
@click.option(
    "--cache",
    default=DEFAULT_CACHE,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for packed pictures, on each node.",
)
@click.option("--json", "as_json", is_flag=True, help="Facts and findings, for scripts.")
def doctor(
    address: str | None, data: str | None, results: Path, storage: str | None, cache: Path, as_json: bool
) -> None:
    """Look at every node of a cluster for what would go wrong in a sweep; exit code 1 if anything would.

    Versions, GPUs, /dev/shm, the cache folder, pictures, results, storage, access to Ray, the login of W&B.

    \b
    carsray doctor
    carsray doctor --address auto --data /mnt/cars
    """
    made = examine(address, data and data_source(data), results, storage, cache.resolve())
    found = findings(made.nodes, made.driver, made.address)
    if as_json:
        click.echo(json.dumps(asdict(made) | {"findings": [asdict(each) for each in found]}, indent=2, default=str))
    else:
        for line in lines(found):
            click.echo(line)
        click.echo(_summary(len(made.nodes), found))
    if any(each.level == "error" for each in found):
        sys.exit(1)


def examine(address: str | None, data: str | None, results: Path, storage: str | None, cache: Path) -> Examination:
    """Look at the driver and, through Ray, at every node."""
    from carsray.cluster.connect import connected
    from carsray.cluster.doctor import examine_nodes, head_address
    from carsray.progress import bar

    driver = examine_driver(results, storage)
    with connected(address) as nodes, bar("Examining nodes") as report:
        return Examination(head_address(), examine_nodes(nodes, cache, data, report=report), driver)


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """A line for each finding, what to do below it; what is in order on several nodes alike is one line."""
    width = max(len(each.check) for each in found)
    shown: set[tuple[str, str]] = set()
    for each in found:
        nodes = [each.node]
        if each.level == "ok":
            if (each.check, each.found) in shown:
                continue
            shown.add((each.check, each.found))
            alike = ("ok", each.check, each.found)
            nodes = [other.node for other in found if (other.level, other.check, other.found) == alike]
        level = click.style(f"{each.level:<7}", fg=COLOURS[each.level])
        yield f"{level}  {each.check:<{width}}  {listed(nodes)}: {each.found}"
        if each.remedy:
            yield f"{'':<{width + 11}}{each.remedy}"


def _summary(nodes: int, found: Sequence[Finding]) -> str:
    counts = {level: sum(each.level == level for each in found) for level in ("error", "warning")}
    problems = [f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items() if count]
    return f"{nodes} node{'' if nodes == 1 else 's'}: {', '.join(problems) or 'all in order'}"
