"""The command line. Each command lives in a module of its own, imported when it is called: --help stays quick."""

import difflib
import sys
from importlib import import_module

import click

from carsray import __version__
from carsray.errors import CarsrayError

COMMANDS = {
    "run": "carsray.cli.run",
    "sweep": "carsray.cli.sweep",
    "resume": "carsray.cli.sweep",
    "extend": "carsray.cli.sweep",
    "watch": "carsray.cli.watch",
    "plan": "carsray.cli.plan",
    "confirm": "carsray.cli.confirm",
    "retrieval": "carsray.cli.retrieval",
    "retrain": "carsray.cli.retrain",
    "export": "carsray.cli.export",
    "predict": "carsray.cli.predict",
    "search": "carsray.cli.search",
    "serve": "carsray.cli.serve",
    "index": "carsray.cli.index",
    "report": "carsray.cli.report",
    "compare": "carsray.cli.compare",
    "reproduce": "carsray.cli.reproduce",
    "doctor": "carsray.cli.doctor",
    "dashboard": "carsray.cli.dashboard",
    "wandb": "carsray.cli.wandb",
    "data": "carsray.cli.data",
}
"""Where each command is defined, as an object of its own name."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            near = difflib.get_close_matches(cmd_name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {cmd_name!r}.{hint}")
        command = getattr(import_module(COMMANDS[cmd_name]), cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__)
def cli() -> None:
    """Hyper-parameter search for fine-grained image classification, on Ray.

    \b
    carsray data info ~/cars
    carsray plan  search_spaces/transfer_mobilenet_v2.toml --data ~/cars
    carsray sweep search_spaces/transfer_mobilenet_v2.toml --data ~/cars --name cars-1
    """


def main() -> None:
    """Entry point: an error a person can mend is one line on stderr and exit code 2."""
    try:
        cli()
    except CarsrayError as error:
        click.echo(click.style("error: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(2)
