"""`carsray confirm` from end to end, on a Ray of its own."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from made_sweeps import GOOD, SLOW, WIDE, made_sweep

sys.path.insert(0, str(Path(__file__).parents[2] / "tuning"))
from tiny_sweeps import draw_folders

from carsray.cli import cli
from carsray.cluster.connect import connected
from carsray.cluster.tasks import Ended
from carsray.config import RunConfig
from carsray.data.split_file import read_split
from carsray.errors import CarsrayError, ClusterError, ResultsError, SweepFailed
from carsray.files import write_json
from carsray.final.confirm.confirm import prepare
from carsray.final.confirm.repetitions import Repetition
from carsray.final.confirm.runner import STARTS, _Driver, repeat
from carsray.published.experiments_file import load_experiments
from carsray.published.view import View
from carsray.results import MICRO_BATCHES, SweepFolder, open_sweep, read_lines
from carsray.training.messages import Epoch

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]
THREE = [(GOOD, [0.4, 0.9]), (WIDE, [0.6, 0.88]), (SLOW, [0.3, 0.2])]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("confirm")
    draw_folders(root / "pictures", classes=3, each=20, side=24)
    return root


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    with connected(None):
        yield


@pytest.fixture(scope="module")
def call(home: Path, ray_here: None) -> Callable[..., Result]:
    def invoke(*arguments: str, fails: type[CarsrayError] | None = None) -> Result:
        done = CliRunner().invoke(cli, [*arguments, "--results", str(home / "results")])
        if fails is None:
            assert done.exception is None, done.output
        else:
            assert isinstance(done.exception, fails)
        return done

    return invoke


@pytest.fixture(scope="module")
def first(home: Path, call: Callable[..., Result]) -> tuple[SweepFolder, Result]:
    """Two finalists, two repetitions; the test pictures are not where they were."""
    folder = made_sweep(home, "first", THREE)
    test = [Path(row.path) for row in read_split(folder.split).test]
    for path in test:
        path.rename(path.with_suffix(".away"))
    done = call("confirm", "first", "--top", "2", "--seeds", "2")
    for path in test:
        path.with_suffix(".away").rename(path)
    return folder, done


def answers_of(folder: SweepFolder, trial: int, number: int) -> pd.DataFrame:
    return pd.read_csv(folder.root / "confirm" / f"{trial:04d}" / f"seed-{number}" / "answers.csv")


def settings_of(folder: SweepFolder, trial: int, number: int) -> dict[str, Any]:
    path = folder.root / "confirm" / f"{trial:04d}" / f"seed-{number}" / "config.json"
    return dict(json.loads(path.read_text()))


def test_the_table_says_what_the_answers_say(first: tuple[SweepFolder, Result]) -> None:
    folder, _ = first
    table = pd.read_csv(folder.finalists).set_index("trial")
    assert sorted(table.index) == [0, 1]
    for trial, row in table.iterrows():
        answers = [answers_of(folder, int(str(trial)), number) for number in (0, 1)]
        assert row["mean"] == pytest.approx(np.mean([(a.label == a.predicted).mean() for a in answers]))
        assert row.low <= row["mean"] <= row.high
    assert table.search_score.to_dict() == {0: 0.9, 1: 0.88}
    assert table.chosen.sum() == 1
    assert list(table.columns[-2:]) == ["lr", "width"]


def test_the_pictures_that_chose_a_finalist_do_not_judge_it(first: tuple[SweepFolder, Result]) -> None:
    folder, _ = first
    split = read_split(folder.split)
    chosen_by, trained_on = ({row.path for row in part} for part in (split.val, split.train))
    judges = [set(answers_of(folder, trial, number).path) for number in (0, 1) for trial in (0, 1)]
    assert judges[0] == judges[1]  # the same for both finalists
    assert not judges[0] & judges[2]
    assert all(paths <= trained_on and not paths & chosen_by for paths in judges)


def test_every_training_has_a_seed_of_its_own_and_shares_its_views(first: tuple[SweepFolder, Result]) -> None:
    configs = [settings_of(first[0], trial, number)["config"] for number in (0, 1) for trial in (0, 1)]
    assert len({config["seed"] for config in configs}) == 4
    assert configs[0]["view_seed"] == configs[1]["view_seed"] != configs[2]["view_seed"]


def test_the_winner_is_an_experiment_with_its_epochs_fixed(first: tuple[SweepFolder, Result]) -> None:
    folder, _ = first
    found = json.loads(folder.finalists_json.read_text())
    winner = load_experiments(folder.winner).of("winner")
    trial = folder.trial(found["chosen"])
    expected = trial.read_trial_config().model_copy(update={"seed": 0, "view_seed": 0})
    assert winner.config() == expected  # both were best at their last epoch
    assert winner.splits == ("val",)
    assert len(found["val_losses"]) == winner.config().epochs
    assert found["curse"] == pytest.approx(found["search_score"] - found["mean"])


def test_what_a_person_sees(first: tuple[SweepFolder, Result]) -> None:
    folder, done = first
    chosen = json.loads(folder.finalists_json.read_text())["chosen"]
    assert "judged on fresh pictures" in done.output
    assert next(line for line in done.output.splitlines() if line.startswith("→")).split()[1] == str(chosen)
    assert str(folder.winner) in done.output


def test_again_nothing_is_trained_again_and_json_says_the_same(
    first: tuple[SweepFolder, Result], call: Callable[..., Result]
) -> None:
    folder, _ = first
    answers = sorted(folder.root.glob("confirm/*/*/answers.csv"))
    before = [path.stat().st_mtime_ns for path in answers]
    done = call("confirm", "first", "--top", "2", "--seeds", "2", "--json")
    assert [path.stat().st_mtime_ns for path in answers] == before
    assert json.loads(done.stdout)["mean"] == json.loads(folder.finalists_json.read_text())["mean"]


def test_more_seeds_add_to_what_is_there(first: tuple[SweepFolder, Result], call: Callable[..., Result]) -> None:
    folder, _ = first
    before = settings_of(folder, 0, 1)
    call("confirm", "first", "--top", "2", "--seeds", "3")
    assert set(pd.read_csv(folder.finalists).seeds) == {3}
    assert settings_of(folder, 0, 1) == before


def test_a_finalist_that_cannot_run_is_left_out_and_said(home: Path, call: Callable[..., Result]) -> None:
    folder = made_sweep(
        home, "broken", THREE[:2], backbone="mobilenet_v2", image_size=32, pack_size=40, weights="gone.pth"
    )
    done = call("confirm", "broken", "--top", "2", "--seeds", "1")
    assert list(pd.read_csv(folder.finalists).trial) == [0]
    assert "failed: trial 1, repetition 1: weights = gone.pth" in done.stderr
    assert (folder.root / "confirm/0001/seed-0/failed.txt").read_text().startswith("weights = gone.pth")
    assert "With one seed" in done.output


def test_where_nothing_can_run_the_reason_is_the_error(home: Path, call: Callable[..., Result]) -> None:
    made_sweep(home, "hopeless", THREE[:1], backbone="mobilenet_v2", image_size=32, pack_size=40, weights="gone.pth")
    done = call("confirm", "hopeless", "--seeds", "1", fails=SweepFailed)
    assert "weights = gone.pth" in str(done.exception)


def test_an_unfinished_sweep_is_confirmed_and_that_is_said(home: Path, call: Callable[..., Result]) -> None:
    made_sweep(home, "half", THREE[:1], ended=False).trial(0).root.joinpath("state.json").write_text(
        json.dumps({"state": "running", "epochs": 2, "seconds": 1.0})
    )
    done = call("confirm", "half", "--seeds", "1")
    assert "the sweep is not finished, 0 of 1 trials have ended: carsray resume half" in done.stderr
    assert "only 1 different trials have a score, of 3" in done.stderr
    assert "is the only finalist" in done.output


def test_a_sweep_without_a_score_is_refused(home: Path, call: Callable[..., Result]) -> None:
    made_sweep(home, "empty", [(GOOD, [])])
    assert "no trial has a score yet" in str(call("confirm", "empty", fails=ResultsError).exception)


def test_only_one_process_works_on_a_sweep(home: Path, call: Callable[..., Result]) -> None:
    folder = made_sweep(home, "taken", THREE[:1])
    with folder.alone():
        assert "another process" in str(call("confirm", "taken", fails=ResultsError).exception)


class Scripted:
    """Tasks whose workers die the first so many times."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.starts = deaths, 0

    def start(self, name: str, *work: Any) -> None:
        self.starts, self.name, self.work = self.starts + 1, name, work

    def events(self) -> Iterator[tuple[str, Ended]]:
        for death in range(self.deaths):
            yield self.name, Ended(f"died {death + 1} times", lost=True)
        yield self.name, Ended()


