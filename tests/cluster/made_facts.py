"""Facts made by hand: everything in order but for what a test says."""

from pathlib import Path
from typing import Any

from carsray.cluster.examine import DriverFacts, Examined, Gpu, NodeFacts

VERSIONS: dict[str, str | None] = {"python": "3.11.9", "torch": "2.9.0", "numpy": "2.3.0"}
STORE = 4 * 10**9


def node_of(name: str = "a", gpus: float = 0, gpus_seen: tuple[Gpu, ...] = (), **facts: Any) -> Examined:
    """A node on which Ray hands out so many GPUs."""
    usual: dict[str, Any] = {
        "versions": VERSIONS,
        "gpus": gpus_seen,
        "torch_problem": "",
        "gpus_hidden": False,
        "shm_bytes": 8 * 10**9,
        "shm_free_bytes": 8 * 10**9,
        "cache": Path("/cache"),
        "cache_problem": "",
        "cache_free_bytes": 10**12,
        "packs": 2,
        "data": None,
        "data_problem": "",
        "tokens": True,
    }
    return Examined(name, gpus, STORE, NodeFacts(**usual | facts))


def driver_of(**facts: Any) -> DriverFacts:
    usual: dict[str, Any] = {"versions": VERSIONS, "results": Path("results"), "results_problem": "", "wandb": "netrc"}
    return DriverFacts(**usual | facts)
