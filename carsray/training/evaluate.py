"""A network's answers to every picture of a pack."""

from collections.abc import Iterable

import torch

from carsray.data.batches import Batch
from carsray.models.network import Network
from carsray.training.device import autocast


@torch.inference_mode()
def predict(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, C) float32 and labels (N,) int64, both on the CPU, in the order of the batches."""
    network.eval()
    logits, labels = [], []
    for batch in batches:
        with autocast(batch.images.device, dtype):
            logits.append(network(batch.images).float().cpu())
        labels.append(batch.labels.cpu())
    return torch.cat(logits), torch.cat(labels)
