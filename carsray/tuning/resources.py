"""What one trial gets of the cluster, and how many run at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from carsray.cluster.connect import Node
from carsray.config import SweepSettings
from carsray.errors import ClusterError, ConfigError

MOST_WITHOUT_GPUS = 8
"""More trials at a time leave the sampler little to learn from, and each of them fewer processors."""

GPU_SHARES = (8, 4, 2, 1)
"""Trials that may share a GPU; the share of one is then written exactly: 0.125, 0.25, 0.5."""
GPU_MARGIN = 0.1
"""Share of a GPU's memory that stays free, for configurations that need more than those probed."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The share of one trial, and how many trials the cluster runs at a time."""

    cpus: float
    gpus: float
    concurrent: int

    @property
    def threads(self) -> int:
        """Processor threads of one trial."""
        return max(1, int(self.cpus))

    @property
    def device(self) -> Literal["auto", "cpu"]:
        """What one trial runs on. Without a share of a GPU its process may still see one."""
        return "auto" if self.gpus else "cpu"


def share_out(nodes: Sequence[Node], settings: SweepSettings) -> Resources:
    """Divide the cluster among trials. Raises ClusterError, with the numbers, for a request that no node can hold."""
    nodes = [node for node in nodes if node.cpus]  # a head that is not to hold trials has none
    if not nodes:
        raise ClusterError("the cluster has no processors to hand out. Start Ray with --num-cpus of 1 or more")
    gpus = settings.gpus_per_trial
    if gpus is None:
        gpus = 1.0 if any(node.gpus for node in nodes) else 0.0
    slots = _gpu_slots(nodes, gpus) if gpus else _cpu_slots(nodes, settings)
    possible = sum(slots)
    most = settings.concurrent or (possible if gpus else MOST_WITHOUT_GPUS)
    concurrent = min(most, possible, settings.trials)
    return Resources(_cpus(nodes, slots, concurrent), gpus, concurrent)


def require_spent(budget_gpu_hours: float | None, share: Resources) -> None:
    """Raises ConfigError for a budget of GPU-hours of which these trials would spend nothing."""
    if budget_gpu_hours and not share.gpus:
        raise ConfigError(
            f"--budget-gpu-hours {budget_gpu_hours:g}: trials have no GPU here, and would never spend it. Use "
            "--budget-hours, or give trials a GPU (--gpus-per-trial)"
        )


def room_for(nodes: Sequence[Node], share: Resources, settings: SweepSettings) -> int:
    """How many trials of this share the nodes hold by now: some may have come, or gone, since it was worked out."""
    held = (min(_fit(node.cpus, share.cpus), _fit(node.gpus, share.gpus)) for node in nodes)
    most = settings.concurrent or (settings.trials if share.gpus else MOST_WITHOUT_GPUS)
    return min(most, settings.trials, int(sum(held)))


def _fit(there: float, each: float) -> float:
    """A node that lacks a thousandth of what its trials ask for holds one fewer."""
    return math.floor(there / each + 1e-6) if each else math.inf


def trials_per_gpu(needed: int, total: int, cpus: float) -> int:
    """How many trials may share a GPU: each needs so many bytes of the total, and one of the processors beside it."""
    room = int(total * (1 - GPU_MARGIN))
    return next((share for share in GPU_SHARES if share * needed <= room and share <= cpus), 1)


def _gpu_slots(nodes: Sequence[Node], gpus: float) -> list[int]:
    """How many trials each node holds by its GPUs."""
    per_gpu = 1 / gpus
    if gpus < 1 and not math.isclose(per_gpu, round(per_gpu), rel_tol=1e-6):
        raise ClusterError(
            f"--gpus-per-trial {gpus:g}: below 1 only 1/n is allowed (0.5, 0.25, ...), so that n trials fill a GPU"
        )
    if gpus > 1 and gpus != int(gpus):
        raise ClusterError(f"--gpus-per-trial {gpus:g}: above 1 only whole numbers are allowed")
    largest = max(node.gpus for node in nodes)
    if gpus > largest:
        held = ", ".join(f"{node.gpus:g}" for node in nodes)
        raise ClusterError(
            f"--gpus-per-trial {gpus:g}: no node has that many; the largest has {largest:g} (GPUs by node: {held}). "
            + (f"Ask for at most {largest:g}" if largest else "Leave it out to run on processors")
        )
    return [math.floor(node.gpus * per_gpu + 1e-6) for node in nodes]


def _cpu_slots(nodes: Sequence[Node], settings: SweepSettings) -> list[int]:
    """How many trials each node holds without GPUs: one a processor, or what was asked for, spread evenly."""
    total = sum(int(node.cpus) for node in nodes)
    wanted = settings.concurrent or min(total, MOST_WITHOUT_GPUS)
    return [math.ceil(wanted * node.cpus / total) for node in nodes]


def _cpus(nodes: Sequence[Node], slots: Sequence[int], concurrent: int) -> float:
    """Processors of one trial: what its node has, divided by the trials it will really hold."""
    share = concurrent / sum(slots)
    per_trial = min(
        node.cpus / max(1, math.ceil(held * share)) for node, held in zip(nodes, slots, strict=True) if held
    )
    return float(int(per_trial)) if per_trial >= 1 else per_trial
