"""Classification metrics from logits. scikit-learn's where it has them."""

import torch
from sklearn.metrics import f1_score
from torch.nn import functional


def classification_metrics(logits: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Loss, accuracy, top5 and f1_macro of logits (N, C) float32 against labels (N,) int64.

    The loss is plain cross-entropy, whatever smoothing the training used. Macro F1 is over the classes that occur
    among labels or predictions; a class never predicted counts 0.
    """
    predicted = logits.argmax(dim=1)
    top = logits.topk(min(5, logits.shape[1]), dim=1).indices
    return {
        "loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": float((predicted == labels).double().mean()),
        "top5": float((top == labels[:, None]).any(dim=1).double().mean()),
        "f1_macro": float(f1_score(labels.numpy(), predicted.numpy(), average="macro", zero_division=0)),
    }
