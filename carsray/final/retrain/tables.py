"""The tables of a retrain."""

from collections.abc import Sequence

import pandas as pd

from carsray.data.records import Row
from carsray.files import write_text
from carsray.final.retrain.answering import Answers
from carsray.final.retrain.calibration import confidences
from carsray.final.retrain.folder import RetrainFolder
from carsray.published.folder import write_confusion
from carsray.training.answers import by_class


def answers_csv(rows: Sequence[Row], answers: Answers, temperature: float) -> str:
    """One line a picture; confidence is what the answered class is given, after the temperature and before it."""
    columns = {
        "path": [row.path for row in rows],
        "label": answers.labels,
        "predicted": answers.predicted,
        "confidence": confidences(answers.logits, temperature),
        "confidence_unscaled": confidences(answers.logits),
    }
    return str(pd.DataFrame(columns).to_csv(index=False))


def write_test_tables(
    folder: RetrainFolder, rows: Sequence[Row], answers: Answers, classes: tuple[str, ...], temperature: float
) -> None:
    """Every answer, the confusion matrix, the most confused pairs, each class."""
    write_text(folder.answers, answers_csv(rows, answers, temperature))
    write_confusion(folder.root, "test", answers.predicted, answers.labels, classes)
    table = {"class": classes, **by_class(answers.predicted, answers.labels, len(classes))}
    write_text(folder.classes, pd.DataFrame(table).to_csv(index=False))
