import json
import re
from pathlib import Path

import pytest
from tiny_retrain import choose_point, name_winner, swept

from carsray.data.ledger import Opening, read_ledger, write_opening
from carsray.errors import ConfigError, DataError, ResultsError
from carsray.final.retrain.chosen import read_chosen
from carsray.final.retrain.folder import RetrainFolder
from carsray.final.retrain.opening import check_opening, read_point, write_to_ledger
from carsray.final.retrain.trainings import plan_trainings
from carsray.results import SweepFolder
from carsray.retrieval.grid import Grid, Point
from carsray.training.whole import Trained
from carsray.tuning.sweep import read_record


@pytest.fixture
def sweep(tmp_path: Path) -> SweepFolder:
    folder = swept(tmp_path)
    name_winner(folder)
    return folder


def opened(sweep: SweepFolder) -> int:
    folder, split = RetrainFolder(sweep), read_record(sweep)[1]
    trainings = plan_trainings(read_chosen(sweep, None), split, 1, 0.0)
    for training in trainings:
        own = folder.training(training.name)
        own.begin(training, 1, 0.0)
        own.write_trained(Trained(training.name.encode()))
    return write_to_ledger(folder, read_chosen(sweep, None), trainings, split)


def test_every_opening_is_on_record_with_all_weights_and_is_counted(sweep: SweepFolder) -> None:
    write_opening(RetrainFolder(sweep).ledger, Opening("reproduce", "x", 0, "y", "z"), read_record(sweep)[1])
    assert [opened(sweep), opened(sweep)] == [1, 2]
    entry = read_ledger(RetrainFolder(sweep).ledger)[-1]
    assert (entry["by"], entry["experiment"], entry["pictures"]) == ("retrain", "winner", 9)
    assert len(str(entry["weights"])) == 64
    assert len(entry["others"]) == 1  # type: ignore[arg-type]  # the twin


def test_a_second_opening_is_refused_with_the_time_of_the_first_and_allowed_when_asked_for(sweep: SweepFolder) -> None:
    folder, split = RetrainFolder(sweep), read_record(sweep)[1]
    check_opening(folder, split, again=False)
    opened(sweep)
    time = re.escape(str(read_ledger(folder.ledger)[0]["time"]))
    with pytest.raises(ResultsError, match=f"was opened once on {time}.*--again") as told:
        check_opening(folder, split, again=False)
    assert "\n" not in str(told.value)
    check_opening(folder, split, again=True)
    opened(sweep)
    with pytest.raises(ResultsError, match="was opened 2 times, the last time on"):
        check_opening(folder, split, again=False)


def test_a_test_picture_that_is_gone_is_found_before_anything_is_opened(sweep: SweepFolder) -> None:
    split = read_record(sweep)[1]
    Path(split.test[3].path).unlink()
    with pytest.raises(DataError, match="a test picture is not there"):
        check_opening(RetrainFolder(sweep), split, again=False)
    assert read_ledger(RetrainFolder(sweep).ledger) == []


def test_the_point_chosen_on_val_is_a_grid_of_one(sweep: SweepFolder) -> None:
    assert read_point(RetrainFolder(sweep)) is None
    choose_point(sweep)
    point = read_point(RetrainFolder(sweep))
    assert isinstance(point, Grid)
    assert list(point.points()) == [Point("none", "euclidean", "majority", 3)]
    assert point.tie == "nearest"


@pytest.mark.parametrize(
    "chosen",
    [{"distance": "cosines"}, {"k": "three"}, {"k": 0}, {"k": 2.5}, {"vote": None}, {"tie": "highest"}],
    ids=lambda c: str(c),
)
def test_a_point_changed_badly_is_refused_in_one_line(chosen: dict[str, object], sweep: SweepFolder) -> None:
    choose_point(sweep, **chosen)
    with pytest.raises(ConfigError, match=r"retrieval\.json: has no usable point") as told:
        read_point(RetrainFolder(sweep))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"chosen": {"k": 3}})])
def test_a_file_without_a_point_is_refused_in_one_line(text: str, sweep: SweepFolder) -> None:
    RetrainFolder(sweep).retrieval.write_text(text)
    with pytest.raises(ConfigError, match="has no usable point"):
        read_point(RetrainFolder(sweep))
