"""From pictures to activations at the boundary between the frozen prefix and the trained rest."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from carsray.data.batches import Batch
from carsray.models.folding import folded
from carsray.models.network import Network
from carsray.training.device import autocast

STORED = torch.bfloat16
"""What activations are rounded to at the boundary. In float16, which is finer, those of an untrained prefix vanish."""


@torch.no_grad()
def activations(prefix: nn.Module, pictures: Tensor, dtype: torch.dtype) -> Tensor:
    """What a frozen prefix makes of pictures (B, 3, H, W), as bfloat16.

    Rounded whether they are cached or not, so that both give the same numbers.
    """
    with autocast(pictures.device, dtype):
        at_boundary: Tensor = prefix(pictures).to(STORED)
    return at_boundary


def at_boundary(network: Network, batches: Iterable[Batch], dtype: torch.dtype, parts: int = 1) -> Iterator[Batch]:
    """The same batches, with activations in place of pictures; without a prefix, as they are.

    The prefix sees so many ``parts`` of a batch one after the other, for a device that cannot hold all.
    """
    if not len(network.prefix):
        yield from batches
        return
    prefix = folded(network.prefix)
    for batch in batches:
        pieces = batch.images.tensor_split(min(parts, len(batch.labels)))
        yield replace(batch, images=torch.cat([activations(prefix, piece, dtype) for piece in pieces]))


def logits_from(trained: Callable[[Tensor], Tensor], at_boundary: Tensor, dtype: torch.dtype) -> Tensor:
    """Logits (B, C) float32 that the rest of a network makes of activations at the boundary."""
    inputs = at_boundary.float() if dtype == torch.float32 else at_boundary
    with autocast(inputs.device, dtype):
        return trained(inputs).float()
