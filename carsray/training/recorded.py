"""Work on a GPU that is recorded once and from then on started as a whole.

A training step is hundreds of kernels: to start them one by one takes a processor longer than a fast GPU needs to do
them. A CUDA graph, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Work = Callable[[Tensor, Tensor], Tensor]
WARM_UP = 3
"""Calls that run as they are before one is recorded: libraries choose their kernels and take their memory."""


def recorded(work: Work, device: torch.device) -> Work:
    """The same work, started faster from its fourth call on where the device is a GPU.

    It may not wait for the device, and all that it reads and writes, but for its arguments, must stay where it is.
    What it returns is good until the next call.
    """
    return _Recorded(work, device) if device.type == "cuda" else work


class _Recorded:
    """One recording, made of inputs of one shape; another shape begins anew."""

    def __init__(self, work: Work, device: torch.device) -> None:
        self._work = work
        # One stream for all calls, since autograd adds up gradients on that on which a parameter was first used.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._inputs: tuple[Tensor, ...] = ()
        self._begin(())

    def __call__(self, *given: Tensor) -> Tensor:
        if [(own.shape, own.dtype) for own in self._inputs] != [(one.shape, one.dtype) for one in given]:
            self._begin(given)
        for own, one in zip(self._inputs, given, strict=True):
            own.copy_(one)
        if self._calls == WARM_UP:
            self._record()
        self._calls += 1
        if self._graph is None:
            return self._aside()
        self._graph.replay()
        return self._result

    def _begin(self, given: tuple[Tensor, ...]) -> None:
        self._graph: torch.cuda.CUDAGraph | None = None
        self._result = torch.empty(0)
        self._calls = 0
        self._inputs = tuple(torch.empty_like(one) for one in given)

    def _aside(self) -> Tensor:
        """Run as it is, on the stream of the recording."""
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = self._work(*self._inputs)
        current.wait_stream(self._stream)
        return result

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self._stream):
                self._result = self._work(*self._inputs)
        except RuntimeError:  # something in it waits for the GPU, or memory is short: it stays as it is
            # A recording that broke off leaves the generator of random numbers recording; one of nothing ends that.
            with (
                warnings.catch_warnings(action="ignore"),
                torch.cuda.graph(torch.cuda.CUDAGraph(), stream=self._stream),
            ):
                pass
        else:
            self._graph = graph
