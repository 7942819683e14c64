"""A sweep, from a checked space and a split data set to a results folder."""

import difflib
import logging
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import optuna
from ray import tune
from ray.tune.execution import tune_controller

from carsray.cluster.connect import alive_nodes, connected
from carsray.cluster.examine import version_of
from carsray.commit import git_commit
from carsray.config import RunConfig, SweepSettings
from carsray.data.records import DataSplit
from carsray.data.remote import local_paths
from carsray.data.seal import sealed
from carsray.data.split_file import read_split, write_split
from carsray.errors import ResultsError
from carsray.files import write_json, write_text
from carsray.leaderboard import TrialRow, read_rows
from carsray.results import BEST, COMPLETE, INTERRUPTED, SweepFolder, whole_epoch_seconds
from carsray.space import Space
from carsray.space_file import load_space
from carsray.storage.watch import Watch
from carsray.training.forked import fork_server
from carsray.tuning.actor import TrialActor
from carsray.tuning.budget import Budget, lost_gpus
from carsray.tuning.lost import ActorManager
from carsray.tuning.record import Recorder
from carsray.tuning.resources import Resources, room_for, share_out
from carsray.tuning.rungs import RungTable
from carsray.tuning.same_weights import weights_given
from carsray.tuning.scheduler import RungScheduler
from carsray.tuning.search import FAILURES_IN_A_ROW, SpaceSearch
from carsray.tuning.signals import terminated_as_interrupted
from carsray.tuning.study import StudyFile
from carsray.tuning.turns import Turns
from carsray.tuning.view import NoLines, View

GAVE_UP = f"{FAILURES_IN_A_ROW} trials failed in a row"
"""Why a sweep ended, as runs.jsonl says it."""

PACKAGES = ("carsray", "torch", "torchvision", "ray", "optuna", "scikit-learn", "numpy", "pandas")


def begin_record(
    folder: SweepFolder, space: Space, split: DataSplit, settings: SweepSettings, command: str = ""
) -> None:
    """Write what identifies the sweep: space.toml, split.csv, sweep.json; and the ``command`` that asked for it."""
    write_text(folder.space, space.text)
    write_split(split, folder.split)
    write_json(
        folder.settings,
        {
            "settings": settings.model_dump(mode="json"),
            "pinned": space.pinned,
            "start": space.start,
            "data": {
                "fingerprint": split.fingerprint,
                "classes": len(split.classes),
                "train": len(split.train),
                "val": len(split.val),
                "test": len(split.test),
                "test_kind": split.test_kind,
            },
            "space": space.text,
            "weights": weights_given(space),
            "command": command,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **_circumstances(),
        },
    )


def read_record(folder: SweepFolder) -> tuple[Space, DataSplit, SweepSettings]:
    """What begin_record wrote. Raises ResultsError or SpaceError where a file is missing or was changed badly."""
    record = folder.read_settings()
    space = load_space(folder.space, record["pinned"])
    if problem := _difference(record.get("space", space.text), space.text):
        raise ResultsError(
            f"{folder.space}: was changed since the sweep began; trials of two spaces cannot be compared. "
            f"Undo the change, or start a new sweep with the changed file\n{problem}"
        )
    if "start" in record:  # --from may have put a point before those of the file
        space = replace(space, start=tuple(record["start"]))
    return space, read_split(folder.split), SweepSettings.model_validate(record["settings"])


def extend_record(folder: SweepFolder, trials: int, limits: Mapping[str, float]) -> None:
    """Write down that a sweep is to have so many trials more, and new budgets or a new target.

    Raises ResultsError where a limit is reached all the same: nothing would begin.
    """
    if not trials and not limits:
        return
    record = folder.read_settings()
    asked = record["settings"]
    extended_from = [*asked.get("extended_from", ()), *([asked["trials"]] if trials else [])]
    record["settings"] = {**asked, **limits, "trials": asked["trials"] + trials, "extended_from": extended_from}
    rows, settings = read_rows(folder), SweepSettings.model_validate(record["settings"])
    budget = Budget.after(folder.read_runs(), rows, _histories(folder, rows), settings, gpus=0.0)
    if why := budget.spent({row.trial: row for row in rows}):
        raise ResultsError(
            f"{folder.root}: {why}, so nothing would begin. "
            "Name a limit beyond that: --budget-hours, --budget-gpu-hours or --target"
        )
    record["extended"] = [*record.get("extended", ()), asked]  # what who types the first command again asks for
    write_json(folder.settings, record)


