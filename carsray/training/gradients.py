"""A training step up to the optimiser: what a batch says of the weights."""

import torch
from torch import Tensor, nn

from carsray.config import TrialConfig
from carsray.models.network import Network
from carsray.training.boundary import logits_from
from carsray.training.recorded import Work
from carsray.training.refusals import batch_of_one


def gradients_of(network: Network, config: TrialConfig, dtype: torch.dtype, of: int, parts: int = 1) -> Work:
    """Forward and backward: takes activations at the boundary and labels, some or all of a batch ``of`` so many.

    It goes through so many ``parts`` one after the other, whose gradients add up and replace those of the step before.
    Returns the sum of the losses and the number of right answers, float64 (2,).
    """
    loss_of = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)

    def backward(images: Tensor, labels: Tensor) -> Tensor:
        try:
            logits = logits_from(network.forward_from, images, dtype)
        except ValueError as error:
            if len(labels) > 1:
                raise
            raise batch_of_one(config) from error
        loss = loss_of(logits, labels)
        (loss * (len(labels) / of) if len(labels) < of else loss).backward()
        right = (logits.detach().argmax(dim=1) == labels).sum()
        return torch.stack([loss.detach().double() * len(labels), right.double()])

    def work(images: Tensor, labels: Tensor) -> Tensor:
        network.zero_grad(set_to_none=True)
        # At least two pictures in a part: BatchNorm cannot train on one.
        count = max(1, min(parts, len(labels) // 2))
        pairs = zip(images.tensor_split(count), labels.tensor_split(count), strict=True)
        return torch.stack([backward(some, theirs) for some, theirs in pairs]).sum(0)

    return work
