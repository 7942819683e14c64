"""A network's answers to every picture of a pack."""

from collections.abc import Iterable, Iterator

import torch
from torch import nn

from carsray.data.batches import Batch
from carsray.models.folding import folded
from carsray.models.network import Network
from carsray.training.boundary import at_boundary, logits_from

Answered = tuple[torch.Tensor, torch.Tensor]
"""Logits (N, C) float32 and labels (N,) int64."""


def predict(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> Answered:
    """Of all batches of pictures, in their order, on the CPU."""
    return together(predict_each(network, at_boundary(network, batches, dtype), dtype))


@torch.no_grad()
def predict_each(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> Iterator[Answered]:
    """Batch by batch, on the device, of batches that hold activations at the boundary."""
    network.eval()
    trained = folded(nn.Sequential(network.suffix, network.neck, network.head))
    for batch in batches:
        yield logits_from(trained, batch.images, dtype), batch.labels


def together(answered: Iterable[Answered]) -> Answered:
    """All in one, on the CPU."""
    logits, labels = zip(*answered, strict=True)
    return torch.cat(logits).cpu(), torch.cat(labels).cpu()  # at the end, since each copy waits for the device
