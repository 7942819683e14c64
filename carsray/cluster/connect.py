"""Connect to a Ray cluster, or start one on this machine."""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ray
from ray.exceptions import AuthenticationError

from carsray.errors import ClusterError

KNOCK_SECONDS = 5.0
LOCAL = "local"
"""The address of a Ray of this machine's own, for who wants it in place of the cluster that a record names."""


_START = f"Start one with: ray start --head; or stay on this machine with: --address {LOCAL}"


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of the cluster and what Ray may hand out on it."""

    name: str
    cpus: float
    gpus: float
    id: str = ""
    store_bytes: int = 0
    """The size of its object store."""


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """A connection for the time of a with-block; yields the nodes. A connection that was open before stays open.

    Without an address, or with LOCAL, a Ray is started on this machine. Raises ClusterError where no cluster answers.
    """
    address = None if address == LOCAL else address
    _check_answers(address)
    if ray.is_initialized():
        yield alive_nodes()
        return
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # silences a warning about its future default
    # Workers start when they are asked for. Trials have an environment of Ray Tune's and take none of those that Ray
    # would start ahead; these would cost seconds of a processor before they end.
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")
    # Ray's own processes knock at one another before these listen, and then wait for a second. As long in all.
    os.environ.setdefault("RAY_raylet_client_connect_timeout_milliseconds", "20")
    os.environ.setdefault("RAY_raylet_client_num_connect_attempts", "500")
    try:
        # The dashboard can execute code and a sweep does not need it.
        dashboard = False if address is None else None
        # Without "local", Ray joins whatever cluster was last started on this machine, by whomever.
        ray.init(
            address or LOCAL,
            include_dashboard=dashboard,
            log_to_driver=False,
            logging_level=logging.ERROR,
            namespace="carsray",
            runtime_env=_own_code() if address else None,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if address is None:
            raise ClusterError(
                f"Ray cannot be started on this machine ({reason}). It writes to {tempfile.gettempdir()}: see that "
                "there is room, or name another folder in TMPDIR"
            ) from None
        raise ClusterError(f"--address {address}: no Ray cluster answers ({reason}). {_START}") from None
    except AuthenticationError as error:
        raise ClusterError(
            f"--address {address}: the cluster asks for a token ({error.message}). "
            "Copy its ~/.ray/auth_token here, and set RAY_AUTH_MODE=token"
        ) from None
    try:
        yield alive_nodes()
    finally:
        ray.shutdown()


def _own_code() -> dict[str, list[str]]:
    """The package as it is here, for every node: one that has another version installed, or none, runs this one."""
    return {"py_modules": [str(Path(__file__).parents[1])], "excludes": ["__pycache__"]}


def _check_answers(address: str | None) -> None:
    """Knock at HOST:PORT first: Ray itself would wait for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit() and "/" not in host:
        try:
            socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
        except OSError as error:
            raise ClusterError(f"--address {address}: nothing answers ({error}). {_START}") from None


def alive_nodes() -> list[Node]:
    """The nodes that answer, head first."""
    nodes = []
    # Ray lists them in no order of its own.
    for entry in sorted(ray.nodes(), key=lambda entry: "node:__internal_head__" not in entry["Resources"]):
        if entry["Alive"]:
            held = entry["Resources"]
            store = int(held.get("object_store_memory", 0))
            cpus, gpus = held.get("CPU", 0.0), held.get("GPU", 0.0)
            nodes.append(Node(entry["NodeManagerHostname"], cpus, gpus, entry["NodeID"], store))
    return nodes
