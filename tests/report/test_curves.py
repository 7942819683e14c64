from pathlib import Path

from made_report import Told, made

from carsray.report.curves import curves


def test_every_trial_has_a_curve_over_its_epochs_and_the_best_is_on_top(tmp_path: Path) -> None:
    found = curves(made(tmp_path))
    assert found is not None
    assert [(line.trial, line.style, line.path.count("L") + 1) for line in found.accuracy.lines] == [
        (1, "curve q3", 2),
        (0, "curve q1", 4),
        (2, "curve best", 4),
    ]


def test_rungs_are_marked(tmp_path: Path) -> None:
    found = curves(made(tmp_path))
    assert found is not None
    assert [(rule.text, rule.at) for rule in found.accuracy.rules] == [("rung 1", 0), ("rung 2", 33.33)]
    assert found.table.head == ["trial", "1 (rung)", "2 (rung)", "3", "4"]
    assert found.table.rows[2] == ["1", "0.1000", "0.1500", "", ""]


def test_the_losses_are_those_of_the_best_trial(tmp_path: Path) -> None:
    found = curves(made(tmp_path))
    assert found is not None
    assert found.losses is not None
    assert found.losses.says == "Losses of trial 2 by epoch, in the end: train/loss 0.500, val/loss 0.750"


def test_a_single_epoch_is_a_dot(tmp_path: Path) -> None:
    found = curves(made(tmp_path, [Told([0.25])]))
    assert found is not None
    assert [(dot.trial, dot.x) for dot in found.accuracy.dots] == [(0, 0)]


def test_without_an_epoch_there_are_no_curves(tmp_path: Path) -> None:
    assert curves(made(tmp_path, [Told([], state="running")])) is None
