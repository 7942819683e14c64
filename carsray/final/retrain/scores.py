"""Numbers from answers, as retrain.json has them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from carsray.final.confirm.certainty import Answers as Repetition
from carsray.final.confirm.certainty import assess
from carsray.final.retrain.answering import Answers
from carsray.final.retrain.calibration import calibration_error, log_loss
from carsray.interval import of_averages, of_paired_difference, wilson
from carsray.training.answers import answer_metrics
from carsray.training.metrics import classification_metrics

Scores = dict[str, Any]


def scored(answers: Answers, temperature: float) -> Scores:
    """Accuracy with Wilson's interval, top5, precision, recall and F1 with bootstrap intervals, loss and calibration
    error before and after the temperature.
    """
    logits, labels = answers.logits, answers.labels
    scores: Scores = dict(classification_metrics(torch.tensor(logits), torch.tensor(labels)))
    scores |= answer_metrics(answers.predicted, labels)
    scores["accuracy_interval"] = list(wilson(int(answers.right.sum()), len(labels)))
    for average in ("macro", "weighted"):
        for name, interval in of_averages(labels, answers.predicted, average).items():
            scores[f"{name}_{average}_interval"] = list(interval)
    scores["loss_scaled"] = log_loss(logits, labels, temperature)
    scores["ece"] = calibration_error(logits, labels)
    scores["ece_scaled"] = calibration_error(logits, labels, temperature)
    return scores


def compared(merged: Sequence[Answers], twin: Answers) -> Scores:
    """What training on val as well has gained: the difference in accuracy on the same pictures, with its interval.

    With one seed it is about these weights: another seed would change those of both. With several it is about seeds,
    too, the mean of whose accuracies is compared.
    """
    gain = float(np.mean([each.right.mean() for each in merged]) - twin.right.mean())
    if len(merged) == 1:
        interval = of_paired_difference(merged[0].right, twin.right)
    else:
        pictures = np.arange(len(twin.labels))
        repeated = [Repetition(0, pictures, each.right) for each in merged]
        interval = assess([*repeated, Repetition(1, pictures, twin.right)]).difference(0, 1)
    return {"gain": gain, "gain_interval": list(interval)}


def over_all_seeds(answers: Sequence[Answers]) -> Scores:
    """The accuracy of each seed on these pictures, their mean, and its interval where there are several: for other
    seeds and other pictures.
    """
    by_seed = [float(each.right.mean()) for each in answers]
    pictures = np.arange(len(answers[0].labels))
    certainty = assess([Repetition(0, pictures, each.right) for each in answers])
    interval = list(certainty.interval(0)) if len(by_seed) > 1 else None
    return {"test_by_seed": by_seed, "mean": float(np.mean(by_seed)), "mean_interval": interval}
