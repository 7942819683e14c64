"""Work on a GPU that is recorded once and from then on started as a whole.

A training step is hundreds of kernels: to start them one by one takes a processor longer than a fast GPU needs to do
them. A CUDA graph, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import torch
from torch import Tensor

from carsray.training.memory import for_lack_of_memory

Work = Callable[[Tensor, Tensor], Tensor]
WARM_UP = 3
"""Calls that run as they are before one is recorded: libraries choose their kernels and take their memory."""

_broken: list[str] = []
"""Why recordings of this process broke off."""


def recorded(work: Work, device: torch.device, forget: Callable[[], object] = lambda: None) -> Work:
    """The same work, started faster from its fourth call on where the device is a GPU.

    It may not wait for the device, and all that it reads and writes, but for its arguments, must stay where it is.
    What it returns is good until the next call. ``forget`` lets go of what a call leaves behind and the next replaces:
    a recording has memory of its own. Let go of one recording before the next is made: they share a stream, and some
    versions of torch clear up there after the one while the other still needs it.
    """
    return _Recorded(work, device, forget) if device.type == "cuda" and not _broken else work


def broke_off() -> str | None:
    """Why a recording of this process broke off, if one did: torch then takes it for going on, and keeps its memory."""
    return _broken[-1] if _broken else None


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """One for all recordings of a process: libraries keep memory for each stream that they have seen."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _Recorded:
    """One recording, made of inputs of one shape; another shape begins anew. Without one the work runs as it is."""

    def __init__(self, work: Work, device: torch.device, forget: Callable[[], object]) -> None:
        self._work, self._forget = work, forget
        # The same for all calls, since autograd adds up gradients on that on which a parameter was first used.
        self._stream = _stream(device)
        self._inputs: tuple[Tensor, ...] = ()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._gave_up = False

    def __call__(self, *given: Tensor) -> Tensor:
        if self._gave_up or _broken:
            return self._work(*given)
        if [(own.shape, own.dtype) for own in self._inputs] != [(one.shape, one.dtype) for one in given]:
            self._begin(given)
        for own, one in zip(self._inputs, given, strict=True):
            own.copy_(one)
        if self._calls == WARM_UP:
            self._record()
            if self._gave_up:
                return self._work(*given)
        self._calls += 1
        if self._graph is None:
            return self._aside()
        self._graph.replay()
        return self._result

    def _begin(self, given: tuple[Tensor, ...]) -> None:
        self._graph, self._result, self._calls = None, torch.empty(0), 0
        torch.cuda.empty_cache()  # what belonged to a recording before this one serves nobody else
        self._inputs = tuple(torch.empty_like(one) for one in given)

    def _aside(self) -> Tensor:
        """Run as it is, on the stream of the recording."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        try:
            with torch.cuda.stream(self._stream):
                return self._work(*self._inputs)
        finally:
            current.wait_stream(self._stream)

    def _record(self) -> None:
        self._forget()
        graph = torch.cuda.CUDAGraph()
        # Where a recording breaks off, torch stays on its stream.
        with torch.cuda.stream(torch.cuda.current_stream()):
            try:
                with torch.cuda.graph(graph, stream=self._stream):
                    self._result = self._work(*self._inputs)
            except RuntimeError as error:
                self._gave_up = True
                if not for_lack_of_memory(error):  # something in it waits for the GPU
                    _broken.append(f"{type(error).__name__}: {error}".splitlines()[0])
                    self._end_broken()
                return
        self._graph = graph

    def _end_broken(self) -> None:
        """The generator of random numbers still takes itself for recorded; a recording of nothing ends that."""
        nothing = torch.cuda.CUDAGraph()
        recording = torch.cuda.graph(nothing, stream=self._stream)
        with suppress(RuntimeError), warnings.catch_warnings(action="ignore"), recording:
            pass
