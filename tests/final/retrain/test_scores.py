import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from carsray.final.retrain.answering import Answers
from carsray.final.retrain.scores import compared, over_all_seeds, scored


def answers(seed: int, pictures: int = 60, classes: int = 6, gain: float = 1.5) -> Answers:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, pictures)
    logits = rng.normal(0, 1, (pictures, classes))
    logits[np.arange(pictures), labels] += gain
    return Answers("seed-0", logits.astype(np.float32), labels)


@given(st.integers(0, 2**32))
@settings(max_examples=20)  # a bootstrap in each
def test_what_is_scored_is_what_counting_gives(seed: int) -> None:
    given_answers = answers(seed)
    found = scored(given_answers, temperature=2.0)
    rows = [(row.tolist(), int(label)) for row, label in zip(given_answers.logits, given_answers.labels, strict=True)]
    right = sum(row.index(max(row)) == label for row, label in rows)
    assert found["accuracy"] == pytest.approx(right / len(rows))
    interval = stats.binomtest(right, len(rows)).proportion_ci(method="wilson")
    assert found["accuracy_interval"] == pytest.approx([interval.low, interval.high])
    assert found["top5"] == pytest.approx(sum(label in np.argsort(row)[-5:] for row, label in rows) / len(rows))
    for name, scale in (("loss", 1.0), ("loss_scaled", 2.0)):
        losses = [math.log(sum(math.exp((v - row[label]) / scale) for v in row)) for row, label in rows]
        assert found[name] == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_every_average_has_an_interval_around_it_and_all_of_it_is_json() -> None:
    found = scored(answers(0, pictures=300), temperature=1.5)
    for name in ("precision_macro", "recall_weighted", "f1_macro", "f1_weighted"):
        low, high = found[f"{name}_interval"]
        assert low <= found[name] <= high
    assert json.loads(json.dumps(found)) == found


def test_the_gain_is_the_difference_on_the_same_pictures() -> None:
    merged, twin = answers(1, 400, gain=3.0), answers(1, 400, gain=1.0)
    found = compared([merged], twin)
    assert found["gain"] == pytest.approx(merged.right.mean() - twin.right.mean())
    low, high = found["gain_interval"]
    assert 0 < low < found["gain"] < high
    assert compared([twin], twin)["gain"] == 0


def test_the_gain_over_several_seeds_is_that_of_their_mean_and_less_sure_the_more_they_differ() -> None:
    twin = answers(9, 400, gain=1.0)
    widths = []
    for gains in ((1.5, 1.5, 1.5), (0.5, 1.5, 2.5)):
        merged = []
        for seed, gain in enumerate(gains):
            logits = np.random.default_rng(seed).normal(0, 1, twin.logits.shape)
            logits[np.arange(400), twin.labels] += gain
            merged.append(Answers(f"seed-{seed}", logits.astype(np.float32), twin.labels))
        found = compared(merged, twin)
        assert found["gain"] == pytest.approx(np.mean([each.right.mean() for each in merged]) - twin.right.mean())
        widths.append(found["gain_interval"][1] - found["gain_interval"][0])
    assert widths[1] > widths[0]


def test_the_mean_over_seeds_has_an_interval_and_one_seed_has_none() -> None:
    many = [answers(seed) for seed in range(4)]
    found = over_all_seeds(many)
    accuracies = [each.right.mean() for each in many]
    assert found["test_by_seed"] == pytest.approx(accuracies)
    assert found["mean"] == pytest.approx(np.mean(accuracies))
    low, high = found["mean_interval"]
    assert low < found["mean"] < high
    assert over_all_seeds(many[:1])["mean_interval"] is None


def test_seeds_that_agree_do_not_make_the_pictures_more() -> None:
    """Four trainings that answer alike say no more than one of them."""
    one = answers(0, pictures=300)
    low, high = over_all_seeds([one] * 4)["mean_interval"]
    alone = scored(one, 1.0)["accuracy_interval"]
    assert [low, high] == pytest.approx(alone, abs=0.02)
