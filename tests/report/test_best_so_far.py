from pathlib import Path

from made_report import Told, made

from carsray.report.best_so_far import best_so_far, compared_best, improvements


def test_each_improvement_is_found_with_its_time_and_trial(tmp_path: Path) -> None:
    # An epoch every ten seconds: 0.2 0.3 0.5 0.45, then 0.1 0.15, then 0.3 0.35 0.4 0.6.
    assert improvements(made(tmp_path)) == [(10, 0.2, 0), (20, 0.3, 0), (30, 0.5, 0), (100, 0.6, 2)]


def test_a_trial_stands_where_its_best_epoch_ended(tmp_path: Path) -> None:
    found = best_so_far(made(tmp_path))
    assert found is not None
    assert {dot.trial: dot.x for dot in found.plot.dots} == {0: 30, 1: 60, 2: 100}


def test_before_the_first_epoch_there_is_nothing_to_draw(tmp_path: Path) -> None:
    assert best_so_far(made(tmp_path, [Told([], state="running")])) is None


def test_a_first_epoch_is_enough(tmp_path: Path) -> None:
    found = best_so_far(made(tmp_path, [Told([0.25], state="running")], ended=None))
    assert found is not None
    assert found.table.rows == [["10 s", "0.2500", "0"]]


def test_several_sweeps_share_both_axes_and_each_ends_where_it_ended(tmp_path: Path) -> None:
    short = made(tmp_path / "a", [Told([0.2, 0.4])], name="short")
    long = made(tmp_path / "b", [Told([0.1, 0.2, 0.3, 0.3])], name="long")
    found = compared_best([short, long])
    assert found is not None
    assert [key.text for key in found.plot.keys] == ["short", "long"]
    assert found.plot.lines[0].path.split("L")[-1].startswith("500 ")  # 20 of 40 seconds
    assert found.plot.lines[1].path.split("L")[-1].startswith("1000 ")
    assert found.table.rows[0] == ["short", "10 s", "0.2000", "0"]
