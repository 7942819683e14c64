"""From pictures to activations at the boundary between the frozen prefix and the trained rest."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from carsray.data.batches import Batch
from carsray.models.network import Network
from carsray.training.device import autocast

STORED = torch.bfloat16
"""What activations are rounded to at the boundary. In float16, which is finer, those of an untrained prefix vanish."""


@torch.no_grad()
def activations(network: Network, pictures: Tensor, dtype: torch.dtype) -> Tensor:
    """What the frozen prefix makes of pictures (B, 3, H, W), as bfloat16; without a prefix, the pictures.

    Rounded whether they are cached or not, so that both give the same numbers.
    """
    if not len(network.prefix):
        return pictures
    with autocast(pictures.device, dtype):
        return network.boundary(pictures).to(STORED)


def at_boundary(network: Network, batches: Iterable[Batch], dtype: torch.dtype) -> Iterator[Batch]:
    """The same batches, with activations in place of pictures."""
    for batch in batches:
        yield replace(batch, images=activations(network, batch.images, dtype))


def logits_from(network: Network, at_boundary: Tensor, dtype: torch.dtype) -> Tensor:
    """Logits (B, C) float32 from activations at the boundary."""
    inputs = at_boundary.float() if dtype == torch.float32 else at_boundary
    with autocast(inputs.device, dtype):
        return network.forward_from(inputs).float()
