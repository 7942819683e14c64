"""torchvision's networks, taken apart into blocks with one tensor between them.

Of ResNet, DenseNet and MobileNet the finest such units; of EfficientNet and ConvNeXt the entries of `features`, which
are whole stages.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import nn
from torchvision import models

from carsray.config import BACKBONES
from carsray.errors import ConfigError
from carsray.models.depthwise import use_depthwise
from carsray.models.network import Parts


def block_count(backbone: str) -> int:
    """How many blocks a torchvision backbone has.

    Raises ConfigError for any other name; the CNN is not cut into frozen and trained blocks.
    """
    if backbone not in BACKBONES:
        raise ConfigError(f"backbone = {backbone!r}: has no blocks to freeze; one of {', '.join(BACKBONES)} has")
    return len(skeleton(backbone).blocks)


@cache
def skeleton(backbone: str) -> Parts:
    """The parts without values (on the meta device): names and shapes at no cost. Shared: to be read only."""
    with torch.device("meta"):
        return backbone_parts(backbone)


def smallest_picture(backbone: str) -> int:
    """Pixels on the shortest side that the backbone can still take, as torchvision states it."""
    height, width = models.get_model_weights(backbone).DEFAULT.meta["min_size"]
    return max(int(height), int(width))


def backbone_parts(backbone: str) -> Parts:
    """The parts of a torchvision backbone, with torchvision's own random values and without the last linear layer."""
    model = models.get_model(backbone, weights=None)
    use_depthwise(model)
    if isinstance(model, models.ResNet):
        return _resnet_parts(model)
    if isinstance(model, models.DenseNet):
        return _densenet_parts(model)
    return _features_parts(model)


def _resnet_parts(model: Any) -> Parts:
    blocks: list[tuple[str, nn.Module]]
    blocks = [("stem", nn.Sequential(model.conv1, model.bn1, model.relu, model.maxpool))]
    for stage in ("layer1", "layer2", "layer3", "layer4"):
        blocks += [(f"{stage}.{name}", unit) for name, unit in getattr(model, stage).named_children()]
    size = model.fc.in_features
    del model.fc
    return Parts(model, blocks, _average_pool(), nn.Sequential(), size)


def _densenet_parts(model: Any) -> Parts:
    size = model.classifier.in_features
    del model.classifier
    return Parts(model, list(_densenet_blocks(model.features)), _average_pool(), nn.Sequential(), size)


def _densenet_blocks(features: Any) -> Iterator[tuple[str, nn.Module]]:
    yield "stem", nn.Sequential(features.conv0, features.norm0, features.relu0, features.pool0)
    for number in (1, 2, 3):
        dense, transition = getattr(features, f"denseblock{number}"), getattr(features, f"transition{number}")
        yield f"denseblock{number}", nn.Sequential(dense, transition)
    # torchvision's forward has a ReLU after the last norm that is no module of its own.
    yield "denseblock4", nn.Sequential(features.denseblock4, features.norm5, nn.ReLU(inplace=True))


def _features_parts(model: Any) -> Parts:
    """Networks of the form features, average pool, classifier: MobileNet, EfficientNet, ConvNeXt."""
    blocks = [(f"features.{name}", block) for name, block in model.features.named_children()]
    size = model.classifier[-1].in_features
    model.classifier = model.classifier[:-1]
    layers = [layer for layer in model.classifier if not isinstance(layer, nn.Dropout)]
    if any(isinstance(layer, nn.Flatten) for layer in layers):  # ConvNeXt normalises the map, then flattens
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1))
    else:
        pool = _average_pool()
    return Parts(model, blocks, pool, nn.Sequential(*layers), size)


def _average_pool() -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
