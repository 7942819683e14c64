"""``carsray serve``."""

import importlib.util
import signal
import threading
from pathlib import Path

import click

from carsray.errors import ConfigError

NEEDED = {"fastapi": "ray[serve]", "python_multipart": "python-multipart", "prometheus_client": "prometheus-client"}
"""Modules of the extra `serve`, and what installs them."""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Where to listen.")
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 lets other machines in: all of them.")
@click.option("--replicas", default=1, show_default=True, type=click.IntRange(1), help="Copies of the model.")
@click.option(
    "--gpus-per-replica", "gpus", default=0.0, show_default=True, type=click.FloatRange(0), help="0.5: two on a GPU."
)
@click.option("--address", help="A running Ray cluster (auto, or HOST:PORT); else this machine.")
def serve(folder: Path, port: int, host: str, replicas: int, gpus: float, address: str | None) -> None:
    """Visual search as a service: a page to drop a picture on, and a JSON API beside it.

    DIR is what `carsray export` wrote. Runs until Ctrl-C. The page is at /, the API is described at /openapi.json;
    /healthz and /readyz say whether it answers, /metrics how often it has. Whoever can reach the port can use it:
    there is no password.

    \b
    carsray serve cars-model
    carsray serve cars-model --replicas 4 --gpus-per-replica 0.5 --address auto
    curl -F image=@car.jpg 'http://127.0.0.1:8000/api/search?k=10'
    """
    _require_packages()
    from carsray.serve.deployment import Placement, serving

    stopped = threading.Event()
    with serving(folder, Placement(host, port, replicas, gpus), address) as where:
        for name in (signal.SIGINT, signal.SIGTERM):  # not before: it may never start, and Ray sets its own
            signal.signal(name, lambda *_: stopped.set())
        click.echo(f"Serving {folder} at {where} (Ctrl-C ends it)")
        stopped.wait()
    click.echo("Stopped", err=True)


def _require_packages() -> None:
    if missing := [package for module, package in NEEDED.items() if importlib.util.find_spec(module) is None]:
        raise ConfigError(f"serve needs {', '.join(missing)}: pip install {' '.join(repr(name) for name in missing)}")
