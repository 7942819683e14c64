"""Trainings that several workers share, one training after the other: Ray Train starts the workers and joins them.

It gives each its GPU, its rank and a process group of torch.distributed (NCCL on GPUs, gloo on processors):
https://docs.ray.io/en/latest/train/api/doc/ray.train.torch.TorchTrainer.html. Their events do not go through its
reports, which are made for numbers and for checkpoints on storage that all nodes share, but through a queue.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import train
from ray.exceptions import NodeDiedError, RayActorError
from ray.train.torch import TorchTrainer
from ray.util.queue import Empty, Queue
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from carsray.cluster.tasks import Ended

LOOK_SECONDS = 1.0
"""Between two looks whether a training that sends no event is still there."""


@dataclass
class Teams:
    """Takes generators as cluster/tasks.py does, and runs each on so many workers; the first one's events count."""

    workers: int
    cpus: float
    """Of each worker."""
    gpus: float
    _waiting: list[tuple[str, Callable[..., Iterator[Any]], tuple[Any, ...]]] = field(default_factory=list)

    def start(self, name: str, work: Callable[..., Iterator[Any]], *args: Any) -> None:
        """Run ``work(*args)`` on every worker when its turn comes; shared values are put in place there."""
        self._waiting.append((name, work, args))

    def events(self) -> Iterator[tuple[str, Any]]:
        """(name, event) from all of them, in their order, each with one Ended at its end."""
        while self._waiting:
            name, work, args = self._waiting.pop(0)
            for event in self._run(work, args):
                yield name, event

    def _run(self, work: Callable[..., Iterator[Any]], args: tuple[Any, ...]) -> Iterator[Any]:
        # Here, whatever happens to other nodes.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
        problems: list[Ended] = []
        with tempfile.TemporaryDirectory(prefix="carsray-ray-") as storage:
            trainer = self._trainer({"work": work, "args": args, "queue": queue}, storage)
            thread = threading.Thread(target=_fit, args=(trainer, problems), daemon=True)
            thread.start()
            while thread.is_alive() or not queue.empty():
                try:
                    yield queue.get(timeout=LOOK_SECONDS)
                except Empty:
                    continue
        queue.shutdown()
        yield problems[0] if problems else Ended()

    def _trainer(self, asked: dict[str, Any], storage: str) -> Any:
        # Weights may be named by a path that begins where the driver runs.
        os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
        logging.getLogger("ray.train").setLevel(logging.CRITICAL)
        resources = {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}
        return TorchTrainer(
            _work,
            train_loop_config=asked,
            scaling_config=train.ScalingConfig(
                num_workers=self.workers, use_gpu=bool(self.gpus), resources_per_worker=resources
            ),
            run_config=train.RunConfig(storage_path=storage),
        )


def _work(asked: dict[str, Any]) -> None:
    """What each worker runs."""
    args = [ray.get(value) if isinstance(value, ray.ObjectRef) else value for value in asked["args"]]
    first = train.get_context().get_world_rank() == 0
    for event in asked["work"](*args):
        if first:
            asked["queue"].put(event)


def _fit(trainer: Any, problems: list[Ended]) -> None:
    """Train; what went wrong is added to the problems, of one worker, since the others fail with it."""
    try:
        trainer.fit()
    except Exception as error:  # told by the one who takes the events: a thread has nobody to raise it to
        failures = getattr(error, "worker_failures", {}) or {0: error}
        lost = [each for each in failures.values() if isinstance(each, RayActorError | NodeDiedError)]
        first = next(iter([*lost, *failures.values()]))
        problems.append(Ended(f"{type(first).__name__}: {first}", bool(lost)))
