"""The service on Ray Serve: a front that reads pictures, and replicas of the model that answer in batches."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import serve
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import DeploymentUnavailableError, RayServeException

from carsray.cluster.connect import Node, connected
from carsray.errors import ClusterError, ConfigError, DataError
from carsray.final.package.folder import Package, open_package
from carsray.final.package.gallery import read_gallery
from carsray.final.package.model import load_model
from carsray.serve.api import Busy, build_app
from carsray.serve.batches import UNDER_WAY, Batches, Sent
from carsray.serve.catalogue import Catalogue
from carsray.serve.crowd import CROWD
from carsray.serve.engine import Engine, Question
from carsray.serve.following import follow, stamp_of

NAME = "carsray"
MODEL = "Answering"
ONGOING = 2 * UNDER_WAY
"""Calls that a replica of the model takes at a time: batches of its front and, where another replica was lost, of that
one's; and whether it is ready.
"""
CONNECTIONS = 8 * CROWD
"""Requests that a front looks at; nearly all beyond its crowd are refused at once, or are for what needs no model."""
READY_SECONDS = 5.0
TRIES = 5
"""Replicas that questions may lose."""


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
        self._turn = ThreadPoolExecutor(1)  # one batch after the other
        follow(self._package, read, self._take_gallery)

    def _take_gallery(self) -> None:
        """In place of the one that it grew from; questions under way are answered from that."""
        self._engine.model.gallery = read_gallery(self._package)

    async def answer(self, questions: list[Question]) -> list[bytes | DataError]:
        """One answer to each, as JSON, which costs less to pass on than an object; of a question that has none, why."""
        return await asyncio.get_running_loop().run_in_executor(self._turn, self._answer, questions)

    def _answer(self, questions: list[Question]) -> list[bytes | DataError]:
        try:
            return [answer.model_dump_json().encode() for answer in self._engine.answer(questions)]
        except DataError as error:
            if len(questions) == 1:
                return [error]
            return [answer for question in questions for answer in self._answer([question])]

    async def ready(self) -> bool:
        """Whether there is a model."""
        return True


@contextmanager
def serving(folder: Path, placement: Placement, address: str | None = None) -> Iterator[str]:
    """The service for the time of a with-block; yields its address.

    Raises PackageError for a folder that is no export, ConfigError where the port is taken, ClusterError where the
    cluster is not there, cannot hold the replicas, or serves something else.
    """
    open_package(folder)
    if address is None:
        _check_port(placement.host, placement.port)
    with connected(address) as nodes:
        _check_room(nodes, placement)
        _check_alone()
        try:
            _start(folder.resolve(), placement)
            yield f"http://{placement.host}:{placement.port}/"
        finally:
            serve.shutdown()


def _check_alone() -> None:
    """Serve is one for a whole cluster: it would keep its port, and end with ours."""
    running = serve.status()
    if running.proxies or running.applications:
        others = ", ".join(running.applications) or "without an application"
        raise ClusterError(f"Ray Serve runs on this cluster already ({others}). End it, or choose another cluster")


def _start(folder: Path, placement: Placement) -> None:
    logs = {"log_level": logging.WARNING, "enable_access_log": False}
    where = {"host": placement.host, "port": placement.port}
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    try:
        serve.start(proxy_location="HeadOnly", http_options=where, logging_config=logs)
        serve.run(_application(folder, placement), name=NAME, route_prefix="/", logging_config=logs)
    except (RuntimeError, RayError, RayServeException) as error:  # e.g. an overloaded machine is too slow for Ray
        raise ClusterError(f"the service did not start: {_last_line(error)}") from None


def _application(folder: Path, placement: Placement) -> Any:
    def build() -> Any:
        # Within the replica: the handle belongs to its event loop.
        handle = serve.get_deployment_handle(MODEL, NAME)
        package = Package(folder)
        read = stamp_of(package)
        catalogue = Catalogue(package)
        follow(package, read, catalogue.reread)
        return build_app(catalogue, Batches(asking(handle)).ask, _readiness(handle))

    answering = serve.deployment(
        Answering,
        name=MODEL,
        num_replicas=placement.replicas,
        max_ongoing_requests=ONGOING,
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


def asking(handle: Any) -> Sent:
    """What asks the replicas behind a handle; questions whose replica is lost are asked again, for they change nothing.

    Raises Busy where no replica lasts; what the model raises comes out as it was.
    """

    async def ask(questions: list[Question]) -> Sequence[bytes | DataError]:
        for _ in range(TRIES):
            try:
                answers: Sequence[bytes | DataError] = await handle.answer.remote(questions)
            except DeploymentUnavailableError:
                raise Busy from None
            except RayTaskError as error:
                raise error.cause or error from None
            except RayActorError:
                continue
            return answers
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