def run_sweep(
    folder: SweepFolder,
    space: Space,
    split: DataSplit,
    settings: SweepSettings,
    before: Sequence[TrialRow] = (),
    watch: Watch | None = None,
) -> list[TrialRow]:
    """Run the trials that the record does not have yet; the rows of all of them, in the order of their numbers.

    Ctrl-C, SIGTERM or a limit ends it early; the rows of trials that were under way then say "running" or "paused", and
    the next call goes on with them. Why it ended is in the last line of runs.jsonl. A ``watch`` is told what changes in
    the record.
    """
    quiet()
    with (
        connected(settings.address) as nodes,
        sealed(local_paths(split.test, settings.cache)),
        terminated_as_interrupted(),
    ):
        resources = share_out(nodes, settings)
        histories = _histories(folder, before)
        budget = Budget.after(folder.read_runs(), before, histories, settings, resources.gpus)
        baseline = 0 if space.start else None
        cut_off = [row.trial for row in before if row.state == "running" or (row.trial == baseline and not row.ended)]
        table = _rung_table(space, len(split.val), before, histories)
        turns = Turns(table, resources.concurrent, settings.trials - len(before), cut_off, baseline)
        recorder = Recorder(folder, space, before, turns.comes_again, watch)
        view = View(recorder, settings.trials, len(split.val))
        file = StudyFile(folder.study, folder.name)
        asked = (*settings.extended_from, settings.trials)
        search = SpaceSearch(space, file, settings.seed, turns, recorder.going_on, asked)
        search.take_up(before, histories)
        spent = partial(budget.spent, recorder.rows)
        scheduler = RungScheduler(
            turns, space.epochs, recorder.going_on, spent, lambda: room_for(alive_nodes(), resources, settings)
        )
        scheduler.winds_down()  # a limit that an earlier process reached: Ray would begin trials before it asks
        _note_beginning(folder, resources, budget)
        try:
            _fit(_trainable(space, split, settings, resources), search, scheduler, [recorder, view, NoLines()])
            if turns.complete():
                recorder.close_paused()
                search.close_paused()
            why = _why(turns, scheduler, search)
            folder.append_run("ended", why=why)
            recorder.watch.interrupted = why == INTERRUPTED
        except Exception:
            if recorder.broken:
                raise ResultsError(f"{recorder.broken}, then go on with: carsray resume {folder.arguments}") from None
            raise
        finally:
            view.close()
            if not recorder.broken:
                recorder.write_table()
        if file.problem:
            print(f"warning: {file.problem}", file=sys.stderr)
    return sorted(recorder.rows.values(), key=lambda row: row.trial)


def _note_beginning(folder: SweepFolder, resources: Resources, budget: Budget) -> None:
    if lost := lost_gpus(folder.read_runs(), resources.gpus):
        print(f"warning: {folder.root}: {lost}: carsray resume {folder.arguments}", file=sys.stderr)
    had = {"gpus_per_trial": resources.gpus, "seconds": round(budget.seconds_before, 2)}
    folder.append_run("began", **had, **_circumstances())


def _histories(folder: SweepFolder, rows: Sequence[TrialRow]) -> dict[int, list[dict[str, Any]]]:
    return {row.trial: folder.trial(row.trial).read_history() for row in rows}


def _why(turns: Turns, scheduler: RungScheduler, search: SpaceSearch) -> str:
    """What ended a sweep, or this part of it."""
    if not turns.over():
        return INTERRUPTED
    if search.gave_up:
        return GAVE_UP
    return COMPLETE if turns.complete() else scheduler.enough


def _circumstances() -> dict[str, Any]:
    """Where and with what a process works on a sweep."""
    return {
        "host": {"name": socket.gethostname(), "system": platform.platform(), "cpus": os.cpu_count()},
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in PACKAGES},
        "git_commit": git_commit(),
    }


def _difference(before: str, now: str) -> str:
    """The changed lines of a text, as diff shows them."""
    lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "when the sweep began", "now", lineterm="", n=0)
    return "\n".join(lines)


def _trainable(space: Space, split: DataSplit, settings: SweepSettings, resources: Resources) -> Any:
    """The trial actor with what all trials share, and the resources of one."""
    depth = space.parameters.get("unfreeze_depth")
    limits = (settings.budget_hours, settings.budget_gpu_hours, settings.target)
    run = RunConfig(
        device=resources.device,
        threads=resources.threads,
        cache=settings.cache,
        fork_server=fork_server(),
        depths=depth.choices if depth else (),
        keep_improved=any(limit is not None for limit in limits),
    )
    bundle = {"CPU": resources.cpus, "GPU": resources.gpus}
    actor = tune.with_parameters(TrialActor, split=split, run=run)
    return tune.with_resources(actor, tune.PlacementGroupFactory([bundle]))


def _rung_table(
    space: Space, pictures: int, before: Sequence[TrialRow], histories: Mapping[int, Sequence[Mapping[str, Any]]]
) -> RungTable:
    """The rungs as an earlier process left them."""
    table = RungTable.of(space, pictures)
    for row in before:
        for epoch in histories[row.trial]:
            table.record(row.trial, epoch["epoch"], epoch[BEST], whole_epoch_seconds(epoch))
        if row.state == "failed":
            table.fail(row.trial)
        elif row.ended:
            table.drop(row.trial)
    return table


def _fit(trainable: Any, search: SpaceSearch, scheduler: RungScheduler, callbacks: list[tune.Callback]) -> None:
    config = tune.TuneConfig(
        metric=BEST,
        mode="max",
        search_alg=search,
        scheduler=scheduler,
        num_samples=-1,  # the searcher says when it is over
        reuse_actors=True,
    )
    tune_controller.RayActorManager = ActorManager
    # Ray's own state is a cache, so it lives and dies with this call.
    with tempfile.TemporaryDirectory(prefix="carsray-ray-") as storage:
        # Weights come with the results; Ray's own checkpoints would need storage that all nodes share.
        no_checkpoints = tune.CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False)
        run = tune.RunConfig(
            storage_path=storage,
            verbose=0,
            callbacks=callbacks,
            checkpoint_config=no_checkpoints,
        )
        tune.Tuner(trainable, tune_config=config, run_config=run).fit()


def quiet() -> None:
    """Ray's and Optuna's own console output repeats, less well, what the view shows, and Ray's state the record."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    # All its trials as JSON, in memory and on disk, again and again: what nobody will read, and more with every trial.
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "inf")
    # The searcher itself sees to it that no trial waits for a slot; Ray's own limit would start one actor at a time:
    # https://github.com/ray-project/ray/issues/46965
    os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "1000")
    # A lost actor is one, also where its node was taken away: else Ray begins its trial anew, past the searcher.
    os.environ.setdefault("RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE", "1")
    for name in ("ray.tune", "ray.train", "ray.air"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
