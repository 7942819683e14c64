"""Actors that stay: work is handed to them again and again, so that imports and compiled kernels are paid once."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from carsray.cluster.connect import Node
from carsray.errors import CarsrayError, ClusterError

READY_SECONDS = 300.0
"""Until all actors have a place and have begun; torch is imported on the way, from a network disk perhaps."""


def crew_of(nodes: Sequence[Node]) -> "Crew":
    """A hand for each GPU that has a processor beside it; where there is none, for each processor.

    Raises ClusterError where there is no processor either.
    """
    with_gpu = sum(min(int(node.cpus), int(node.gpus)) for node in nodes)
    size = with_gpu or sum(int(node.cpus) for node in nodes)
    if not size:
        raise ClusterError("the cluster has no processors to hand out. Start Ray with --num-cpus of 1 or more")
    return Crew(size, gpus=1 if with_gpu else 0)


class _Hand:
    def ready(self) -> None:
        pass

    def work(self, do: Callable[..., Any], *args: Any) -> Any:
        return do(*args)


class Crew:
    """So many actors, spread over the nodes. Use it in a with-block, which waits for them, and ends them.

    It raises ClusterError where some have not begun ``within`` so many seconds.
    """

    def __init__(self, size: int, cpus: float = 1, gpus: float = 0, within: float = READY_SECONDS) -> None:
        kind = ray.remote(_Hand).options(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD")
        self.size, self._each, self._within = size, f"{cpus:g} CPU and {gpus:g} GPU", within
        self._hands = [kind.remote() for _ in range(size)]

    def map(self, work: Callable[..., Any], items: Sequence[Any], *shared: Any) -> list[Any]:
        """``work(item, *shared)`` for each item, in their order; shared values travel to each node once.

        Raises the work's own CarsrayError, or ClusterError where an actor was lost.
        """
        kept = [ray.put(value) for value in shared]
        calls = [self._hands[at % self.size].work.remote(work, item, *kept) for at, item in enumerate(items)]
        try:
            return list(ray.get(calls))
        except RayTaskError as error:
            if isinstance(error.cause, CarsrayError):
                raise error.cause from None
            raise
        except RayError as error:
            raise ClusterError(
                f"an actor was lost ({type(error).__name__}); out of memory is the usual reason. Run again"
            ) from None

    def __enter__(self) -> Self:
        calls = [hand.ready.remote() for hand in self._hands]
        ready, waiting = ray.wait(calls, num_returns=self.size, timeout=self._within)
        if waiting:
            self._end()
            raise ClusterError(
                f"of {self.size} actors with {self._each} each {len(ready)} began within {self._within:g} s. Other "
                "work may hold what the rest need (ray status): wait for its end, and run again"
            )
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def _end(self) -> None:
        for hand in self._hands:
            ray.kill(hand)
