"""All that a trial needs to go on after an epoch, as safetensors: nothing from a results folder is ever unpickled.

The frozen prefix is not stored: the config's weights give it back. What is random is drawn anew from seeds every epoch.
"""

import json
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from carsray.config import TrialConfig
from carsray.errors import ResultsError
from carsray.models.network import Network
from carsray.models.state import load_trainable_state, trainable_state
from carsray.training.schedule import Schedule

FORMAT = "carsray-snapshot-1"
NETWORK, OPTIMIZER = "network.", "optimizer."


def snapshot_bytes(
    config: TrialConfig, network: Network, optimizer: torch.optim.Optimizer, schedule: Schedule, epoch: int, best: float
) -> bytes:
    """The trained part of the network, what the optimiser and the schedule remember, the epoch and the best score."""
    tensors = {NETWORK + name: tensor.cpu() for name, tensor in trainable_state(network).items()}
    for number, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state[parameter].items():
            if value is not None:
                kept = torch.as_tensor(value).detach().cpu()
                tensors[f"{OPTIMIZER}{number}.{name}"] = kept.contiguous()
    standing = {"config": config.key(), "epoch": epoch, "best": best, "schedule": schedule.state()}
    return safetensors.torch.save(tensors, {"format": FORMAT, "standing": json.dumps(standing)})


def snapshot_standing(data: bytes, config: TrialConfig) -> tuple[int, float]:
    """The last epoch a snapshot contains and the best score so far.

    Raises ResultsError for bytes that are cut short, no snapshot, or of another config.
    """
    standing = _standing(data)
    if standing["config"] != config.key():
        raise ResultsError(f"snapshot: is of config {standing['config']}, not {config.key()}. Train the trial again")
    return int(standing["epoch"]), float(standing["best"])


def take_up_snapshot(data: bytes, network: Network, optimizer: torch.optim.Optimizer, schedule: Schedule) -> None:
    """Put everything back as it was.

    The network must train the blocks that it trained then, and the optimiser know its parameters in the same order.
    """
    tensors = safetensors.torch.load(data)
    load_trainable_state(network, {n.removeprefix(NETWORK): t for n, t in tensors.items() if n.startswith(NETWORK)})
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
    schedule.take_up(_standing(data)["schedule"])


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _standing(data: bytes) -> dict[str, Any]:
    try:
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        if metadata["format"] != FORMAT:
            raise ValueError(f"format {metadata['format']!r} is not {FORMAT}")
        safetensors.deserialize(data)  # type: ignore[no-untyped-call]  # checks that every tensor is there in full
        standing = json.loads(metadata["standing"])
    except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
        raise ResultsError(f"snapshot: cannot be read ({error}). Train the trial again") from None
    assert isinstance(standing, dict)
    return standing
