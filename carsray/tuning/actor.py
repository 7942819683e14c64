"""A trial inside Ray Tune: a thin shell over a training process that stays warm from trial to trial."""

import socket
from typing import Any

import ray
from ray import tune

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit
from carsray.results import BEST
from carsray.training.messages import Epoch, Failed
from carsray.training.process import TrainingProcess


class TrialActor(tune.Trainable):
    """Asks its training process for one epoch a step. Whatever goes wrong there is an answer, not an exception:

    a Ray actor that dies, or a reset that fails, would fail the trial for good.
    """

    def setup(self, config: dict[str, Any], split: DataSplit, run: RunConfig) -> None:
        """Begin the first trial."""
        # Several nodes may run on one machine, so the host alone does not say which.
        self._node = f"{socket.gethostname()} {ray.get_runtime_context().get_node_id()[:8]}"
        self._process = TrainingProcess(split, run)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial in the same process."""
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """One epoch; a result with "failed" ends the trial."""
        for answer in self._process.next_epoch():
            match answer:
                case Epoch():
                    return {"node": self._node, **self._result(answer)}
                case Failed(reason, bug):
                    failed = {"failed": reason, "bug": bug, "done": True}
                    return {"node": self._node, "epoch": self._epoch, BEST: self._best, **failed}
        raise AssertionError("a training process ended an epoch without an answer")

    def cleanup(self) -> None:
        """End the training process."""
        self._process.close()

    def _begin(self, config: dict[str, Any]) -> None:
        self._config = TrialConfig(**config["config"])
        self._rungs = {*config["rungs"], self._config.epochs}
        self._epoch, self._best = 0, 0.0
        self._unsent: bytes | None = None
        self._process.begin(self._config)

    def _result(self, epoch: Epoch) -> dict[str, Any]:
        self._epoch, self._best = epoch.epoch, epoch.metrics[BEST]
        self._unsent = epoch.checkpoint or self._unsent
        result: dict[str, Any] = {"epoch": epoch.epoch, **epoch.metrics}
        result |= {f"seconds/{name}": value for name, value in epoch.seconds.items()}
        # Weights travel at rungs only, where a trial may end; the best so far waits here until then.
        if epoch.epoch in self._rungs and self._unsent:
            result["checkpoint"], self._unsent = self._unsent, None
        return result
