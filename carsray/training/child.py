"""The training process: ``python -m carsray.training.child FD``. Stays warm from trial to trial.

It imports no Ray, so a crash here is a crash of one trial and not of a Ray actor; its owner starts another.
"""

import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData, training_data
from carsray.data.on_device import keep_only
from carsray.data.remote import local_paths
from carsray.data.seal import seal
from carsray.errors import CarsrayError, TrialFailed
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes
from carsray.training.device import resolve_device
from carsray.training.fit import EpochResult, fit
from carsray.training.health import Health
from carsray.training.memory import for_lack_of_memory
from carsray.training.messages import Begin, Epoch, Failed, LetGo, NextEpoch, Open, Progress, Released
from carsray.training.usage import Usage


def main(pipe: int) -> None:
    """Serve requests until the owner hangs up."""
    threading.Thread(target=_die_with_owner, args=(pipe,), daemon=True).start()
    connection = Connection(pipe)
    opened = connection.recv()
    assert isinstance(opened, Open)
    seal(local_paths(opened.split.test, opened.run.cache))
    _Trials(connection, opened).serve()


class _Trials:
    def __init__(self, connection: Connection, opened: Open) -> None:
        self._connection, self._opened = connection, opened
        device = resolve_device(opened.run)
        self._health, self._usage = Health(device), Usage(device, opened.run.activations)
        self._config: TrialConfig | None = None
        self._epochs: Iterator[Progress | EpochResult] = iter(())
        self._best: bytes | None = None
        """Weights of the best epoch since they were last sent."""

    def serve(self) -> None:
        while True:
            try:
                request = self._connection.recv()
            except EOFError:
                return
            try:
                self._answer(request)
            except (TrialFailed, CarsrayError) as error:
                self._connection.send(Failed(str(error), "trial"))
            except Exception as error:
                self._connection.send(_failure(error))

    def _answer(self, request: object) -> None:
        match request:
            case LetGo():
                self._epochs, self._best = iter(()), None
                self._connection.send(Released(self._health.problem()))
            case Begin(config):
                self._config = config
                self._usage.begin()
                self._epochs = self._start(request)
            case NextEpoch(snapshot):
                for event in self._epochs:
                    if isinstance(event, Progress):
                        self._usage.look()
                        self._connection.send(event)
                    else:
                        self._connection.send(self._epoch(event, snapshot))
                        return
                raise TrialFailed("was asked for an epoch past its last")

    def _start(self, asked: Begin) -> Iterator[Progress | EpochResult]:
        """The data is loaded inside the generator, so that its errors reach the owner with the first epoch."""
        data = self._data(asked.config)
        yield from fit(asked.config, data, self._opened.run, asked.snapshot, asked.micro_batches, to_pass=asked.to_pass)

    def _data(self, config: TrialConfig) -> TrainingData:
        run, shown = self._opened.run, time.perf_counter()

        def report(done: int, total: int) -> None:
            nonlocal shown
            if time.perf_counter() - shown >= run.progress_seconds:
                shown = time.perf_counter()
                self._connection.send(Progress(0, done, total))

        data = training_data(self._opened.split, config, run.cache, report)
        keep_only([pack.key for pack in (data.train, data.val) if pack])
        return data

    def _epoch(self, result: EpochResult, with_snapshot: bool) -> Epoch:
        assert self._config is not None
        began = time.perf_counter()
        info = CheckpointInfo(self._config, self._opened.split.classes, result.epoch)
        if result.improved:
            self._best = checkpoint_bytes(result.network, info)
        last = result.epoch == self._config.epochs
        checkpoint = snapshot = None
        if with_snapshot:
            snapshot = result.snapshot()
        if with_snapshot or last or self._opened.run.keep_improved:
            checkpoint, self._best = self._best, None
        seconds = result.seconds | {"checkpoint": time.perf_counter() - began}
        predicted = result.predicted if last else None
        return Epoch(result.epoch, result.metrics, seconds, checkpoint, snapshot, predicted, self._usage.epoch())


FAULTY = ("CUDA error", "cuDNN error", "CUDNN_STATUS")
"""How CUDA and cuDNN speak of anything else."""


def _failure(error: Exception) -> Failed:
    """What an error says of its cause; PyTorch has a type for it where its own allocator on a GPU lacks memory only."""
    text = str(error)
    first = f"{type(error).__name__}: {text}".splitlines()[0]
    if for_lack_of_memory(error):
        return Failed(first, "memory")
    if isinstance(error, RuntimeError) and any(words in text for words in FAULTY):
        return Failed(first, "device")
    return Failed(f"{type(error).__name__}: {error}\n{traceback.format_exc()}", "bug")


def _die_with_owner(pipe: int) -> None:
    """End when the owner is gone: a killed owner cannot hang up in the middle of an epoch."""
    hung_up = select.poll()
    hung_up.register(pipe, select.POLLHUP)
    hung_up.poll()
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
