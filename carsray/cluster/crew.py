"""Actors that stay: work is handed to them again and again, so that imports and compiled kernels are paid once."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import ray
from ray.exceptions import RayError, RayTaskError

from carsray.errors import CarsrayError, ClusterError


class _Hand:
    def work(self, do: Callable[..., Any], *args: Any) -> Any:
        return do(*args)


class Crew:
    """So many actors, spread over the nodes. Use it in a with-block, which ends them."""

    def __init__(self, size: int, cpus: float = 1, gpus: float = 0) -> None:
        kind = ray.remote(_Hand).options(num_cpus=cpus, num_gpus=gpus, scheduling_strategy="SPREAD")
        self.size = size
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
        return self

    def __exit__(self, *error: object) -> None:
        for hand in self._hands:
            ray.kill(hand)
