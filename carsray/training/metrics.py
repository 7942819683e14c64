"""Classification metrics from logits."""

import torch
from torch.nn import functional

from carsray.training.answers import answer_metrics


def classification_metrics(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Loss, accuracy, top5 and f1_macro of logits (N, C) float32 against labels (N,) int64.

    The loss is plain cross-entropy, whatever smoothing the training used. Macro F1 is over the classes that occur
    among labels or predictions; a class never predicted counts 0.
    """
    predicted = logits.argmax(dim=1)
    answers = answer_metrics(predicted.numpy(), labels.numpy())
    top = logits.topk(min(5, logits.shape[1]), dim=1).indices
    return {
        "loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": answers["accuracy"],
        "top5": float((top == labels[:, None]).any(dim=1).double().mean()),
        "f1_macro": answers["f1_macro"],
    }
