import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import precision_recall_fscore_support

from carsray.errors import ResultsError
from carsray.interval import averages, class_counts, of_averages, of_mean, over_seeds, wilson
from carsray.published.numbers import load_numbers, published_value
from carsray.published.report import About, by_table, markdown
from carsray.published.tables import Row, cells, to_csv


@given(st.integers(1, 400), st.data())
def test_a_wilson_interval_holds_the_shares_that_a_score_test_does_not_refuse(total: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, total))
    low, high = wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1
    for bound in (low, high):
        if 0 < bound < 1:  # there the test is at its limit
            z = (right / total - bound) / math.sqrt(bound * (1 - bound) / total)
            assert abs(z) == pytest.approx(NormalDist().inv_cdf(0.975), rel=1e-6)


def test_the_interval_over_seeds_is_students() -> None:
    values = [0.5, 0.6, 0.64]
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert over_seeds(values) == pytest.approx((low, high))
    assert over_seeds([0.5]) == (-math.inf, math.inf)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = [low <= 1.0 <= high for low, high in (of_mean(rng.exponential(1.0, 400)) for _ in range(500))]
    assert 0.92 < np.mean(inside) < 0.98


@given(st.integers(2, 6), st.integers(1, 40), st.integers(0, 2**32 - 1), st.sampled_from(["macro", "weighted"]))
def test_quick_averages_are_scikit_learns(classes: int, pictures: int, seed: int, average: str) -> None:
    labels, predicted = np.random.default_rng(seed).integers(0, classes, (2, pictures))
    theirs = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)[:3]
    assert averages(*class_counts(labels, predicted, classes), average) == pytest.approx(theirs)


def test_bootstrap_intervals_hold_the_value_and_shrink_with_more_pictures() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for pictures in (50, 5000):
        labels = rng.integers(0, 5, pictures)
        predicted = np.where(rng.random(pictures) < 0.6, labels, rng.integers(0, 5, pictures))
        found = of_averages(labels, predicted, "macro")
        theirs = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)[:3]
        for (low, high), value in zip(found.values(), theirs, strict=True):
            assert low < value < high
        widths.append(found["recall"][1] - found["recall"][0])
    assert widths[1] < widths[0] / 5


def test_where_classes_have_few_pictures_the_measured_average_lies_in_the_middle_of_its_interval() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(200), 3)
    predicted = np.where(rng.random(600) < 0.6, labels, rng.integers(0, 200, 600))
    theirs = precision_recall_fscore_support(labels, predicted, average="macro", zero_division=0)[:3]
    for (low, high), value in zip(of_averages(labels, predicted, "macro").values(), theirs, strict=True):
        assert 0.4 < (value - low) / (high - low) < 0.6


HEADER = "report,experiment,split,metric,value,unit,note,source\n"


def test_numbers_come_as_shares_and_a_peak_is_not_the_result(tmp_path: Path) -> None:
    path = tmp_path / "published.csv"
    path.write_text(
        HEADER
        + 'r,a,test,accuracy,28.10,percent,results table,X\nr,a,val,accuracy,99,percent,"text, peak",X\n'
        + "r,b,unstated,f1,0.25,share,results table,X\nr,b,unstated,loss,3.5,nats,results table,X\n"
    )
    numbers = load_numbers(path)
    assert published_value(numbers, "r", "a", "test", "accuracy") == pytest.approx(0.281)
    assert published_value(numbers, "r", "a", "val", "accuracy") is None
    assert [published_value(numbers, "r", "b", side, "f1") for side in ("test", "val")] == [0.25, 0.25]
    assert published_value(numbers, "r", "b", "test", "loss") == 3.5
    assert published_value(numbers, "other", "b", "test", "loss") is None


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", HEADER + "r,a,test,accuracy,many,percent,,X\n", HEADER + "r,a,t,f1,1,apples,,X\n"]
)
def test_a_broken_table_of_numbers_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "published.csv"
    path.write_text(text)
    with pytest.raises(ResultsError, match="no table of published numbers"):
        load_numbers(path)


def row(metric: str = "accuracy", split: str = "test", published: float | None = 0.5, name: str = "a") -> Row:
    kind = "held out, not the official test"
    average = "macro" if metric == "f1" else ""
    return Row(name, "first", split, kind, metric, average, published, 0.625, (0.55, 0.7), 1, 80)  # type: ignore[arg-type]


def test_a_cell_says_the_difference_and_where_it_lies() -> None:
    assert cells(row()) == ("accuracy", "50.00", "62.50", "+12.50 [+5.00, +20.00]")
    assert cells(row("f1", published=None)) == ("f1 (macro)", "", "62.50", "in [55.00, 70.00]")
    assert cells(row("loss", published=0.7)) == ("loss", "0.7000", "0.6250", "-0.0750 [-0.1500, +0.0000]")


def test_tables_say_which_pictures_they_are_about_and_test_comes_first() -> None:
    tables = list(by_table([row(split="val"), row(), row(name="b")]))
    assert [title for title, _ in tables] == [
        "test (held out, not the official test), 80 pictures",
        "validation, 80 pictures",
    ]
    assert [r.experiment for r in tables[0][1]] == ["a", "b"]


def test_the_report_says_what_was_changed_and_what_did_not_run() -> None:
    about = About(
        "mine",
        "carsray reproduce mine",
        "abc",
        "4 classes",
        ("f" * 64,),
        1,
        {"epochs": 2},
        ("a note",),
        {"b": "no weights\nmore"},
    )
    text = markdown(about, [row(), row("f1")], ["comparison.png"])
    assert "Settings differ from the published ones, and with them what the difference means**: epochs = 2." in text
    assert "| **a** first | accuracy | 50.00 | 62.50 | +12.50 [+5.00, +20.00] |" in text
    assert "- b: no weights\n" in text
    assert "more" not in text
    assert "![comparison.png](comparison.png)" in text


def test_the_csv_has_one_line_a_number_and_no_infinity() -> None:
    unbounded = Row("a", "", "test", "as given", "fit_seconds", "", None, 0.1, (-math.inf, math.inf), 1, 8)
    lines = to_csv([row(), unbounded]).splitlines()
    assert (
        lines[0]
        == "experiment,title,split,test_kind,metric,average,published,reproduced,difference,low,high,seeds,pictures"
    )
    assert lines[1] == 'a,first,test,"held out, not the official test",accuracy,,0.5,0.625,0.125,0.55,0.7,1,80'
    assert lines[2] == "a,,test,as given,fit_seconds,,,0.1,,,,1,8"
