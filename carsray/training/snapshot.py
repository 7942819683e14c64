"""All that a trial needs to go on after an epoch, as safetensors: nothing from a results folder is ever unpickled.

The frozen prefix is not stored: the config's weights give it back. What is random is drawn anew from seeds every epoch.
"""

import json

import safetensors.torch
import torch
from torch import Tensor

from carsray.config import TrialConfig
from carsray.models.network import Network
from carsray.models.state import load_trainable_state, trainable_state
from carsray.training.average import Averaged
from carsray.training.digest import KEY, UNKNOWN, with_digest
from carsray.training.schedule import Schedule
from carsray.training.standing import FORMAT, read_standing

NETWORK, OPTIMIZER, AVERAGED = "network.", "optimizer.", "averaged."


def snapshot_bytes(
    config: TrialConfig,
    network: Network,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    epoch: int,
    best: float,
    averaged: Averaged | None = None,
) -> bytes:
    """The trained part of the network, what the optimiser and the schedule remember, the epoch and the best score; and
    the average of the weights, where one is kept.
    """
    tensors = {NETWORK + name: tensor.cpu() for name, tensor in trainable_state(network).items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            if value is not None:
                kept = torch.as_tensor(value).detach().cpu()
                tensors[f"{OPTIMIZER}{number}.{name}"] = kept.contiguous()
    if averaged:
        tensors |= {AVERAGED + name: tensor.cpu() for name, tensor in trainable_state(averaged.module).items()}
    standing = {"config": config.key(), "epoch": epoch, "best": best, "schedule": schedule.state()}
    standing["averaged"] = averaged.steps if averaged else 0
    metadata = {"format": FORMAT, "standing": json.dumps(standing), KEY: UNKNOWN}
    return with_digest(safetensors.torch.save(tensors, metadata))


def take_up_snapshot(
    data: bytes,
    network: Network,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    averaged: Averaged | None = None,
) -> None:
    """Put everything back as it was.

    The network must train the blocks that it trained then, and the optimiser know its parameters in the same order.
    Raises WeightsError where an average is wanted and the snapshot has none.
    """
    tensors, standing = safetensors.torch.load(data), read_standing(data)
    load_trainable_state(network, _under(NETWORK, tensors))
    if averaged:
        load_trainable_state(averaged.module, _under(AVERAGED, tensors))
        averaged.steps = standing["averaged"]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(OPTIMIZER):
            number, _, name = key.removeprefix(OPTIMIZER).partition(".")
            state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for parameter in _parameters(optimizer):
        for name, value in optimizer.state[parameter].items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # In the parameter's own memory order: fused kernels give wrong numbers in any other.
                optimizer.state[parameter][name] = torch.empty_like(parameter.detach()).copy_(value)
    schedule.take_up(standing["schedule"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
