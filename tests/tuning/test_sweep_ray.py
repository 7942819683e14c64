"""Real sweeps on a real Ray: what they leave behind, and what of the cluster they take."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from filelock import FileLock
from optuna.trial import TrialState
from ray.cluster_utils import Cluster
from ray_sweeps import WAIT_SECONDS, Run, study_of, without_times
from tiny_sweeps import TEXT, space_of

from carsray.cli import cli
from carsray.cluster.connect import alive_nodes
from carsray.config import RunConfig, TrialConfig
from carsray.data.pack import pack_key
from carsray.data.records import DataSplit
from carsray.errors import ClusterError, ConfigError, SealedTestError
from carsray.leaderboard import TrialRow, read_rows
from carsray.results import BEST, SweepFolder
from carsray.space import Space
from carsray.training.checkpoint import load_checkpoint
from carsray.training.probe import Cost
from carsray.tuning import plan
from carsray.tuning.record import Recorder
from carsray.tuning.resources import Resources

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

DIVERGES = TEXT.replace("high = 0.1,", "high = 10.0,").replace(
    "epochs = 3", "epochs = 3\nbatchnorm = false\nweight_decay = 1.0\nview_seed = 0"
)


def diverging() -> Space:
    """The third start point, with a rate of 10, cannot but fail."""
    point = '\n[[start]]\noptimizer = "sgd"\nlr = 10.0\nmomentum = 0.9\n'
    return space_of(DIVERGES.replace("\nview_seed = 0", "") + point)


SECRETS = {name: f"secret of {name}" for name in ("WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN")}


@pytest.fixture(scope="module")
def first(run: Run) -> tuple[SweepFolder, list[TrialRow]]:
    """Five trials, one after the other; trial 2 fails. Its owner has secrets in the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in SECRETS.items():
            environment.setenv(name, value)
        return run("first", diverging(), trials=5, concurrent=1)


def test_the_record_is_complete(first: tuple[SweepFolder, list[TrialRow]], split: DataSplit) -> None:
    folder, rows = first
    names = {path.name for path in folder.root.iterdir()}
    assert names == {"space.toml", "sweep.json", "split.csv", "study.db", "runs.jsonl", "trials.csv", "trials"}
    record = json.loads(folder.settings.read_text())
    assert record["data"]["fingerprint"] == split.fingerprint
    assert record["settings"]["trials"] == 5
    table = pd.read_csv(folder.table)
    assert list(table)[:4] == ["trial", "state", "epochs", BEST]
    assert list(table)[-4:] == ["seconds", "optimizer", "lr", "momentum"]
    assert {"val/accuracy", "val/loss", "val/f1_macro", "train/loss"} <= {*table}
    assert sorted(table["trial"]) == [0, 1, 2, 3, 4]
    assert [row.trial for row in rows] == [0, 1, 2, 3, 4]
    for row in rows:
        history = folder.trial(row.trial).read_history()
        assert [epoch["epoch"] for epoch in history] == list(range(1, row.epochs + 1))
        assert row.score == max((epoch["val/accuracy"] for epoch in history), default=row.score)
    assert read_rows(folder) == rows


def test_no_secret_of_the_environment_is_in_the_record(first: tuple[SweepFolder, list[TrialRow]]) -> None:
    everything = b"".join(path.read_bytes() for path in first[0].root.rglob("*") if path.is_file())
    assert b"val/accuracy" in everything
    assert not [name for name, value in SECRETS.items() if value.encode() in everything]


def test_the_best_checkpoint_loads_and_belongs_to_its_trial(first: tuple[SweepFolder, list[TrialRow]]) -> None:
    folder, rows = first
    best = max(rows, key=lambda row: (row.score, -row.trial))
    _, info = load_checkpoint(folder.trial(best.trial).checkpoint)
    config = json.loads(folder.trial(best.trial).config.read_text())["config"]
    assert info.config.model_dump(mode="json") == config
    assert folder.trial(best.trial).read_history()[info.epoch - 1]["val/accuracy"] == best.score


def test_a_trial_that_fails_is_recorded_and_the_sweep_goes_on(first: tuple[SweepFolder, list[TrialRow]]) -> None:
    _, rows = first
    assert [row.state == "failed" for row in rows] == [False, False, True, False, False]
    assert "loss became" in rows[2].reason
    assert all(row.epochs >= 1 for row in rows if row.state != "failed")


def test_the_study_tells_what_the_record_tells(first: tuple[SweepFolder, list[TrialRow]]) -> None:
    folder, rows = first
    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
    trials = study_of(folder)
    assert [trial.user_attrs["trial"] for trial in trials] == [row.trial for row in rows]
    assert [trial.state for trial in trials] == [states[row.state] for row in rows]
    for trial, row in zip(trials, rows, strict=True):
        assert trial.params == row.params
        if row.state != "failed":
            assert trial.value == row.score
            history = folder.trial(row.trial).read_history()
            assert trial.intermediate_values == {epoch["epoch"]: epoch[BEST] for epoch in history}


def test_the_same_seed_gives_the_same_sweep(first: tuple[SweepFolder, list[TrialRow]], run: Run) -> None:
    again, _ = run("again", diverging(), trials=5, concurrent=1)
    assert without_times(again) == without_times(first[0])


