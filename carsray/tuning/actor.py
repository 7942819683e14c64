"""A trial inside Ray Tune: a thin shell over a training process that stays warm from trial to trial."""

import socket
import time
from typing import Any

import ray
from ray import tune

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit
from carsray.results import BEST, MICRO_BATCHES
from carsray.training.attempts import Attempts
from carsray.training.messages import Epoch, Failed
from carsray.training.standing import SNAPSHOT_SECONDS
from carsray.tuning.parcel import Parcel


class TrialActor(tune.Trainable):
    """Asks its training process for one epoch a step. Whatever goes wrong there is an answer, not an exception:

    a Ray actor that dies, or a reset that fails, would fail the trial for good.
    """

    def setup(self, config: dict[str, Any], split: DataSplit, run: RunConfig) -> None:
        """Begin the first trial."""
        # Several nodes may run on one machine, so the host alone does not say which.
        self._node = f"{socket.gethostname()} {ray.get_runtime_context().get_node_id()[:8]}"
        self._attempts = Attempts(split, run)
        self._answered = time.perf_counter()
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One epoch; a result with "failed" ends the trial."""
        asked = time.perf_counter()
        # One whose epochs are long saves itself between rungs, too; after the last there is nothing to go on with.
        late = asked - self._saved > SNAPSHOT_SECONDS and self._epoch + 1 < self._epochs
        due = self._epoch + 1 in self._rungs or late
        for answer in self._attempts.next_epoch(snapshot=due):
            match answer:
                case Epoch():
                    return {"node": self._node, **self._result(answer), **self._seconds(answer, asked)}
                case Failed(reason, kind):
                    failed = {"failed": reason, "kind": kind, "done": True}
                    return {"node": self._node, "epoch": self._epoch, BEST: self._best, **failed}
        raise AssertionError("a training process ended an epoch without an answer")

    def cleanup(self) -> None:
        """End the training process."""
        self._attempts.close()

    def _begin(self, config: dict[str, Any]) -> None:
        chosen = TrialConfig(**config["config"])
        self._rungs, self._epochs = set(config["rungs"]), chosen.epochs
        self._epoch, self._best, snapshot, micro_batches = 0, 0.0, None, 1
        if going_on := config.get("going_on"):
            self._epoch, self._best = going_on["epoch"], going_on["best"]
            snapshot, micro_batches = ray.get(going_on["snapshot"]), going_on["micro_batches"]
        asked = self._saved = time.perf_counter()
        self._attempts.begin(chosen, snapshot, self._epoch, config["to_pass"], micro_batches)
        self._starting = time.perf_counter() - asked

    def _result(self, epoch: Epoch) -> dict[str, Any]:
        self._epoch, self._best = epoch.epoch, epoch.metrics[BEST]
        result: dict[str, Any] = {"epoch": epoch.epoch, **epoch.metrics, **epoch.usage}
        if epoch.snapshot:
            result["snapshot"], self._saved = Parcel(epoch.snapshot), time.perf_counter()
        if self._attempts.log:
            result["outlived"] = [f"{failure.kind}: {failure.reason}" for failure in self._attempts.log]
        if self._attempts.micro_batches > 1:
            result[MICRO_BATCHES] = self._attempts.micro_batches
        if epoch.checkpoint:
            result["checkpoint"] = Parcel(epoch.checkpoint)
        return result

    def _seconds(self, epoch: Epoch, asked: float) -> dict[str, float]:
        """Where the time went since this actor's last answer, all of it."""
        now = time.perf_counter()
        seconds = {"waiting": asked - self._answered - self._starting, **epoch.seconds}
        # What the training process did not book: its own start, with the imports, before the first epoch.
        seconds["start"] = seconds.get("start", 0.0) + self._starting + now - asked - sum(epoch.seconds.values())
        self._answered, self._starting = now, 0.0
        return {f"seconds/{name}": value for name, value in seconds.items()}
