"""What the facts of an examination mean for a sweep: rules, each of which finds something in order or not."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from rich.filesize import decimal

from carsray.cluster.examine import DriverFacts, Examined, NodeFacts
from carsray.storage.address import is_remote

Level = Literal["ok", "warning", "error"]
"""A warning is a sweep that runs slower, or in the open; an error one whose trials fail or differ from node to node."""

EXACT = ("python", "torch", "torchvision", "ray")
"""What trials are made of: where it differs, their results do. carsray itself travels with the sweep."""
LITTLE_DISK = 10 * 10**9
"""A pack of Stanford Cars at 224 pixels has two gigabytes; activations of frozen prefixes take up to twenty more."""
NAMED = 3
"""Nodes that are named in a line; more are counted."""
CLUSTER, DRIVER = "cluster", "driver"
"""What a finding may be of instead of one node."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, and what to do where it is not in order."""

    level: Level
    check: str
    node: str
    found: str
    remedy: str = ""


def findings(nodes: Sequence[Examined], driver: DriverFacts, address: str) -> list[Finding]:
    """All that there is to say of the nodes, of the driver, and of the cluster with its head at this address."""
    found = [_unanswered(node) for node in nodes if node.facts is None]
    found += _versions(nodes, driver)
    for rule in _RULES:
        found += [said for node in nodes if node.facts and (said := rule(node, node.facts))]
    found.append(_results(driver))
    found += _storage(driver)
    found += _tokens(nodes, address)
    found.append(_wandb(driver))
    return found


def listed(names: Sequence[str]) -> str:
    """Names in a line: all of a few, else how many there are."""
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{', '.join(names[: NAMED - 1])} and {len(names) - NAMED + 1} more"


def _unanswered(node: Examined) -> Finding:
    if "No module named" in node.problem:
        remedy = "Install what carsray needs there, into the Python that Ray runs in, as on the other nodes"
    else:
        remedy = "Look there for what hangs or breaks: df and nvidia-smi often tell. ray stop takes a node out"
    return Finding("error", "answer", node.name, node.problem, remedy)


def _versions(nodes: Sequence[Examined], driver: DriverFacts) -> Iterator[Finding]:
    known = [(DRIVER, driver.versions), *((node.name, node.facts.versions) for node in nodes if node.facts)]
    agreed = []
    for package in driver.versions:
        holders: dict[str, list[str]] = {}
        for name, versions in known:
            holders.setdefault(versions.get(package) or "missing", []).append(name)
        if len(holders) == 1:
            agreed.append(f"{package} {next(iter(holders))}")
            continue
        spread = "; ".join(f"{version} on {listed(names)}" for version, names in holders.items())
        level: Level = "error" if package in EXACT else "warning"
        remedy = f"Install the same {package} everywhere; scripts/constraints.txt has versions tested together"
        yield Finding(level, "versions", CLUSTER, f"{package} {spread}", remedy)
    if agreed:
        yield Finding("ok", "versions", CLUSTER, ", ".join(agreed))


def _gpus(node: Examined, facts: NodeFacts) -> Finding:
    seen = len(facts.gpus)
    if facts.torch_problem:
        remedy = "Install torch anew there: no trial can train without it"
        return Finding("error", "GPU", node.name, f"torch does not work ({facts.torch_problem})", remedy)
    if seen == node.gpus:
        return Finding("ok", "GPU", node.name, _described(facts))
    if facts.gpus_hidden and not seen:
        return Finding(
            "warning",
            "GPU",
            node.name,
            f"Ray hands out {node.gpus:g} and hides them from this check (RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO)",
            "Start Ray there without that variable, and check again",
        )
    if seen < node.gpus:
        return Finding(
            "error",
            "GPU",
            node.name,
            f"Ray hands out {node.gpus:g}, torch sees {seen}: trials would train on the processor",
            f"Try nvidia-smi there, look at CUDA_VISIBLE_DEVICES, and whether torch {facts.versions.get('torch')} "
            "is a build for CUDA",
        )
    remedy = f"Start Ray there with --num-gpus={seen}, unless the rest is for others"
    return Finding("warning", "GPU", node.name, f"torch sees {seen}, Ray hands out {node.gpus:g}", remedy)