@pytest.mark.parametrize(("deaths", "failed"), [(STARTS - 1, False), (STARTS, True)])
def test_a_repetition_whose_worker_is_lost_is_started_three_times_more(
    home: Path, ray_here: None, deaths: int, failed: bool
) -> None:
    folder = made_sweep(home, f"lost-{deaths}", THREE[:1])
    (repetition,) = prepare(folder, 1, 1, None).repetitions
    tasks: Any = Scripted(deaths)
    driver = _Driver([repetition], RunConfig(cache=home / "cache"), tasks, View([repetition], []))
    driver.drive()
    assert tasks.starts == STARTS
    assert driver.failures == ({repetition.name: f"died {deaths} times"} if failed else {})
    assert repetition.folder.failed.exists() == failed


def test_a_repetition_begins_with_the_parts_that_its_trial_ended_with(home: Path, ray_here: None) -> None:
    folder = made_sweep(home, "parts", THREE[:1])
    folder.trial(0).append({"epoch": 3, "val/accuracy": 0.1, "val/accuracy_best": 0.9, MICRO_BATCHES: 4})
    (repetition,) = prepare(folder, 1, 1, None).repetitions
    tasks: Any = Scripted(0)
    _Driver([repetition], RunConfig(cache=home / "cache"), tasks, View([repetition], [])).drive()
    assert tasks.work[-1] == 4
    last = list(repeat(repetition.config, repetition.split, RunConfig(cache=home / "cache"), 4))[-1]
    assert isinstance(last, Epoch)
    assert last.metrics[MICRO_BATCHES] == 4


