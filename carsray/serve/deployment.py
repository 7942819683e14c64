"""The service on Ray Serve: a front that reads pictures, and replicas of the model that answer in batches."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from carsray.cluster.connect import Node, connected
from carsray.errors import ClusterError, ConfigError
from carsray.final.package.folder import Package, open_package
from carsray.final.package.gallery import read_gallery
from carsray.final.package.model import load_model
from carsray.serve.answers import Answer
from carsray.serve.api import Busy, build_app
from carsray.serve.catalogue import Catalogue
from carsray.serve.crowd import CROWD
from carsray.serve.engine import Engine, Question
from carsray.serve.following import follow, stamp_of

NAME = "carsray"
MODEL = "Answering"
BATCH = 32
"""Questions that go through the network together: what has come in while the batch before was under way."""
ONGOING = 2 * BATCH
"""Questions that a replica of the model has at a time: a batch, and the next one."""
WAITING = 2 * CROWD
"""Questions that wait for a replica in each front; further ones get 503."""
CONNECTIONS = 8 * CROWD
"""Requests that a front looks at; nearly all beyond its crowd are refused at once, or are for what needs no model."""
READY_SECONDS = 5.0
TRIES = 5
"""Replicas that a question may lose."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the service listens, and what it runs on."""

    host: str = "127.0.0.1"
    port: int = 8000
    replicas: int = 1
    gpus: float = 0.0
    """Of each replica."""


class Answering:
    """A replica of the model."""

    def __init__(self, folder: Path, device: str) -> None:
        self._package = Package(folder)
        read = stamp_of(self._package)
        self._engine = Engine(load_model(folder, "cuda" if device == "cuda" else "cpu"))
        follow(self._package, read, self._take_gallery)

    def _take_gallery(self) -> None:
        """In place of the one that it grew from; questions under way are answered from that."""
        self._engine.model.gallery = read_gallery(self._package)

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0.0)
    async def answer(self, questions: list[Question]) -> list[Answer]:
        """One answer to each question that came in meanwhile."""
        return await asyncio.to_thread(self._engine.answer, questions)

    async def ready(self) -> bool:
        """Whether there is a model."""
        return True


@contextmanager
def serving(folder: Path, placement: Placement, address: str | None = None) -> Iterator[str]:
    """The service for the time of a with-block; yields its address.

    Raises PackageError for a folder that is no export, ConfigError where the port is taken, ClusterError where the
    cluster is not there or cannot hold the replicas.
    """
    open_package(folder)
    _check_port(placement.host, placement.port)
    with connected(address) as nodes:
        _check_room(nodes, placement)
        logs = {"log_level": logging.WARNING, "enable_access_log": False}
        where = {"host": placement.host, "port": placement.port}
        logging.getLogger("ray.serve").setLevel(logging.WARNING)
        try:
            serve.start(proxy_location="HeadOnly", http_options=where, logging_config=logs)
            serve.run(_application(folder.resolve(), placement), name=NAME, route_prefix="/", logging_config=logs)
        except (RuntimeError, RayError) as error:  # an overloaded machine does not get it up within Ray's time
            raise ClusterError(f"the service did not start: {_last_line(error)}") from None
        try:
            yield f"http://{placement.host}:{placement.port}/"
        finally:
            serve.shutdown()


def _application(folder: Path, placement: Placement) -> Any:
    def build() -> Any:
        # Within the replica: the handle belongs to its event loop.
        handle = serve.get_deployment_handle(MODEL, NAME)
        package = Package(folder)
        read = stamp_of(package)
        catalogue = Catalogue(package)
        follow(package, read, catalogue.reread)
        return build_app(catalogue, asking(handle), _readiness(handle))

    answering = serve.deployment(
        Answering,
        name=MODEL,
        num_replicas=placement.replicas,
        max_ongoing_requests=ONGOING,
        max_queued_requests=WAITING,
        ray_actor_options={"num_cpus": 0 if placement.gpus else 1, "num_gpus": placement.gpus},
    )
    # Each replica of the model brings a front, which reads pictures for it.
    front = serve.deployment(
        serve.ingress(build)(_Front),
        name="Front",
        num_replicas=placement.replicas,
        max_ongoing_requests=CONNECTIONS,
        max_queued_requests=CONNECTIONS,
        ray_actor_options={"num_cpus": 0},
    )
    return front.bind(answering.bind(folder, "cuda" if placement.gpus else "cpu"))


class _Front:
    def __init__(self, answering: Any) -> None:
        """The argument is what makes Serve deploy the model; the app finds its handle by name."""


def asking(handle: Any) -> Callable[[Question], Awaitable[Answer]]:
    """What asks the replicas behind a handle; a question whose replica is lost is asked again, for it changes nothing.

    Raises Busy where too many wait, or no replica lasts; what the model raises comes out as it was.
    """

    async def ask(question: Question) -> Answer:
        for _ in range(TRIES):
            try:
                answer: Answer = await handle.answer.remote(question)
            except (BackPressureError, DeploymentUnavailableError):
                raise Busy from None
            except RayTaskError as error:
                raise error.cause or error from None
            except RayActorError:
                continue
            return answer
        raise Busy

    return ask


def _readiness(handle: Any) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        try:
            return bool(await asyncio.wait_for(_ping(handle), READY_SECONDS))
        except Exception:  # whatever it is, there is no answer
            return False

    return ready


async def _ping(handle: Any) -> bool:
    alive: bool = await handle.ready.remote()
    return alive


def _check_port(host: str, port: int) -> None:
    """Ray Serve itself would say so in a traceback of a worker."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as knock:
        knock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            knock.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"{host}:{port}: cannot be listened at ({error.strerror}); choose another --port"
            ) from None


def _check_room(nodes: list[Node], placement: Placement) -> None:
    """Serve would wait for resources that no node has."""
    what, each = ("gpus", placement.gpus) if placement.gpus else ("cpus", 1)
    room = sum(int(getattr(node, what) / each) for node in nodes)
    if room < placement.replicas:
        raise ClusterError(
            f"--replicas {placement.replicas}: {room} fit here, with {each:g} {what[:-1].upper()} each; ask for fewer"
        )


def _last_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
