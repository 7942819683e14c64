"""The owner's end of a training process: start it, ask for epochs, replace it when it dies."""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit
from carsray.training.forked import PYTHON, Forked, fork, heap_and_threads, start_anew
from carsray.training.messages import Answer, Begin, Epoch, Failed, LetGo, NextEpoch, Open, Progress, Released, Request

MODULE = "carsray.training.child"
CHILD = (*PYTHON, MODULE)
CLOSE_SECONDS = 5.0
HEALTH_SECONDS = 60.0
"""A child between two trials answers in milliseconds, unless its device hangs."""
STALL_SECONDS = 900.0
"""A child shows progress every few seconds; a single step on a processor is the longest it is silent."""


class TrainingProcess:
    """A child process that trains one trial at a time and keeps its imports and pretrained weights between them."""

    def __init__(self, split: DataSplit, run: RunConfig, child: Sequence[str] = CHILD) -> None:
        self._split, self._run, self._command = split, run, child
        self._child: subprocess.Popen[bytes] | Forked | None = None
        self._pipe: Connection | None = None
        self._deaf: Failed | None = None
        """What became of a child that did not take a request."""

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        return self._child.pid if self._child else None

    def begin(
        self,
        config: TrialConfig,
        snapshot: bytes | None = None,
        micro_batches: int = 1,
        to_pass: float | None = None,
    ) -> str | None:
        """Begin a trial or go on with it from a snapshot, in a new child where the old one is gone or unfit.

        Returns what was wrong with a child that had to be replaced.
        """
        problem = self._let_go() if self._child else None
        if self._child is None or problem:
            self._start()
        with suppress(OSError):  # died already: next_epoch says so
            self._send(Begin(config, snapshot, micro_batches, to_pass))
        return problem

    def next_epoch(self, snapshot: bool = False) -> Iterator[Progress | Epoch | Failed]:
        """Train one epoch: any number of Progress, then one Epoch or Failed.

        A child that dies, or gives no sign of life for STALL_SECONDS and is killed, is a Failed, too.
        """
        try:
            self._send(NextEpoch(snapshot))
            while True:
                if not self._answers(STALL_SECONDS):
                    yield self._stalled()
                    return
                answer = self._receive()
                assert not isinstance(answer, Released)
                yield answer
                if not isinstance(answer, Progress):
                    return
        except (EOFError, OSError):
            yield self._deaf or Failed(self._last_words(), "died")

    def close(self) -> None:
        """Hang up and wait for the child's end; kill it if it is in the middle of something."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None
        if self._child is not None:
            try:
                self._child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                self._child.kill()
                # One that hangs in the kernel, on a device or a file system, is left to it.
                with suppress(subprocess.TimeoutExpired):
                    self._child.wait(timeout=CLOSE_SECONDS)
            self._child = None

    def _start(self) -> None:
        self.close()
        environment = {**heap_and_threads(os.environ), "OMP_NUM_THREADS": str(self._run.threads)}
        self._child, ours = self._forked(environment) or start_anew(self._command, environment)
        # A child that hangs while it starts reads nothing, and a request may be larger than what waits in between.
        within = struct.pack("ll", int(STALL_SECONDS), int(STALL_SECONDS % 1 * 1e6))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, within)
        self._pipe, self._deaf = Connection(ours.detach()), None
        with suppress(OSError):  # died already: next_epoch says so
            self._send(Open(self._split, self._run))

    def _forked(self, environment: dict[str, str]) -> tuple[Forked, socket.socket] | None:
        if self._run.fork_server is None or self._command != CHILD:
            return None
        ours, theirs = socket.socketpair()
        with theirs:
            child = fork(self._run.fork_server, MODULE, theirs, environment, self._run.threads)
            if child and child.pid:
                return child, ours
        ours.close()
        return None

    def _let_go(self) -> str | None:
        """Have the child drop its trial; what is wrong with it afterwards, if anything."""
        try:
            self._send(LetGo())
            while self._answers(HEALTH_SECONDS):
                answer = self._receive()
                if isinstance(answer, Released):
                    return answer.problem
                if isinstance(answer, Failed):
                    return answer.reason
            return f"the training process gave no answer for {HEALTH_SECONDS:.0f} seconds between two trials"
        except (EOFError, OSError):
            return self._deaf.reason if self._deaf else self._last_words()

    def _send(self, request: Request) -> None:
        if self._pipe is None:
            raise OSError("not started")
        try:
            self._pipe.send(request)
        except BlockingIOError:
            self._deaf = self._stalled()  # half a request is no beginning for another
            raise

    def _receive(self) -> Answer:
        assert self._pipe is not None
        answer = self._pipe.recv()
        assert isinstance(answer, Answer)
        return answer

    def _answers(self, within: float) -> bool:
        """Whether the child gives a sign of life in time."""
        assert self._pipe is not None
        return self._pipe.poll(within)

    def _stalled(self) -> Failed:
        self.close()
        return Failed(f"the training process gave no sign of life for {STALL_SECONDS:.0f} seconds", "stalled")

    def _last_words(self) -> str:
        code = None
        if self._child:
            with suppress(subprocess.TimeoutExpired):
                code = self._child.wait(timeout=CLOSE_SECONDS)
        self.close()
        how = "no exit code" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"the training process died ({how}); out of memory is the usual reason"