def test_answers_of_other_settings_do_not_count(first: tuple[SweepFolder, Result]) -> None:
    folder, _ = first
    repetition: Repetition = prepare(folder, 1, 1, None).repetitions[0]
    assert repetition.done()
    longer = repetition.config.model_copy(update={"epochs": 9})
    assert not Repetition(repetition.finalist, 0, longer, repetition.split, repetition.folder).done()


def test_it_runs_where_the_sweep_ran_unless_told(home: Path) -> None:
    folder = made_sweep(home, "elsewhere", THREE)
    record = folder.read_settings()
    folder.settings.write_text(json.dumps(record | {"settings": record["settings"] | {"address": "127.0.0.1:1"}}))
    gone = CliRunner().invoke(cli, ["confirm", "elsewhere", "--results", str(home / "results")])
    assert isinstance(gone.exception, ClusterError)
    assert "--address 127.0.0.1:1: nothing answers" in str(gone.exception)


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*given: Any) -> None:
        raise KeyboardInterrupt

    made_sweep(home, "stopped", THREE)
    words = ["confirm", "stopped", "--results", str(home / "results")]
    monkeypatch.setattr("carsray.final.confirm.confirm.run_repetitions", interrupted)
    monkeypatch.setattr(sys, "argv", ["carsray", *words])
    found = CliRunner().invoke(cli, words)
    assert found.exit_code == 130
    assert "Stopped. What has ended is kept; to go on: carsray confirm stopped" in found.stderr


def test_nothing_is_repeated_with_a_weights_file_that_has_changed(home: Path, tmp_path: Path) -> None:
    made_sweep(home, "other-weights", THREE)
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"others than the sweep's")
    folder = open_sweep(home / "results", "other-weights")
    write_json(folder.settings, folder.read_settings() | {"weights": {str(weights): 64 * "0"}})
    found = CliRunner().invoke(cli, ["confirm", "other-weights", "--results", str(home / "results")])
    assert isinstance(found.exception, ResultsError)
    assert "is not the weights file that the sweep began with" in str(found.exception)


@pytest.mark.process
@pytest.mark.soak
def test_sigterm_keeps_what_has_ended_and_the_same_command_goes_on(home: Path) -> None:
    made_sweep(home, "ended-early", THREE)
    command = [sys.executable, "-c", "from carsray.cli import main; main()", "confirm", "ended-early", "--seeds", "1"]
    command += ["--results", str(home / "results")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any(": done" in line for line in process.stderr)  # reads up to the first that has ended
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    assert process.wait(timeout=120) == 130, rest
    assert "Stopped. What has ended is kept; to go on: carsray confirm ended-early" in rest
    folder = open_sweep(home / "results", "ended-early")
    done = {path: path.stat().st_mtime_ns for path in folder.root.glob("confirm/*/*/answers.csv")}
    assert 1 <= len(done) < 3
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert len(list(folder.root.glob("confirm/*/*/answers.csv"))) == 3
    assert read_lines(folder.root / "confirm/0000/seed-0/history.jsonl")[-1]["epoch"] == 2


def test_the_winners_file_is_a_space_with_everything_fixed(
    first: tuple[SweepFolder, Result], home: Path, call: Callable[..., Result]
) -> None:
    data = ["--data", str(home / "pictures"), "--cache", str(home / "cache")]
    call("sweep", str(first[0].winner), "--trials", "2", "--name", "again", *data)
    rows = pd.read_csv(home / "results/again/trials.csv")
    assert set(rows.state) == {"finished"}
    configs = [trial.read_trial_config() for trial in open_sweep(home / "results", "again").all_trials()]
    winner = load_experiments(first[0].winner).of("winner").config()
    assert [config.model_copy(update={"seed": 0, "view_seed": 0}) for config in configs] == [winner, winner]
    assert configs[0].seed != configs[1].seed


def test_reproduce_runs_the_winner_without_opening_the_test(
    first: tuple[SweepFolder, Result], home: Path, call: Callable[..., Result]
) -> None:
    data = ["--data", str(home / "pictures"), "--cache", str(home / "cache")]
    call("reproduce", str(first[0].winner), "--name", "reproduced", *data)
    table = pd.read_csv(home / "results/reproduced/table.csv")
    assert set(table.split) == {"val"}
    assert not (home / "results/reproduced/test_ledger.jsonl").exists()
