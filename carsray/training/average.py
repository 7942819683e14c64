"""An average of a network's weights over the steps of its training, which may do better than the last weights.

Polyak and Juditsky 1992, https://doi.org/10.1137/0330046; exponential, as torchvision trains its own networks:
https://github.com/pytorch/vision/blob/main/references/classification/utils.py (ExponentialMovingAverage).
"""

import copy
import itertools

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from carsray.models.network import Network


class Averaged:
    """A copy that follows a network: after each step, decay times what it has plus (1 - decay) times what that has.

    It begins with the weights after the first step. BatchNorm statistics are averaged like weights, as in torchvision
    and in timm's ModelEmaV3: those of the last steps belong to weights that the average does not have.

    torch's AveragedModel does the same, but copies its count of steps to a GPU at each step, and waits for it there.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.module = copy.deepcopy(network)
        self.steps = 0
        self._own, self._followed = _values(self.module), _values(network)
        self._take_in = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def follow(self) -> None:
        """Take in the network's weights after one more step."""
        if self.steps:
            self._take_in(self._own, self._followed, self.steps)
        else:
            for own, followed in zip(self._own, self._followed, strict=True):
                own.copy_(followed)
        self.steps += 1


def _values(network: Network) -> list[Tensor]:
    """Weights and statistics, but not how often BatchNorm was asked; in their places, where training changes them."""
    values = itertools.chain(network.parameters(), network.buffers())
    return [value.detach() for value in values if value.is_floating_point()]
