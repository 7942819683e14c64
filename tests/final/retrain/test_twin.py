from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_retrain import name_winner, swept

from carsray.final.retrain.answering import Answers
from carsray.final.retrain.calibration import fit_temperature
from carsray.final.retrain.chosen import read_chosen
from carsray.final.retrain.folder import TWIN, RetrainFolder
from carsray.final.retrain.trainings import plan_trainings
from carsray.final.retrain.twin import judge_twin, weights_of_twin
from carsray.training.whole import Trained
from carsray.tuning.sweep import read_record

LABELS = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2])


def sure_of(*wrong: int, scale: float = 4.0) -> np.ndarray:
    """Logits that answer rightly but for these pictures."""
    answered = LABELS.copy()
    answered[list(wrong)] = (answered[list(wrong)] + 1) % 3
    return (np.eye(3, dtype=np.float32) * scale)[answered]


def judged(tmp_path: Path, last: np.ndarray, averaged: np.ndarray | None):
    folder = swept(tmp_path)
    name_winner(folder)
    split = read_record(folder)[1]
    trainings = plan_trainings(read_chosen(folder, None), split, 1, 0.9 if averaged is not None else 0.0)
    retrain = RetrainFolder(folder)
    for training in trainings:
        own = retrain.training(training.name)
        own.begin(training, 1, 0.0)
        own.write_trained(Trained(b"last", None if averaged is None else b"averaged"))
    named = {"last": last} | ({} if averaged is None else {"averaged": averaged})
    assert weights_of_twin(retrain) == {name: name.encode() for name in named}
    answers = {name: Answers(name, logits, LABELS) for name, logits in named.items()}
    return retrain, judge_twin(retrain, trainings, split, answers)


def test_the_temperature_is_that_of_the_twins_answers_on_val(tmp_path: Path) -> None:
    retrain, found = judged(tmp_path, sure_of(0, 4), None)
    assert found.temperature == pytest.approx(fit_temperature(sure_of(0, 4), LABELS))
    assert found.average is None
    assert found.val["accuracy"] == pytest.approx(7 / 9)
    table = pd.read_csv(retrain.training(TWIN).answers)
    assert list(table.columns) == ["path", "label", "predicted", "confidence", "confidence_unscaled"]
    assert (table.label != table.predicted).sum() == 2
    assert table.confidence_unscaled.to_list() == pytest.approx([np.exp(4) / (np.exp(4) + 2)] * 9)
    assert table.confidence.to_list() == pytest.approx([7 / 9] * 9, abs=1e-3)  # as sure as it is right


@pytest.mark.parametrize(
    ("last", "averaged", "used"),
    [
        (sure_of(0, 1), sure_of(0), True),
        (sure_of(0), sure_of(0, 1), False),
        (sure_of(0, scale=4.0), sure_of(0, scale=2.0), True),  # as many right, and less loss
        (sure_of(0), sure_of(0), False),
    ],
)
def test_the_average_counts_for_all_where_it_did_better_on_val(
    last: np.ndarray, averaged: np.ndarray, used: bool, tmp_path: Path
) -> None:
    retrain, found = judged(tmp_path, last, averaged)
    assert found.average is not None
    assert found.average["used"] is used
    assert found.average["decay"] == 0.9
    for name in ("seed-0", TWIN):
        assert retrain.training(name).checkpoint.read_bytes() == (b"averaged" if used else b"last")
    assert found.val["loss"] == found.average["val_loss" if used else "val_loss_last"]
