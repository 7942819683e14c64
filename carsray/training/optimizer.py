"""Optimisers by name, with the head's learning rate set apart."""

import torch
from torch import nn

from carsray.config import TrialConfig
from carsray.models.network import Network


def build_optimizer(network: Network, config: TrialConfig) -> torch.optim.Optimizer:
    """The optimiser over all trained parameters: one group for the body, one for the head.

    A body that is frozen whole has none, unless it is to be unfrozen block by block. Fused kernels read memory as it
    lies: the state of a parameter must have its memory order.
    """
    head = _trained(network.head)
    in_head = {id(parameter) for parameter in head}
    body = [p for p in _trained(network) if id(p) not in in_head]
    groups = [
        {"params": params, "lr": lr} for params, lr in ((body, config.lr), (head, config.lr * config.head_lr_factor))
    ]
    if not config.unfreeze_every:
        groups = [group for group in groups if group["params"]]
    decay = config.weight_decay
    match config.optimizer:
        case "sgd":
            # Nesterov needs momentum; without any there is nothing to look ahead with.
            nesterov = config.nesterov and config.momentum > 0
            # The fused kernel takes no parameters without momentum beside some that have it. None: torch's own choice.
            fused = None if config.unfreeze_every else True
            return torch.optim.SGD(
                groups, lr=config.lr, momentum=config.momentum, nesterov=nesterov, weight_decay=decay, fused=fused
            )
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=config.lr, momentum=config.momentum, weight_decay=decay)
        case "adam":
            return torch.optim.Adam(groups, lr=config.lr, weight_decay=decay, fused=True)
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, weight_decay=decay, fused=True)


def take_up(optimizer: torch.optim.Optimizer, network: Network) -> None:
    """Add parameters unfrozen since to the body's group; those already trained keep their state."""
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    optimizer.param_groups[0]["params"] += [p for p in _trained(network) if id(p) not in known]


def _trained(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
