"""A trial in a training process, begun again from its last snapshot when the process fails for a cause that may pass.

Imports no torch: the owner of a training process has no use for it.
"""

from collections import Counter
from collections.abc import Iterator

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit
from carsray.training.messages import Epoch, Failed, FailureKind, Progress
from carsray.training.process import TrainingProcess

ATTEMPTS: dict[FailureKind, int] = {"memory": 4, "device": 2, "died": 3, "stalled": 2}
"""Failures of a kind without a new epoch after which a trial is given up; of other kinds the first is the last."""


class Attempts:
    """One trial at a time, in a process that stays warm."""

    def __init__(self, split: DataSplit, run: RunConfig) -> None:
        self.process = TrainingProcess(split, run)
        self._at = self._kept = 0
        """The epochs at whose end the process stands, and the snapshot was made."""
        self._since_new: Counter[FailureKind] = Counter()
        """Failures since the last epoch that was new: what comes now and then is no reason to give up."""
        self.log: list[Failed] = []
        """What the trial at hand has outlived: its own failures, and the one that the trial before left behind."""

    def begin(
        self,
        config: TrialConfig,
        snapshot: bytes | None = None,
        done: int = 0,
        to_pass: float | None = None,
        micro_batches: int = 1,
    ) -> None:
        """Begin a trial, or go on with it from a snapshot that was made after ``done`` epochs, each batch cut
        into so many ``micro_batches``.

        A trial that will be asked for an accuracy ``to_pass`` after its first epoch may end that early.
        """
        self._config, self._snapshot, self._done, self._to_pass = config, snapshot, done, to_pass
        self._micro_batches = micro_batches
        self._kept = done if snapshot else 0
        self.log = []
        self._since_new.clear()
        self._again()

    @property
    def micro_batches(self) -> int:
        """Parts that each batch is cut into by now."""
        return self._micro_batches

    def next_epoch(self, snapshot: bool = False) -> Iterator[Progress | Epoch | Failed]:
        """Train the next epoch: any number of Progress, then one Epoch, or the Failed that ends the trial.

        After a failure the epochs since the last snapshot are trained again, without a word.
        """
        while True:
            # What is trained again sends no weights: nobody takes them, and the process would not send them twice.
            for answer in self.process.next_epoch(snapshot and self._at + 1 > self._done):
                match answer:
                    case Progress():
                        yield answer
                    case Epoch():
                        self._at = answer.epoch
                        if answer.epoch > self._done:
                            self._done = answer.epoch
                            self._since_new.clear()
                            if answer.snapshot:
                                self._snapshot, self._kept = answer.snapshot, answer.epoch
                            yield answer
                            return
                    case Failed():
                        if not self._outlives(answer):
                            yield answer
                            return

    def close(self) -> None:
        """End the process."""
        self.process.close()

    def _outlives(self, failure: Failed) -> bool:
        self.log.append(failure)
        self._since_new[failure.kind] += 1
        alike = self._since_new[failure.kind]
        if alike >= ATTEMPTS.get(failure.kind, 1):
            return False
        # One that is killed twice took too much memory, most likely; once may be chance.
        if failure.kind == "memory" or (failure.kind == "died" and alike > 1):
            self._micro_batches *= 2
        if failure.kind != "died":
            self.process.close()  # a device that has reported a fault stays faulty for this process
        self._again()
        return True

    def _again(self) -> None:
        self._at = self._kept
        if problem := self.process.begin(self._config, self._snapshot, self._micro_batches, self._to_pass):
            self.log.append(Failed(problem, "unfit"))
