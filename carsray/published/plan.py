"""Which runs a reproduction consists of: every chosen experiment, what it depends on, once for each seed."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from carsray.config import TrialConfig
from carsray.data.records import DataSplit
from carsray.errors import CarsrayError, ConfigError
from carsray.published.experiments import Experiment, Experiments

SplitFor = Callable[[TrialConfig], DataSplit]


@dataclass(frozen=True, slots=True)
class Run:
    """One experiment with one seed."""

    experiment: Experiment
    seed: int
    config: TrialConfig
    """Of the training; for a retrieval, of the one whose embeddings it searches."""
    split: DataSplit
    source: "Run | None" = None
    """The training of a retrieval."""

    @property
    def id(self) -> str:
        """Of the experiment."""
        return self.experiment.id

    @property
    def epochs(self) -> int:
        """Of its training; a retrieval has none."""
        return 0 if self.source else self.config.epochs

    @property
    def key(self) -> str:
        """Twelve hex digits for what decides the result: settings, data, and which epoch's weights are taken."""
        parts = [self.config.key(), self.split.fingerprint, self.experiment.reporting.evaluate]
        if self.source:
            parts = [self.source.key, json.dumps(self.experiment.retrieval().model_dump(), sort_keys=True)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    @property
    def name(self) -> str:
        """Unique in a reproduction."""
        return f"{self.id}/seed-{self.seed}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Runs in the order of the file, and the experiments that cannot run at all, with the reason."""

    runs: tuple[Run, ...]
    impossible: dict[str, str]

    def searches_of(self, run: Run) -> list[Run]:
        """The retrievals over a training's embeddings."""
        return [other for other in self.runs if other.source is run]

    @property
    def trainings(self) -> list[Run]:
        """Those that others depend on first."""
        return sorted((run for run in self.runs if not run.source), key=lambda run: not self.searches_of(run))


def with_sources(experiments: Experiments, chosen: Sequence[str]) -> list[Experiment]:
    """The chosen experiments (none: all) and the trainings they need, in the order of the file.

    Raises ConfigError for an id that is not there.
    """
    wanted = {experiments.of(name).id for name in chosen} or {*experiments.all}
    wanted |= {source for name in wanted if (source := experiments.all[name].embeddings)}
    return [experiment for name, experiment in experiments.all.items() if name in wanted]


def make_plan(experiments: Sequence[Experiment], seeds: int, split_for: SplitFor) -> Plan:
    """Seeds count from 0. An experiment whose settings or data do not fit is set aside, and what needs it."""
    runs: list[Run] = []
    impossible: dict[str, str] = {}
    for experiment in experiments:
        if experiment.embeddings is None:
            try:
                config = experiment.config()
                split = split_for(config)
                _check_sides(experiment, split)
                runs += [Run(experiment, seed, experiment.config(seed), split) for seed in range(seeds)]
            except CarsrayError as error:
                impossible[experiment.id] = str(error)
    for experiment in experiments:
        if experiment.embeddings in impossible:
            impossible[experiment.id] = f"needs {experiment.embeddings}, which cannot run"
        elif experiment.embeddings is not None:
            sources = [run for run in runs if run.id == experiment.embeddings]
            try:
                for run in sources:
                    _check_sides(experiment, run.split)
            except CarsrayError as error:
                impossible[experiment.id] = str(error)
                continue
            runs += [Run(experiment, run.seed, run.config, run.split, run) for run in sources]
    order = {experiment.id: at for at, experiment in enumerate(experiments)}
    return Plan(tuple(sorted(runs, key=lambda run: (order[run.id], run.seed))), impossible)


def _check_sides(experiment: Experiment, split: DataSplit) -> None:
    """Raise ConfigError where there is nothing to report on, or fewer neighbours than are asked for."""
    if missing := [side for side in experiment.splits if not getattr(split, side)]:
        raise ConfigError(
            f"there are no {missing[0]} pictures to report on. Share all of them out anew with --set split=70/15/15, "
            "or leave this out with --set report=val"
        )
    if experiment.embeddings is not None and (k := experiment.retrieval().k) > len(split.train):
        raise ConfigError(f"k = {k}: there are {len(split.train)} pictures of train. Use fewer neighbours: --set k=5")
