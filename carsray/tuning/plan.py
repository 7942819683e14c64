"""What a sweep will cost: rungs, epochs, time, disk. Runs nothing but a short probe of a few configurations."""

import shutil
import statistics
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import optuna
import ray
from pydantic import ValidationError
from ray.exceptions import RayTaskError

from carsray.cluster.connect import connected
from carsray.config import RunConfig, SweepSettings, TrialConfig
from carsray.data.records import DataSplit
from carsray.errors import ConfigError
from carsray.files import existing
from carsray.seed import derive
from carsray.space import Space
from carsray.training.memory import for_lack_of_memory
from carsray.training.probe import Cost, probe
from carsray.tuning.kept import KEEP_CHECKPOINTS, ROOM
from carsray.tuning.resources import Resources, require_spent, share_out, trials_per_gpu
from carsray.tuning.rungs import expected_epochs
from carsray.tuning.search import ATTEMPTS, suggest

PROBES = 4
"""Configurations timed: the first start point and random ones, whose mean stands for the sweep."""

START_SECONDS = 10.0
"""Ray, and the first import of torch in each training process; measured on two cores."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to expect of a sweep."""

    resources: Resources
    reaching: dict[int, float]
    """Trials expected to reach each rung and the last epoch."""
    epochs: float
    """Trained in all, expected."""
    seconds: float
    seconds_range: tuple[float, float]
    """If every trial were as cheap, or as dear, as the cheapest and the dearest probed, which run alone.

    Where trials share a GPU, from as fast as alone to one after the other.
    """
    gpu_hours: float
    trials_per_gpu: int
    """How many could share a GPU, by the dearest probed; 0 where trials have no GPU."""
    pack_bytes: int
    kept_bytes: int
    """Weights and snapshots at most, if every trial waits at a rung."""
    cached_bytes: int
    """Activations of frozen prefixes at most; they make way for what else needs the disk."""
    free_bytes: int
    costs: list[tuple[TrialConfig, Cost]]
    too_large: list[TrialConfig]
    """Probed, and too much for the memory of one that trains whole batches."""


def make_plan(space: Space, split: DataSplit, settings: SweepSettings, results: Path) -> Plan:
    """Measure and add up. Raises ClusterError for a request that no node can hold."""
    with connected(settings.address) as nodes:
        resources = share_out(nodes, settings)
        require_spent(settings.budget_gpu_hours, resources)
        configs = sample_configs(space, PROBES, settings.seed)
        run = RunConfig(device=resources.device, threads=resources.threads, cache=settings.cache)
        measured, too_large = _probe_all(configs, len(split.classes), run, resources)
    costs = [cost for _, cost in measured]
    reaching, epochs = expected_epochs(space, settings.trials, len(split.val))
    per_epoch = [_epoch_seconds(cost, split) for cost in costs]
    totals = total_seconds(epochs, per_epoch, resources)
    seconds = statistics.mean(totals)
    size = configs[0].packed_size
    pack_bytes = (len(split.train) + len(split.val)) * size * size * 3
    checkpoint = max(cost.checkpoint_bytes for cost in costs)
    snapshot = max(cost.snapshot_bytes for cost in costs)
    waiting = settings.trials if space.rungs else resources.concurrent
    return Plan(
        resources=resources,
        reaching=reaching,
        epochs=epochs,
        seconds=seconds,
        seconds_range=(min(totals), max(totals)),
        trials_per_gpu=_trials_per_gpu(costs, pack_bytes, resources),
        gpu_hours=seconds / 3600 * resources.gpus * resources.concurrent,
        pack_bytes=pack_bytes,
        kept_bytes=min(ROOM, KEEP_CHECKPOINTS * checkpoint + waiting * (checkpoint + snapshot)),
        cached_bytes=run.prefix_cache_bytes if any(config.unfreeze_depth != "all" for config in configs) else 0,
        free_bytes=shutil.disk_usage(existing(results)).free,
        costs=measured,
        too_large=too_large,
    )


def total_seconds(epochs: float, per_epoch: Sequence[float], resources: Resources) -> list[float]:
    """What a sweep may take, by the seconds of an epoch in each probe, and by how trials that share a GPU get on."""
    at_a_time = {float(resources.concurrent), resources.concurrent * min(resources.gpus or 1.0, 1.0)}
    return [START_SECONDS + epochs * seconds / trials for seconds in per_epoch for trials in sorted(at_a_time)]


def sample_configs(space: Space, count: int, seed: int) -> list[TrialConfig]:
    """The first start point, where there is one, and random points of the space."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(derive(seed, "plan") % 2**32))
    points = chain(space.start[:1], (suggest(space, study.ask(), {}) for _ in range(ATTEMPTS * count)))
    configs: list[TrialConfig] = []
    for point in points:
        if len(configs) == count:
            break
        with suppress(ValidationError):  # values that are allowed alone but not together
            configs.append(space.config(point))
    if not configs:
        raise ConfigError(
            f"{space.name}: {ATTEMPTS * count} draws gave no settings that fit together. Narrow the ranges"
        )
    return configs


def _probe_all(
    configs: Sequence[TrialConfig], classes: int, run: RunConfig, resources: Resources
) -> tuple[list[tuple[TrialConfig, Cost]], list[TrialConfig]]:
    """One after the other, where and with what a trial would run; and those for which memory was lacking.

    Raises ConfigError where it was lacking for all.
    """
    remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)(probe)
    measured, too_large = [], []
    for config in configs:
        try:
            measured.append((config, ray.get(remote.remote(config, classes, run))))
        except RayTaskError as error:
            if not for_lack_of_memory(error.cause):
                raise
            too_large.append(config)
    if not measured:
        raise ConfigError(
            f"memory is lacking for all of {len(configs)} probes of this space. Smaller pictures or batches need less: "
            "--set image_size=..., --set batch_size=..."
        )
    return measured, too_large


def _trials_per_gpu(costs: Sequence[Cost], pack_bytes: int, resources: Resources) -> int:
    """By memory for the network and, since each process keeps its own, for the pack."""
    if not resources.gpus:
        return 0
    # Those of unlike GPUs cannot be told apart: the most needed, and the least that there is.
    needed, total = max(cost.device_bytes for cost in costs), min(cost.device_total_bytes for cost in costs)
    return trials_per_gpu(needed + pack_bytes, total, resources.cpus / resources.gpus)


def _epoch_seconds(cost: Cost, split: DataSplit) -> float:
    return len(split.train) * cost.train_seconds + len(split.val) * cost.eval_seconds
