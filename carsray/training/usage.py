"""What a training process uses of its machine: processors, memory, the GPU, disk. Measured in the process itself.

So it is of the trial alone, on whatever node it runs; and it goes with the epoch into the record.
"""

import os
import time
from pathlib import Path

import torch

STATM = Path("/proc/self/statm")
"""Pages of memory: in all, resident, ...; https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html"""


class Usage:
    """From one epoch to the next."""

    def __init__(self, device: torch.device, cache: Path) -> None:
        """``cache`` is where activations are kept, by all trials of the machine."""
        self._cache = cache
        self._device = device if device.type == "cuda" else None
        self._utilisation = self._device is not None
        self.begin()

    def begin(self) -> None:
        """Forget what was before."""
        self._wall, self._processor = time.perf_counter(), time.process_time()
        self._busy: list[float] = []
        if self._device is not None and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.reset_peak_memory_stats(self._device)

    def look(self) -> None:
        """Look at the GPU, which is to be done every few seconds; how busy it was is the mean of what was seen."""
        if self._device is not None and self._utilisation:
            try:
                self._busy.append(torch.cuda.utilization(self._device) / 100)
            except Exception:  # no NVML, or one that refuses, as in some containers
                self._utilisation = False

    def epoch(self) -> dict[str, float]:
        """Since the last call: processors in use on average, resident memory now, the GPU's share of time and peak.

        And what activations the machine has cached by now.
        """
        self.look()
        wall = time.perf_counter() - self._wall
        used = {"system/processors": (time.process_time() - self._processor) / wall if wall else 0.0}
        if STATM.exists():
            used["system/memory_gb"] = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**30
        if self._cache.exists():
            used["system/cache_gb"] = sum(map(_size, self._cache.iterdir())) / 2**30
        if self._busy:
            used["system/gpu"] = sum(self._busy) / len(self._busy)
        if self._device is not None:
            used["system/gpu_memory_gb"] = torch.cuda.max_memory_reserved(self._device) / 2**30
        self.begin()
        return {name: round(value, 4) for name, value in used.items()}


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # another trial has just made room
        return 0
