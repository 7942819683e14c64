"""Has every node of the cluster examined, by a task of its own. What the facts mean is said in findings."""

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from carsray.cluster.connect import Node
from carsray.cluster.examine import Examined, NodeFacts, examine_node
from carsray.progress import Report, silent

ANSWER_SECONDS = 90.0
"""Torch is imported on the way, which takes a while where it lies on a network disk that has not read it yet."""


def examine_nodes(
    nodes: Sequence[Node],
    cache: Path,
    data: str | None = None,
    within: float = ANSWER_SECONDS,
    report: Report = silent,
) -> list[Examined]:
    """Examine all nodes at the same time; one that gives no answer within so many seconds is told like that."""
    # Torch would stay in the memory of the worker process, and a context on the GPU: it ends with the call.
    examine = ray.remote(num_cpus=0, max_calls=1, max_retries=0)(examine_node)
    calls = [examine.options(scheduling_strategy=_only_on(node)).remote(cache, data) for node in nodes]
    waiting, until = calls, time.monotonic() + within
    while waiting and (left := until - time.monotonic()) > 0:
        _, waiting = ray.wait(waiting, num_returns=1, timeout=left)
        report(len(calls) - len(waiting), len(calls))
    examined = []
    for name, node, call in zip(_names(nodes), nodes, calls, strict=True):
        if call in waiting:
            ray.cancel(call, force=True)
            facts, problem = None, f"no answer in {within:.0f} s"
        else:
            facts, problem = _answer(call)
        examined.append(Examined(name, node.gpus, node.store_bytes, facts, problem))
    return examined


def head_address() -> str:
    """Where the head of the connected cluster listens, HOST:PORT."""
    return str(ray.get_runtime_context().gcs_address)


def _only_on(node: Node) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def _names(nodes: Sequence[Node]) -> list[str]:
    """Host names, with the beginning of Ray's id where several nodes run on one machine."""
    count = Counter(node.name for node in nodes)
    return [node.name if count[node.name] == 1 else f"{node.name} {node.id[:8]}" for node in nodes]


def _answer(call: Any) -> tuple[NodeFacts | None, str]:
    try:
        return ray.get(call), ""
    except RayTaskError as error:
        # Where carsray cannot be imported, Ray raises another error whose last line is that of the traceback.
        return None, (str(error.cause).strip().splitlines() or [type(error.cause).__name__])[-1]
    except RayError as error:
        return None, (str(error).splitlines() or [type(error).__name__])[0]
