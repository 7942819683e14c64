import tempfile
from pathlib import Path

import pytest

from carsray.config import SweepSettings
from carsray.data.records import DataSplit, Row
from carsray.errors import ConfigError
from carsray.leaderboard import TrialRow
from carsray.published.start import find_experiment, space_from, space_of_one
from carsray.results import create_sweep
from carsray.settings import DERIVED
from carsray.space import Space
from carsray.tuning.rungs import RungTable
from carsray.tuning.search import SpaceSearch
from carsray.tuning.study import StudyFile
from carsray.tuning.sweep import begin_record, read_record
from carsray.tuning.turns import Turns

SPACE = """
[fixed]
backbone = "cnn"
epochs = 60
nesterov = true

[search]
optimizer = { choices = ["adamw", "sgd"], default = "adamw" }
lr = { low = 1e-4, high = 0.3, log = true, default = 1e-3 }
momentum = { low = 0.8, high = 0.97, default = 0.9, when = { optimizer = "sgd" } }
weight_decay = { low = 1e-6, high = 1e-1, log = true, default = 1e-2 }
batch_size = { choices = [32, 64], default = 32 }
"""
"""cnn-3 of almog2025 has adam and no weight decay, which this does not search."""


def search_of(space: Space, *cut_off: int) -> SpaceSearch:
    turns = Turns(RungTable([1], 3), 100, 100, cut_off)
    return SpaceSearch(space, StudyFile(Path(tempfile.mkdtemp()) / "study.db", "sweep"), 0, turns)


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.toml"
    path.write_text(SPACE)
    return path


def test_the_first_point_is_the_published_configuration_whatever_the_space_says(space: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {})
    published = find_experiment("almog2025/cnn-3").config()
    assert made.config(made.start[0]) == published
    assert made.epochs == 40
    assert made.start[1]["optimizer"] == "adamw"


def test_what_is_pinned_changes_the_experiment_too(space: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {"epochs": 2, "lr": 0.05, "image_size": 96})
    first = made.config(made.start[0])
    assert (first.epochs, first.lr, first.image_size, first.pack_size) == (2, 0.05, 96, 110)
    assert "lr" not in made.parameters


def test_values_outside_of_the_space_are_known(space: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {})
    assert made.outside(made.start[0]) == {"optimizer": "adam", "weight_decay": 0.0}


@pytest.mark.filterwarnings("error")
def test_the_first_trial_is_the_published_one_and_the_next_come_from_the_space(space: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {"depth": 2})
    search = search_of(made)
    trials = [search.suggest(str(number)) for number in range(4)]
    published = find_experiment("almog2025/cnn-3").config().model_dump() | {"depth": 2}
    first = {name: value for name, value in trials[0]["config"].items() if name not in DERIVED}  # type: ignore[index]
    assert first == {name: value for name, value in published.items() if name not in DERIVED}
    assert trials[0]["params"]["weight_decay"] == 0.0  # type: ignore[index]
    for trial in trials[1:]:
        assert made.outside(trial["params"]) == {}  # type: ignore[index]
    assert "weight_decay" not in search.study.trials[0].params
    assert search.study.trials[0].params["lr"] == pytest.approx(1e-3)


def test_an_interrupted_first_trial_comes_again_as_it_was(space: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {})
    search = search_of(made, 0)
    search.take_up([TrialRow(0, "running", 1, {}, 0.0, dict(made.only_active(made.start[0])))], {})
    again = search.suggest("again")
    assert again["params"] == made.only_active(made.start[0])  # type: ignore[index]


