"""Optuna inside Ray Tune. Repairs what Ray's OptunaSearch gets wrong: pruned trials, failed trials, epochs, seeds."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial
from pydantic import ValidationError
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from carsray.config import TrialConfig
from carsray.errors import SweepFailed
from carsray.leaderboard import TrialRow
from carsray.results import BEST, State
from carsray.seed import derive
from carsray.space import Space, Value, Values
from carsray.tuning.importance import distribution
from carsray.tuning.spread import first_points
from carsray.tuning.study import NUMBER, StudyFile
from carsray.tuning.turns import Turns

FAILURES_IN_A_ROW = 5
"""So many failed trials, and no epoch of any trial between them, end a sweep: something is wrong that no configuration
will mend. Where it is one node of several, to go on would send the trials there one after the other, and lose them."""

ATTEMPTS = 100
"""Draws for one trial before giving up on finding settings that fit together."""

FIRST_SPREAD = 24
"""Trials that are spread over the space, and that have reached a rung before TPE proposes any. Early scores favour what
learns fast, not what ends well: from fewer, TPE follows them, and its proposals fill the rungs and hold back all
others. See the benchmark `sampler`.
"""

STATES: dict[State, TrialState] = {
    "running": TrialState.RUNNING,
    "paused": TrialState.PRUNED,
    "finished": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
"""A trial's state as the sampler sees it."""


