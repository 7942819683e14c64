from pathlib import Path

import pytest
from made_report import USUAL, Told, made

from carsray.report.parameters import parameters


def many(number: int) -> list[Told]:
    """Trials whose score follows lr alone."""
    rates = [10 ** (-4 + 4 * at / number) for at in range(number)]
    return [
        Told([0.1 + at / number / 2], {"lr": lr, "optimizer": "adam", "batch_size": 8 + at * 7 % 24})
        for at, lr in enumerate(rates)
    ]


def test_each_parameter_has_a_chart_with_the_trials_that_have_it(tmp_path: Path) -> None:
    found = parameters(made(tmp_path))
    assert found is not None
    assert {plot.title: len(plot.dots) for plot in found.plots} == {
        "lr": 3,
        "optimizer": 3,
        "momentum": 1,
        "batch_size": 3,
    }


def test_dots_stand_at_their_value_and_score(tmp_path: Path) -> None:
    found = parameters(made(tmp_path))
    assert found is not None
    plot = next(plot for plot in found.plots if plot.title == "batch_size")
    places = {dot.trial: dot.x for dot in plot.dots}
    heights = {dot.trial: dot.y for dot in plot.dots}
    assert places == pytest.approx({0: 33.33, 1: 0, 2: 100})
    assert heights[2] < heights[0] < heights[1]  # 0.6, 0.5, 0.15: SVG counts from the top


def test_the_best_dot_is_drawn_last(tmp_path: Path) -> None:
    found = parameters(made(tmp_path))
    assert found is not None
    assert [(plot.dots[-1].trial, plot.dots[-1].style) for plot in found.plots if plot.title == "lr"] == [
        (2, "state finished best")
    ]


def test_a_few_trials_do_not_tell_importances(tmp_path: Path) -> None:
    found = parameters(made(tmp_path))
    assert found is not None
    assert found.importances is None
    assert found.measured.startswith("Too few trials")


def test_what_explains_the_score_comes_first(tmp_path: Path) -> None:
    found = parameters(made(tmp_path, many(12)))
    assert found is not None
    assert found.importances is not None
    assert found.importances.bars[0].label == found.plots[0].title == "lr"
    assert found.measured.endswith("So few give a hint, not a measurement.")


def test_without_a_score_there_is_nothing_to_show(tmp_path: Path) -> None:
    assert parameters(made(tmp_path, USUAL[3:])) is None
