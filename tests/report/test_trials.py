import re
from pathlib import Path

import pytest
from made_report import USUAL, Told, made

from carsray.report.parallel import LINE, PITCH, parallel
from carsray.report.trials import trials


def test_every_trial_has_a_thread_that_meets_every_axis(tmp_path: Path) -> None:
    found = parallel(made(tmp_path))
    assert found is not None
    assert [axis.name for axis in found.axes] == ["val/accuracy_best", "lr", "optimizer", "momentum", "batch_size"]
    assert sorted(thread.trial for thread in found.threads) == [0, 1, 2, 3]
    for thread in found.threads:
        ends = re.findall(r"(\d+) (\d+)(?=[CS]|$)", thread.path)
        assert [int(y) for _, y in ends] == [PITCH * at + LINE for at in range(5)]
        assert all(0 <= int(x) <= 1000 for x, _ in ends)


def test_places_are_percentages_of_a_range_and_numbers_of_choices(tmp_path: Path) -> None:
    found = parallel(made(tmp_path))
    assert found is not None
    # lr 0.01 of 1e-4 to 1, log; sgd and adam; no momentum with adam; batch size 16 of 8 to 32.
    assert dict(found.places)[0] == pytest.approx([77.78, 50, 1, None, 33.33])
    assert dict(found.places)[3] == pytest.approx([None, 100, 0, 100, 100])  # no score


def test_the_best_thread_is_drawn_last(tmp_path: Path) -> None:
    found = parallel(made(tmp_path))
    assert found is not None
    assert (found.threads[-1].trial, found.threads[-1].style) == (2, "thread best")
    assert found.threads[0].style == "thread none"  # it failed


def test_a_point_outside_of_the_space_widens_its_axis(tmp_path: Path) -> None:
    found = parallel(made(tmp_path, [Told([0.1], {"lr": 5.0, "optimizer": "rmsprop", "batch_size": 16})]))
    assert found is not None
    assert found.axes[1].high == 5.0
    assert found.axes[2].choices == ("sgd", "adam", "rmsprop")


def test_the_table_has_a_row_a_trial_as_the_terminal_writes_it(tmp_path: Path) -> None:
    found = trials(made(tmp_path))
    assert found is not None
    head = ["trial", "state", "epochs", "val/accuracy_best", "lr", "optimizer", "momentum", "batch_size", "time"]
    assert found.head == head == found.data["columns"]
    assert [line.trial for line in found.lines] == [2, 0, 1, 3]
    assert found.lines[0].cells == ["4", "0.6000", "0.001", "adam", "", "32", "40 s"]
    assert found.data["trials"][0]["values"] == [2, "finished", 4, 0.6, 0.001, "adam", None, 32, 40.0]


def test_a_space_that_searches_nothing_has_a_table_and_no_chart(tmp_path: Path) -> None:
    pinned = {"lr": 0.1, "optimizer": "sgd", "momentum": 0.7, "batch_size": 8}
    found = trials(made(tmp_path, [Told([0.1], {})], pinned=pinned))
    assert found is not None
    assert found.parallel is None
    assert len(found.lines) == 1


def test_no_trial_no_table(tmp_path: Path) -> None:
    assert trials(made(tmp_path, [])) is None


def test_threads_that_share_a_choice_lie_beside_each_other(tmp_path: Path) -> None:
    found = parallel(made(tmp_path, USUAL[:1] * 20))
    assert found is not None
    optimizer = found.axes[2]
    places = {optimizer.across(1.0, trial) for trial in range(20)}
    assert len(places) == 20
    assert all(50 < place < 100 for place in places)