class Watching(Recorder):
    """Counts the trials that run at once, and lets a test act when one starts.

    All of it in the class: Ray pickles its callbacks, and a lock within an instance would not let it.
    """

    most = 0

    @staticmethod
    def act() -> None:
        """What a test wants done."""

    def on_trial_start(self, *arguments: Any, **info: Any) -> None:
        super().on_trial_start(*arguments, **info)
        Watching.most = max(Watching.most, sum(row.state == "running" for row in self.rows.values()))
        Watching.act()


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Has something done whenever a trial starts."""

    def use(act: Callable[[], None]) -> None:
        monkeypatch.setattr(Watching, "act", staticmethod(act))
        monkeypatch.setattr(Watching, "most", 0)
        monkeypatch.setattr("carsray.tuning.sweep.Recorder", Watching)

    return use


def hold_up(split: DataSplit, space: Space, cache: Path) -> FileLock:
    """Training waits for its pack, and the pack for this lock: no trial ends before it is released."""
    key = pack_key(split.train, space.config(space.start[0]))
    (cache / "packs").mkdir(parents=True)
    lock = FileLock(cache / "packs" / f"{key}.npy.lock", thread_local=False)
    lock.acquire()
    return lock


@pytest.mark.parametrize("trials", [7, pytest.param(12, marks=pytest.mark.soak)])  # six GPUs; all their halves
def test_half_a_gpu_a_trial_fills_every_gpu_of_every_node(
    trials: int, run: Run, home: Path, split: DataSplit, watch: Callable[[Callable[[], None]], None]
) -> None:
    space, cache = space_of(epochs=1), home / f"a cache for {trials}"
    lock = hold_up(split, space, cache)
    began = time.monotonic()

    def release() -> None:
        if Watching.most == trials or time.monotonic() - began > WAIT_SECONDS:
            lock.release()

    watch(release)
    folder, rows = run(f"gpus-{trials}", space, trials=trials, gpus_per_trial=0.5, cache=cache)
    assert Watching.most == trials
    assert {row.state for row in rows} == {"finished"}
    nodes = [folder.trial(row.trial).read_state().node for row in rows]
    assert max(nodes.count(node) for node in {*nodes}) <= 4
    assert len({*nodes}) == 3 or trials < 12


def test_a_node_that_joins_gets_trials(
    run: Run,
    cluster: Cluster,
    home: Path,
    split: DataSplit,
    watch: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("carsray.tuning.scheduler.LOOK_SECONDS", 0)
    space, cache = space_of(epochs=1), home / "a third cache"
    lock = hold_up(split, space, cache)
    began, joined = time.monotonic(), []

    def join() -> None:
        if Watching.most == 6 and not joined:
            joined.append(cluster.add_node(num_cpus=2, num_gpus=2))
        if Watching.most == 8 or time.monotonic() - began > WAIT_SECONDS:
            lock.release()

    watch(join)
    try:
        _, rows = run("joined", space, trials=8, gpus_per_trial=1, cache=cache)
    finally:
        cluster.remove_node(joined[0])
    assert Watching.most == 8
    assert {row.state for row in rows} == {"finished"}


def test_more_gpus_than_a_node_has_are_refused_with_the_numbers(run: Run) -> None:
    with pytest.raises(ClusterError, match=r"--gpus-per-trial 3: .*largest has 2 \(GPUs by node: 0, 2, 2, 2\)"):
        run("too-many", space_of(), trials=2, gpus_per_trial=3)


def test_test_pictures_are_sealed_in_driver_and_trials(
    run: Run, split: DataSplit, watch: Callable[[Callable[[], None]], None]
) -> None:
    refused = []

    def open_test_picture() -> None:
        with pytest.raises(SealedTestError):
            Path(split.test[0].path).read_bytes()
        refused.append(True)

    watch(open_test_picture)
    # A split that takes the test pictures for val makes every trial open them.
    _, rows = run("sealed", space_of(), replace(split, val=split.test), trials=1)
    assert refused == [True]
    assert rows[0].state == "failed"
    assert "sealed while a sweep runs" in rows[0].reason
    assert Path(split.test[0].path).read_bytes()  # and the seal is off again


def test_nodes_are_told_head_first(cluster: Cluster) -> None:
    assert [(node.cpus, node.gpus) for node in alive_nodes()] == [(2, 0), (2, 2), (2, 2), (2, 2)]


def test_a_plan_measures_and_adds_up(cluster: Cluster, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.toml"
    file.write_text(TEXT)
    arguments = ["plan", file, "--data", home / "pictures", "--cache", home / "cache", "--trials", 6]
    found = CliRunner().invoke(cli, [*map(str, arguments), "--gpus-per-trial", "0", "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["reaching"]["1"] == 6
    assert 6 <= told["epochs"] <= 18
    low, high = told["seconds_range"]
    assert 0 < low <= told["seconds"] <= high
    assert told["pack_bytes"] == (40 + 12) * 20 * 20 * 3
    assert told["cached_bytes"] == 0  # nothing is frozen
    assert len(told["costs"]) == 4
    assert told["gpu_hours"] == 0


def test_a_plan_goes_on_without_what_lacks_memory(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(config: TrialConfig, classes: int, run: RunConfig) -> Cost:
        if config.batch_size == 64:
            raise MemoryError("no room")
        return Cost("processor", 0.1, 0.1, 1, 1, 0, 0)

    monkeypatch.setattr(plan, "probe", lacking)
    small = space_of().config(space_of().start[0])
    large = small.model_copy(update={"batch_size": 64})
    asked = 4, RunConfig(device="cpu", cache=tmp_path), Resources(cpus=1, gpus=0, concurrent=1)
    measured, too_large = plan._probe_all([small, large], *asked)
    assert ([config for config, _ in measured], too_large) == ([small], [large])
    with pytest.raises(ConfigError, match="memory is lacking for all of 1 probes"):
        plan._probe_all([large], *asked)
