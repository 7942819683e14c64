"""What the twin shows on val: whether the average of the weights is to be used, and the temperature.

Its answers stand in for those of the exported network, which has trained on val and can be asked nothing there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carsray.data.records import DataSplit
from carsray.final.retrain.answering import Answers
from carsray.final.retrain.calibration import fit_temperature, log_loss
from carsray.final.retrain.folder import TWIN, RetrainFolder, Training
from carsray.final.retrain.scores import Scores, scored
from carsray.final.retrain.tables import write_answers

LAST, AVERAGED = "last", "averaged"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found on val before test is opened."""

    temperature: float
    val: Scores
    """Of the twin; its calibration after the temperature is that on the pictures which fitted it."""
    average: Scores | None
    """How the average of the weights did, and whether it is used; None where none was kept."""


def weights_of_twin(folder: RetrainFolder) -> dict[str, bytes]:
    """What is to be asked about val: the checkpoint, or beside it the average of the weights."""
    own = folder.training(TWIN)
    kept = {LAST: own.last, AVERAGED: own.averaged} if own.averaged.exists() else {LAST: own.checkpoint}
    return {name: path.read_bytes() for name, path in kept.items()}


def judge_twin(
    folder: RetrainFolder, trainings: Sequence[Training], split: DataSplit, answers: Mapping[str, Answers]
) -> Judged:
    """Fit the temperature; where an average was kept, settle by val whether it or the last weights count, for all."""
    average = None
    used = answers[LAST]
    if AVERAGED in answers:
        average = _compared(answers[LAST], answers[AVERAGED]) | {"decay": trainings[0].terms.decay}
        used = answers[AVERAGED] if average["used"] else used
        for training in trainings:
            folder.training(training.name).settle(averaged=average["used"])
    temperature = fit_temperature(used.logits, used.labels)
    write_answers(folder.training(TWIN).answers, split.val, used, temperature)
    return Judged(temperature, scored(used, temperature), average)


def _compared(last: Answers, averaged: Answers) -> Scores:
    """The average is used where it answers more of val rightly; where as many, the one with less loss."""
    found = {
        name: (float(each.right.mean()), log_loss(each.logits, each.labels))
        for name, each in ((LAST, last), (AVERAGED, averaged))
    }
    (accuracy, loss), (accuracy_last, loss_last) = found[AVERAGED], found[LAST]
    return {
        "used": (accuracy, -loss) > (accuracy_last, -loss_last),
        "val_accuracy": accuracy,
        "val_loss": loss,
        "val_accuracy_last": accuracy_last,
        "val_loss_last": loss_last,
    }
