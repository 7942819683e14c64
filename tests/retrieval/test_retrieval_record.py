import json

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from carsray.retrieval.evaluate import Outcome
from carsray.retrieval.grid import Grid, Point
from carsray.retrieval.pictures import draw_accuracy, draw_neighbours
from carsray.retrieval.record import best_of, curve, separable, write_record


def outcome(right: list[bool] | np.ndarray, k: int = 1, f1: float = 0.5, distance: str = "cosine") -> Outcome:
    right = np.asarray(right)
    metrics = {"accuracy": float(right.mean()), "f1_macro": f1, "map_at_r": float("nan")}
    return Outcome(Point("l2", distance, "majority", k), metrics, right, right.astype(int))


def test_the_best_has_the_highest_accuracy_then_f1_then_the_smaller_k() -> None:
    points = [outcome([1, 1, 0], 9), outcome([1, 0, 1], 5), outcome([0, 1, 1], 3, 0.4), outcome([0, 0, 1], 1, 0.9)]
    assert best_of(points) is points[1]


def test_a_point_is_separable_where_a_sign_test_says_so() -> None:
    rng = np.random.default_rng(0)
    best = outcome(rng.random(200) < 0.8)
    for flips in (2, 5, 6, 7, 30):
        other = best.right.copy()
        other[np.flatnonzero(other)[:flips]] = False
        expected = stats.binomtest(0, flips, 0.5).pvalue < 0.05
        assert separable(best, outcome(other)) is bool(expected)


def test_the_same_answers_are_not_separable() -> None:
    assert not separable(outcome([1, 0, 1]), outcome([1, 0, 1]))


def test_both_files_hold_the_points_the_choice_and_the_tie_rule(tmp_path) -> None:
    points = [outcome([0, 0, 1], 1), outcome([1, 1, 1], 3), outcome([1, 1, 0], 5)]
    write_record(tmp_path / "retrieval", points, Grid(tie="nearest"), {"protocol": "same-classes"})
    frame = pd.read_csv(tmp_path / "retrieval.csv")
    assert frame["k"].tolist() == [3, 5, 1]
    assert set(frame["tie"]) == {"nearest"}
    assert {"accuracy_low", "accuracy_high", "separable_from_best"} <= set(frame.columns)
    record = json.loads((tmp_path / "retrieval.json").read_text())
    assert record["chosen"] == {
        "normalize": "l2",
        "distance": "cosine",
        "vote": "majority",
        "k": 3,
        "tie": "nearest",
    }
    assert record["metrics"]["map_at_r"] is None
    assert len(record["not_separable_from_chosen"]) == 2


def test_the_curve_has_a_step_per_k_with_the_best_of_each_distance() -> None:
    points = [outcome([1, 0], 5), outcome([1, 1], 1), outcome([0, 0], 1), outcome([0, 1], 1, distance="inner")]
    assert curve(points) == [
        {"k": 1, "retrieval/l2/cosine/accuracy": 1.0, "retrieval/l2/inner/accuracy": 0.5},
        {"k": 5, "retrieval/l2/cosine/accuracy": 0.5},
    ]


def test_the_chart_has_a_panel_per_distance(tmp_path) -> None:
    draw_accuracy([outcome([1, 0], 1)], tmp_path / "one.png")
    draw_accuracy([outcome([1, 0], 1), outcome([1, 0], 1, distance="inner")], tmp_path / "two.png")
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert two.width > 1.5 * one.width


def test_right_neighbours_are_framed_green_and_wrong_ones_red(tmp_path) -> None:
    black = np.zeros((10, 10, 3), np.uint8)
    (tmp_path / "n.png").write_bytes(draw_neighbours([black], [[(black, True), (black, False)]]))
    with Image.open(tmp_path / "n.png") as sheet:
        colours = {colour for _, colour in sheet.getcolors()}
    assert {(0x2E, 0x8B, 0x57), (0xC0, 0x39, 0x2B), (0x40, 0x40, 0x40)} < colours
