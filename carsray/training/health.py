"""Whether a training process can take another trial: its memory is back where it was, its GPU reports no fault."""

import ctypes
import gc
from collections.abc import Mapping

import torch

from carsray.data.on_device import kept_bytes
from carsray.training.recorded import broke_off

LEAK_BYTES = 512 * 2**20
"""More than this beyond what the first trial left behind is a leak.

Kernels, caches and a copy of pretrained weights stay on purpose: on a processor 100 MiB after trials of eight
backbones, and 340 more while the weights are those of convnext_base, the largest.
"""


class Health:
    """Of the process that asks, which trains on one device."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._first: dict[str, int] | None = None

    def problem(self) -> str | None:
        """Why the next trial should have another process; None if it can have this one.

        To be asked between trials, when the network of the last one is let go.
        """
        try:
            held = self._held()
            if self._first is None:
                self._first = held
            if leak(self._first, held):
                gc.collect()  # a third of a second; without a cycle in the last trial it finds nothing
                held = self._held()
        except RuntimeError as error:  # what CUDA reports once, it reports at every call
            return f"{type(error).__name__}: {error}".splitlines()[0]
        if reason := broke_off():
            return f"a training step could not be recorded, {reason}"
        return leak(self._first, held)

    def _held(self) -> dict[str, int]:
        """Bytes in use, by the kind of memory."""
        held = {"memory": heap_bytes()}
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
            torch.cuda.empty_cache()  # for the other processes on this GPU
            held["GPU memory"] = torch.cuda.memory_allocated(self._device) - kept_bytes()
        return held


def leak(first: Mapping[str, int], now: Mapping[str, int]) -> str | None:
    """What has grown beyond what is normal between two looks at the bytes in use, in words; None if nothing has."""
    for kind, held in now.items():
        if (grown := held - first[kind]) > LEAK_BYTES:
            return f"{grown / 2**20:.0f} MiB of {kind} were not given back between trials"
    return None


def heap_bytes() -> int:
    """Bytes that this process has asked malloc for and not freed; 0 where glibc is not the system's library.

    Not resident memory: the heap keeps what is freed in it, and so grows with the largest trial.
    """
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except (AttributeError, OSError, TypeError):
        return 0
    mallinfo2.restype = _Mallinfo2
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)


class _Mallinfo2(ctypes.Structure):
    """https://man7.org/linux/man-pages/man3/mallinfo.3.html."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )
