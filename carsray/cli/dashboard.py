"""``carsray dashboard``."""

from pathlib import Path

import click

from carsray.cli.sweep import RESULTS


@click.command()
@click.argument("name")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@RESULTS
def dashboard(name: str, port: int, results: Path) -> None:
    """Show a sweep's study in optuna-dashboard, on this machine alone; live, while the sweep runs.

    \b
    carsray dashboard cars-1
    ssh -L 8080:localhost:8080 HEAD     # on a laptop, for a sweep on HEAD
    """
    from carsray.results import open_sweep

    folder = open_sweep(results, name)
    from carsray.tuning.dashboard import dashboard_server

    with dashboard_server(folder, port) as server:
        click.echo(f"optuna-dashboard: http://localhost:{server.server_port}/ (Ctrl-C ends it)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo(err=True)
