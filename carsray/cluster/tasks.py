"""Generators that run as Ray tasks: start some, and take their events as they come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError


@dataclass(frozen=True, slots=True)
class Ended:
    """A task has given its last event; ``problem`` says why where it broke, with the traceback if it was a bug."""

    problem: str = ""
    lost: bool = False
    """Whether its worker process or its node died, which may be no fault of the task's."""


class Tasks:
    """Running tasks by name. Ray queues what does not fit at once, and keeps worker processes warm between tasks.

    Without GPUs: one that has had a GPU ends with its task, and with it what it held there, or had broken.
    """

    def __init__(self, cpus: float, gpus: float) -> None:
        self._options = {"num_cpus": cpus, "num_gpus": gpus, "num_returns": "streaming", "max_retries": 0}
        self._running: dict[Any, str] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, name: str, work: Callable[..., Iterator[Any]], *args: Any) -> None:
        """Run ``work(*args)``, a generator of a module's own, on some node; shared values are put in place there."""
        self._running[ray.remote(**self._options)(work).remote(*args)] = name

    def events(self) -> Iterator[tuple[str, Any]]:
        """(name, event) from all tasks, those started meanwhile included, each with one Ended at its end."""
        while self._running:
            (ready, *_), _ = ray.wait(list(self._running), num_returns=1, fetch_local=False)
            name = self._running[ready]
            try:
                event = ray.get(next(ready))
            except StopIteration:
                event = Ended()
            except RayError as error:
                event = Ended(_reason(error), not isinstance(error, RayTaskError))
            if isinstance(event, Ended):
                del self._running[ready]
            yield name, event


def share(value: Any) -> Any:
    """Put a value where every task can read it: what to pass to Tasks.start in its place."""
    return ray.put(value)


def _reason(error: RayError) -> str:
    if isinstance(error, RayTaskError):
        return f"{type(error.cause).__name__}: {error.cause}\n{error}"
    return f"its worker process died ({type(error).__name__}); out of memory is the usual reason"