def _described(facts: NodeFacts) -> str:
    kinds = Counter(f"{gpu.name}, {gpu.total_bytes / 2**30:.0f} GiB" for gpu in facts.gpus)
    return "; ".join(f"{count} × {kind}" for kind, count in kinds.items()) or "none, and Ray hands out none"


def _shared_memory(node: Examined, facts: NodeFacts) -> Finding | None:
    if facts.shm_bytes is None:
        return None
    if facts.shm_bytes >= node.store_bytes:
        return Finding("ok", "/dev/shm", node.name, decimal(facts.shm_bytes))
    return Finding(
        "warning",
        "/dev/shm",
        node.name,
        f"{decimal(facts.shm_bytes)}; Ray's object store has {decimal(node.store_bytes)} and so lies on disk, in /tmp",
        f"Start its container with --shm-size={math.ceil(1.1 * node.store_bytes / 10**9)}g, in Kubernetes with an "
        "emptyDir of medium Memory at /dev/shm",
    )


def _cache(node: Examined, facts: NodeFacts) -> Finding:
    if facts.cache_problem:
        found = f"{facts.cache}: cannot be written ({facts.cache_problem})"
        return Finding("error", "cache", node.name, found, "Choose a folder of the node's own disk with --cache")
    packs = f"{facts.packs} pack{'' if facts.packs == 1 else 's'}"
    found = f"{facts.cache}: {decimal(facts.cache_free_bytes)} free, {packs}"
    if facts.cache_free_bytes < LITTLE_DISK:
        remedy = "Make room, or choose another folder with --cache; carsray plan says how much a sweep takes"
        return Finding("warning", "cache", node.name, found, remedy)
    return Finding("ok", "cache", node.name, found)


def _data(node: Examined, facts: NodeFacts) -> Finding | None:
    if facts.data is None:
        return None
    if not facts.data_problem:
        return Finding("ok", "data", node.name, f"{facts.data}: can be read")
    if is_remote(facts.data):
        remedy = "Each node fetches the pictures itself: give it credentials, by a role or the environment of its Ray"
    else:
        remedy = (
            "Each node packs the pictures itself: have them at the same path everywhere, on a file system that all "
            "share, or in a bucket"
        )
    return Finding("error", "data", node.name, f"{facts.data}: cannot be read ({facts.data_problem})", remedy)


_RULES: tuple[Callable[[Examined, NodeFacts], Finding | None], ...] = (_gpus, _shared_memory, _cache, _data)
"""Those that look at one node alone."""


def _results(driver: DriverFacts) -> Finding:
    if driver.results_problem:
        found = f"{driver.results}: cannot be written ({driver.results_problem})"
        return Finding("error", "results", DRIVER, found, "Choose another folder with --results")
    return Finding("ok", "results", DRIVER, f"{driver.results}: can be written")


def _storage(driver: DriverFacts) -> Iterator[Finding]:
    if driver.storage_problem:
        yield Finding("error", "storage", DRIVER, driver.storage_problem)
    elif driver.storage:
        yield Finding("ok", "storage", DRIVER, f"{driver.storage}: can be written")


def _tokens(nodes: Sequence[Examined], address: str) -> Iterator[Finding]:
    if _is_loopback(address):
        yield Finding("ok", "access", CLUSTER, f"{address}: this machine alone")
        return
    guarded = {node.name: node.facts.tokens for node in nodes if node.facts}
    if unguarded := [name for name, tokens in guarded.items() if not tokens]:
        yield Finding(
            "warning",
            "access",
            CLUSTER,
            f"{address}: Ray asks for no token on {listed(unguarded)}; whoever reaches a port can run code there",
            "ray get-auth-token --generate makes one: copy ~/.ray/auth_token to every node, and start Ray with "
            "RAY_AUTH_MODE=token. Until then, let a firewall keep others out",
        )
    elif guarded:
        yield Finding("ok", "access", CLUSTER, f"{address}: Ray asks for a token")


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wandb(driver: DriverFacts) -> Finding:
    found = driver.wandb or "no login; wandb login, or WANDB_API_KEY, if runs are to be uploaded"
    return Finding("ok", "W&B", DRIVER, found)
