"""What a checkpoint stores of a network: everything that training can change."""

from collections.abc import Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from carsray.errors import WeightsError
from carsray.models.network import Network


def trainable_state(network: Network) -> dict[str, Tensor]:
    """Parameters and BatchNorm buffers of suffix, neck and head, by name.

    Copies in plain memory order: they stay as they are while training goes on, and safetensors takes them.
    """
    frozen = {id(tensor) for _, tensor in _tensors(network.prefix)}
    return {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in _tensors(network)
        if id(tensor) not in frozen
    }


def load_trainable_state(network: Network, state: Mapping[str, Tensor]) -> None:
    """Put back what `trainable_state` gave for a network of the same config.

    Raises WeightsError, with the network untouched, where names or shapes differ.
    """
    frozen = {id(tensor) for _, tensor in _tensors(network.prefix)}
    expected = {name: tensor for name, tensor in _tensors(network) if id(tensor) not in frozen}
    if problem := misfit(expected, state):
        raise WeightsError(f"checkpoint: {problem}; load it into a network of the config it was saved from")
    if unknown := sorted(state.keys() - expected.keys()):
        many, first = len(unknown), unknown[0]
        raise WeightsError(f"checkpoint: {many} tensors have no place in this network, the first is {first}")
    with torch.no_grad():
        for name, tensor in expected.items():
            tensor.copy_(state[name])


def misfit(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """What is missing or of another shape: how many, and the first of them; empty if all fits."""
    absent = [name for name in expected if name not in found]
    other = [name for name in expected if name in found and found[name].shape != expected[name].shape]
    if not absent and not other:
        return ""
    first = next(name for name in expected if name in absent or name in other)
    had = f"has {tuple(found[first].shape)}" if first in found else "lacks it"
    counts = f"of {len(expected)} tensors {len(absent)} are missing and {len(other)} have another shape"
    return f"{counts}; the first, {first}, should be {tuple(expected[first].shape)}, and the file {had}"


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(module.named_parameters(), module.named_buffers())
