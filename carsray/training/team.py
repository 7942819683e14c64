"""The workers that share one training: each takes its part of every batch, and their gradients add up.

torch's DistributedDataParallel would do as well, but for two things: the parameters that are trained may change while
a network trains, and parts of a batch may be uneven, so that each gradient counts by its share of the batch and not by
one over the workers (https://docs.pytorch.org/docs/stable/notes/ddp.html).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, distributed

from carsray.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Team:
    """Which worker this process is, and of how many."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the worker that measures, reports and saves."""
        return self.rank == 0

    def check(self, batch_size: int) -> None:
        """Raise ConfigError where a batch does not give every worker two pictures: BatchNorm cannot train on one."""
        if self.size > 1 and batch_size < 2 * self.size:
            most = max(1, batch_size // 2)
            raise ConfigError(
                f"{self.size} workers: a batch of {batch_size} pictures gives not all of them two; use at most {most}"
            )

    def part(self, rows: np.ndarray) -> np.ndarray:
        """What this worker takes of a batch: the parts differ by one row at most."""
        return np.array_split(rows, self.size)[self.rank]

    def add_up(self, parameters: Iterable[Tensor], sums: Tensor) -> Tensor:
        """Make each parameter's gradient the sum over all workers; returns ``sums`` (K,) added up likewise, float64.

        One all-reduce of one buffer: many small ones would wait for the network each.
        """
        if self.size == 1:
            return sums
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        buffer = torch.cat([*(gradient.flatten() for gradient in gradients), sums.float()])
        distributed.all_reduce(buffer)
        *pieces, added = torch.split(buffer, [*(gradient.numel() for gradient in gradients), len(sums)])
        for gradient, piece in zip(gradients, pieces, strict=True):
            gradient.copy_(piece.view_as(gradient))
        return added.double()

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite these with what the first worker has."""
        if self.size > 1:
            for tensor in tensors:
                distributed.broadcast(tensor.detach(), src=0)

    def agree(self, value: float, device: torch.device) -> float:
        """The first worker's value."""
        told = torch.tensor([value], dtype=torch.float64, device=device)
        self.follow([told])
        return float(told)


ALONE = Team()


def this_team() -> Team:
    """The team that torch.distributed has been started for in this process."""
    if not distributed.is_available() or not distributed.is_initialized():
        return ALONE
    return Team(distributed.get_rank(), distributed.get_world_size())
