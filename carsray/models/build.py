"""From settings to a network."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn

from carsray.config import TrialConfig
from carsray.errors import ConfigError
from carsray.models.backbones import backbone_parts, block_count, smallest_picture
from carsray.models.cnn import cnn_parts, initialise_he
from carsray.models.network import Network
from carsray.models.weights import pretrained_parts
from carsray.seed import derive


def build_network(config: TrialConfig, num_classes: int) -> Network:
    """The network of a config, on the processor, in training mode; the same config gives the same bits.

    Raises ConfigError where settings do not fit the backbone, WeightsError where the weights do not or cannot be had.
    """
    return _build_cnn(config, num_classes) if config.backbone == "cnn" else _build_backbone(config, num_classes)


def _build_backbone(config: TrialConfig, num_classes: int) -> Network:
    smallest = smallest_picture(config.backbone)
    if config.image_size < smallest:
        raise ConfigError(f"image_size = {config.image_size}: {config.backbone} needs at least {smallest} pixels")
    with _seeded(derive(config.seed, "init")):
        pretrained = config.weights != "none"
        parts = pretrained_parts(config.backbone, config.weights) if pretrained else backbone_parts(config.backbone)
    # A seed of its own: random values for the backbone are drawn or not, as its weights come.
    with _seeded(derive(config.seed, "init", "head")):
        head = _head(config, parts.embedding_size, num_classes)
    network = Network(parts, head, config.unfreeze_depth)
    network.unfreeze(depth_at(config, epoch=1))
    return network


def depth_at(config: TrialConfig, epoch: int) -> int | Literal["all"]:
    """How many blocks are trained in an epoch, counted from 1."""
    if not config.unfreeze_every:
        return config.unfreeze_depth
    deepest = block_count(config.backbone) if config.unfreeze_depth == "all" else config.unfreeze_depth
    return min((epoch - 1) // config.unfreeze_every, deepest)


def trains_all(config: TrialConfig, epoch: int) -> bool:
    """Whether nothing is frozen in an epoch, counted from 1: whatever a network began with, training can change."""
    depth = depth_at(config, epoch)
    return depth == "all" or depth == block_count(config.backbone)


def _build_cnn(config: TrialConfig, num_classes: int) -> Network:
    if config.unfreeze_depth != "all":
        raise ConfigError(f"unfreeze_depth = {config.unfreeze_depth}: the cnn is trained whole; set it to 'all'")
    if config.unfreeze_every:
        raise ConfigError(f"unfreeze_every = {config.unfreeze_every}: the cnn is trained whole; set it to 0")
    if config.weights != "none":
        raise ConfigError(f"weights = {config.weights!r}: the cnn starts from random values; set it to 'none'")
    with _seeded(derive(config.seed, "init")):
        parts = cnn_parts(config)
        network = Network(parts, _head(config, parts.embedding_size, num_classes))
        if config.init == "he":
            initialise_he(network)
    return network


def _head(config: TrialConfig, embedding_size: int, num_classes: int) -> nn.Sequential:
    # Not in place: the embedding that enters may be kept by the caller.
    layers = [("dropout", nn.Dropout(config.dropout)), ("linear", nn.Linear(embedding_size, num_classes))]
    return nn.Sequential(OrderedDict(layers))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from this seed inside, and leave the process's own generators as they were."""
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would seed the accelerators too.
        torch.default_generator.manual_seed(seed)
        yield
