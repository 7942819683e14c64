"""A network's answers to every picture of a pack."""

from collections.abc import Iterable

import torch
from torch import nn

from carsray.data.batches import Batch
from carsray.models.folding import folded
from carsray.models.network import Network
from carsray.training.boundary import at_boundary, logits_from


def predict(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) float32 and labels (N,) int64, both on the CPU, in the order of the batches of pictures."""
    return predict_from(network, at_boundary(network, batches, dtype), dtype)


@torch.no_grad()
def predict_from(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, of batches that hold activations at the boundary."""
    network.eval()
    trained = folded(nn.Sequential(network.suffix, network.neck, network.head))
    logits, labels = [], []
    for batch in batches:
        logits.append(logits_from(trained, batch.images, dtype))
        labels.append(batch.labels)
    return torch.cat(logits).cpu(), torch.cat(labels).cpu()  # at the end, since each copy waits for the device
