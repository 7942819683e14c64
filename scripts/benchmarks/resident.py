"""A training step on a batch that lies in memory: what the machine could do if nothing else were to be done."""

from collections.abc import Callable
from functools import partial

import torch

from carsray.config import TrialConfig
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.training.boundary import logits_from
from carsray.training.device import compute_dtype
from carsray.training.optimizer import build_optimizer
from carsray.training.recorded import recorded

Step = Callable[[torch.Tensor, torch.Tensor], None]


def network_on(device: torch.device, config: TrialConfig, classes: int) -> Network:
    """A trial's network as it trains it."""
    return build_network(config, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def training_step(network: Network, config: TrialConfig) -> Step:
    """Forward, backward and the optimiser, from activations at the boundary and labels; does not wait for a GPU.

    On a GPU as fast as it goes: recorded, as `fit` has it.
    """
    device = next(network.parameters()).device
    optimizer, dtype, loss_of = (
        build_optimizer(network, config),
        compute_dtype(device, config),
        torch.nn.CrossEntropyLoss(),
    )
    network.train()

    def gradients(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        network.zero_grad(set_to_none=True)
        loss = loss_of(logits_from(network.forward_from, images, dtype), labels)
        loss.backward()
        return loss.detach()

    work = recorded(gradients, device, partial(network.zero_grad, set_to_none=True))

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        work(images, labels)
        optimizer.step()

    return step


def wait(device: torch.device) -> None:
    """Until a GPU has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