def test_a_file_is_named_with_its_experiment(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[[experiment]]\nid = "best"\nbackbone = "cnn"\nlr = 0.5\n')
    assert find_experiment(f"{tmp_path}/mine.toml#best").config().lr == 0.5


@pytest.mark.parametrize(
    ("origin", "problem"),
    [
        ("almog2025", "must be REPORT/ID or FILE#ID"),
        ("almog2025/cnn-9", "experiment 'cnn-9': almog2025 has transfer-1,"),
        ("almog2025/retrieval-3", "is a retrieval; name the training, almog2025/transfer-densenet"),
        ("almog2025/transfer-1", "is for resnet50, and .*space.toml for cnn; choose a space for the same"),
        ("nobody/cnn-1", "nobody: is no published report"),
    ],
)
def test_an_origin_that_does_not_fit_is_told(space: Path, origin: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        space_from(space, origin, {})


def test_a_resumed_sweep_still_begins_with_it(space: Path, tmp_path: Path) -> None:
    made = space_from(space, "almog2025/cnn-3", {})
    folder = create_sweep(tmp_path, "sweep")
    rows = (Row("a.jpg", 0, "aa"), Row("b.jpg", 1, "bb"))
    split = DataSplit(("x", "y"), rows, rows, (), "as given", "f" * 64)
    begin_record(folder, made, split, SweepSettings(data=tmp_path, cache=tmp_path))
    again, _, _ = read_record(folder)
    assert again.start == made.start
    assert again.config(again.start[0]) == made.config(made.start[0])


WINNER = """
[[experiment]]
id = "winner"
title = "the winner"
report = ["val"]
classes = 20
backbone = "cnn"
weights = "none"
lr = 0.002
epochs = 4
schedule = "cosine"
"""


@pytest.fixture
def winner(tmp_path: Path) -> Path:
    path = tmp_path / "winner.toml"
    path.write_text(WINNER)
    return path


def test_a_file_with_one_experiment_is_a_space_with_everything_fixed(winner: Path) -> None:
    made = space_of_one(winner, {})
    assert made.parameters == {}
    assert made.start == ({},)
    assert made.rungs == ()
    assert made.config(made.start[0]) == find_experiment(f"{winner}#winner").config()


def test_its_settings_can_be_pinned_otherwise(winner: Path) -> None:
    made = space_of_one(winner, {"lr": 0.5, "batch_size": 8})
    config = made.config({})
    assert (config.lr, config.batch_size, config.classes) == (0.5, 8, 20)
    with pytest.raises(ConfigError, match="--set learnin_rate=1: is no setting"):
        space_of_one(winner, {"learnin_rate": 1})


def test_its_file_of_weights_is_found_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b.pth").touch()
    path = tmp_path / "winner.toml"
    path.write_text(WINNER.replace('"none"', '"b.pth"').replace('"cnn"', '"resnet18"'))
    space = tmp_path / "space.toml"
    space.write_text("[search]\nlr = { low = 1e-3, high = 1e-1, log = true }\n[fixed]\nbackbone = 'resnet18'\n")
    monkeypatch.chdir(tmp_path)
    for made in (space_of_one(path, {}), space_from(space, f"{path}#winner", {})):
        assert made.config(made.start[0]).weights == str(tmp_path / "b.pth")


def test_a_resumed_sweep_of_it_knows_the_same_space(winner: Path, tmp_path: Path) -> None:
    made = space_of_one(winner, {"lr": 0.5})
    folder = create_sweep(tmp_path, "sweep")
    split = DataSplit(("a", "b"), (Row("/1.jpg", 0, "d"),), (), (), "as given", "f")
    begin_record(folder, made, split, SweepSettings(data=tmp_path, cache=tmp_path))
    again = read_record(folder)[0]
    assert (again.config({}), again.start, again.rungs) == (made.config({}), made.start, made.rungs)


def test_a_file_with_several_experiments_is_no_space(winner: Path) -> None:
    winner.write_text(WINNER + '[[experiment]]\nid = "other"\nlike = "winner"\n')
    with pytest.raises(ConfigError, match="holds 2 experiments"):
        space_of_one(winner, {})


def test_a_sweep_begins_with_the_winner_of_another(winner: Path, space: Path) -> None:
    made = space_from(space, f"{winner}#winner", {})
    first = made.config(made.start[0])
    assert (first.lr, first.classes, first.epochs) == (0.002, 20, 4)
    assert made.parameters.keys() >= {"lr", "optimizer"}