class SpaceSearch(OptunaSearch):
    """Proposes trials of a space: its start points first, then some that are spread, then Optuna's TPE.

    The sampler works on a study in memory, in which a trial that pauses at a rung counts as pruned at once, with what
    it has reached: TPE learns nothing from trials that run. If the trial goes on, its entry is brought up to date.
    The sampler's seed is derived per trial number, since Optuna keeps no generator state in a study.
    """

    def __init__(
        self,
        space: Space,
        file: StudyFile,
        seed: int,
        turns: Turns,
        going_on: Callable[[int], dict[str, Any] | None] = lambda number: None,
        ends: Sequence[int] = (),
    ) -> None:
        """``going_on`` gives what a trial of an earlier process takes to start from its snapshot.

        ``ends`` are the numbers of trials that the sweep was asked for, at first and as it was extended: see spread.py.
        """
        self._carsray_space, self._sweep_seed = space, seed
        self._file, self._turns, self._going_on = file, turns, going_on
        self._trials: dict[str, FrozenTrial] = {}
        self._params: dict[int, Values] = {}
        self._before: dict[int, tuple[Values, FrozenTrial]] = {}
        self._next, self._failures = 0, 0
        self.gave_up = False
        """Whether so many trials failed in a row that no more are proposed, whatever those under way still report."""
        self._first = first_points(space, derive(seed, "spread"), FIRST_SPREAD, ends)
        self._skipped: list[int] = []
        """Numbers that an earlier process gave to trials that it did not come to begin."""
        super().__init__(lambda trial: None, BEST, "max", storage=optuna.storages.InMemoryStorage())

    @property
    def study(self) -> optuna.Study:
        """What the sampler knows."""
        study: optuna.Study = self._ot_study
        return study

    def take_up(self, rows: Sequence[TrialRow], histories: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Go on where an earlier process was: tell the sampler, and the study's file, all that the record holds."""
        for row in rows:
            inside = {n: v for n, v in row.params.items() if self._carsray_space.parameters[n].contains(v)}
            reached = {int(epoch["epoch"]): float(epoch[BEST]) for epoch in histories.get(row.trial, ())}
            without = TrialState.FAIL if row.ended else TrialState.RUNNING
            told = create_trial(
                state=STATES[row.state] if reached else without,
                value=row.score if row.state in ("finished", "pruned", "paused") and reached else None,
                params=inside,
                distributions={name: distribution(self._carsray_space, name) for name in inside},
                intermediate_values=reached,
                user_attrs={NUMBER: row.trial} | ({"failed": row.reason} if row.reason else {}),
            )
            self.study.add_trial(told)
            entry = self.study.get_trials(deepcopy=False)[-1]
            self._file.begin(entry)
            if row.ended:
                self._file.end(entry)
            else:
                self._before[row.trial] = row.params, entry
        self._next = max((row.trial + 1 for row in rows), default=0)
        self._skipped = sorted(set(range(self._next)) - {row.trial for row in rows})

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial: its number, the searched values and the whole config; None while no slot is free."""
        recalled = self._turns.recalled()
        if recalled is not None:
            params, entry = self._before[recalled]
            self._trials[trial_id] = entry
            return self._proposal(recalled, params, self._config(recalled, params), self._going_on(recalled))
        if self._turns.wants_new():
            return self._draw(trial_id, self._next_number())
        return str(Searcher.FINISHED) if self._turns.over() else None

    def _next_number(self) -> int:
        if self._skipped:
            return self._skipped.pop(0)
        self._next += 1
        return self._next - 1

    def _draw(self, trial_id: str, number: int) -> dict[str, Any]:
        """A start point, one that is spread, or what the sampler thinks worth trying, until settings fit together."""
        point = self._first[number] if number < len(self._first) else None
        for attempt in range(ATTEMPTS):
            self.study.sampler = _sampler(self._carsray_space, derive(self._sweep_seed, "sampler", number, attempt))
            outside: Values = {}
            if point is not None and not attempt:
                outside = self._carsray_space.outside(point)
                self.study.enqueue_trial({n: v for n, v in point.items() if n not in outside})
            trial = self.study.ask()
            params = suggest(self._carsray_space, trial, outside)
            try:
                config = self._config(number, params)
            except ValidationError as error:  # values that are allowed alone but not together
                trial.set_user_attr("failed", str(error.errors()[0]["msg"]))
                self.study.tell(trial, state=TrialState.FAIL)
                continue
            trial.set_user_attr(NUMBER, number)
            # The study's own object: what is changed in it, the sampler sees.
            self._trials[trial_id] = entry = self.study._storage.get_trial(trial._trial_id)
            self._file.begin(entry)
            return self._proposal(number, params, config, None)
        name = self._carsray_space.name
        raise SweepFailed(f"{name}: {ATTEMPTS} draws gave no settings that fit together. Narrow the ranges")

    def _proposal(
        self, number: int, params: Values, config: TrialConfig, going_on: dict[str, Any] | None
    ) -> dict[str, Any]:
        rungs = self._carsray_space.rungs
        self._params[number] = params
        return {
            "trial": number, "params": params, "rungs": rungs, "config": config.model_dump(), "going_on": going_on,
            "to_pass": self._turns.to_pass(number),
        }  # fmt: skip

    def _config(self, number: int, params: Values) -> TrialConfig:
        # Every trial of a sweep sees the same augmentation: less noise between them, and one cache for all.
        seed, views = derive(self._sweep_seed, "trial", number), derive(self._sweep_seed, "views")
        return self._carsray_space.config(params, seed=seed, view_seed=views)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Enter an epoch's score, under the epoch's own number; at a rung the trial counts as pruned there."""
        trial, epoch = self._trials[trial_id], int(result["epoch"])
        trial.intermediate_values[epoch] = result[BEST]
        self._failures = 0
        if epoch in self._carsray_space.rungs:
            trial.state, trial.value = TrialState.PRUNED, result[BEST]

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Enter how the trial ended: pruned ones with their best so far, failed ones as failed."""
        trial = self._trials.pop(trial_id, None)
        if trial is None:
            return
        number = trial.user_attrs[NUMBER]
        if self._turns.comes_again(number):
            self._before[number] = self._params[number], trial
            return
        if error or "failed" in (result or {}) or (not result and not trial.state.is_finished()):
            self._note_failure()
            trial.state, trial.value = TrialState.FAIL, None
            trial.user_attrs["failed"] = str((result or {}).get("failed", "its Ray actor died"))
        elif result:  # Ray keeps the result on which a trial is stopped from on_trial_result
            self._failures = 0
            trial.intermediate_values[int(result["epoch"])] = result[BEST]
            finished = result["epoch"] >= self._carsray_space.epochs
            trial.state, trial.value = TrialState.COMPLETE if finished else TrialState.PRUNED, result[BEST]
        self._file.end(trial)

    def _note_failure(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES_IN_A_ROW:
            self.gave_up = True
            self._turns.wind_down()

    def close_paused(self) -> None:
        """The sweep is complete: enter trials that an earlier process left as pruned, or as failed."""
        known = {trial.user_attrs[NUMBER] for trial in self._trials.values()}
        for number, (_, entry) in self._before.items():
            if number in known:
                continue
            if not entry.state.is_finished():
                reached = entry.intermediate_values.values()
                entry.state = TrialState.PRUNED if reached else TrialState.FAIL
                entry.value = max(reached, default=None)
            self._file.end(entry)

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the results folder is the record, Ray's snapshot of the searcher would be a second one."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see save."""


def suggest(space: Space, trial: optuna.Trial, outside: Mapping[str, Value]) -> Values:
    """Ask a trial for every parameter that exists at this point, choices that others depend on first.

    Values ``outside`` of what is searched, of a start point from elsewhere, are taken without asking: Optuna could not
    hold them, and learns from the others.
    """
    values: Values = {}
    for name in _controls_first(space):
        parameter = space.parameters[name]
        if not parameter.active({**space.fixed, **values}):
            continue
        if name in outside:
            values[name] = outside[name]
        elif parameter.choices:
            choice = trial.suggest_categorical(name, parameter.choices)
            assert choice is not None
            values[name] = choice
        elif parameter.integer:
            values[name] = trial.suggest_int(name, int(parameter.low), int(parameter.high), log=parameter.log)
        else:
            values[name] = trial.suggest_float(name, parameter.low, parameter.high, log=parameter.log)
    return {name: values[name] for name in space.parameters if name in values}


def _sampler(space: Space, seed: int) -> optuna.samplers.TPESampler:
    # Joint modelling breaks down to independent sampling where parameters come and go, unless they are grouped.
    conditional = any(parameter.when for parameter in space.parameters.values()) or any(map(space.outside, space.start))
    with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
        return optuna.samplers.TPESampler(
            seed=seed % 2**32, n_startup_trials=FIRST_SPREAD, multivariate=True, group=conditional
        )


def _controls_first(space: Space) -> list[str]:
    return sorted(space.parameters, key=lambda name: bool(space.parameters[name].when))
