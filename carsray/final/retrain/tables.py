"""The tables of a retrain."""

from collections.abc import Sequence
from pathlib import Path

from carsray.data.records import Row
from carsray.files import write_csv
from carsray.final.retrain.answering import Answers
from carsray.final.retrain.calibration import confidences
from carsray.final.retrain.folder import RetrainFolder
from carsray.published.folder import write_confusion
from carsray.training.answers import by_class


def write_answers(path: Path, rows: Sequence[Row], answers: Answers, temperature: float) -> None:
    """One line a picture; confidence is what the answered class is given, after the temperature and before it."""
    columns = {
        "path": [row.path for row in rows],
        "label": answers.labels,
        "predicted": answers.predicted,
        "confidence": confidences(answers.logits, temperature),
        "confidence_unscaled": confidences(answers.logits),
    }
    write_csv(path, list(columns), zip(*columns.values(), strict=True))


def write_test_tables(
    folder: RetrainFolder, rows: Sequence[Row], answers: Answers, classes: tuple[str, ...], temperature: float
) -> None:
    """Every answer, the confusion matrix, the most confused pairs, each class."""
    write_answers(folder.answers, rows, answers, temperature)
    write_confusion(folder.root, "test", answers.predicted, answers.labels, classes)
    table = {"class": classes, **by_class(answers.predicted, answers.labels, len(classes))}
    write_csv(folder.classes, list(table), zip(*table.values(), strict=True))
