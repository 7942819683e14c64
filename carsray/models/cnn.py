"""The network trained from scratch: every published CNN is one setting of it."""

from collections import OrderedDict

from torch import nn

from carsray.config import TrialConfig
from carsray.models.network import Parts


def cnn_parts(config: TrialConfig) -> Parts:
    """`depth` blocks that halve the picture and double the channels, a pool, and a hidden layer if asked for."""
    channels = [3, *(config.width * 2**number for number in range(config.depth))]
    blocks: list[tuple[str, nn.Module]]
    blocks = [
        (f"block{number + 1}", _block(config, number, channels[number], channels[number + 1]))
        for number in range(config.depth)
    ]
    pool, pooled = _pool(config, channels[-1])
    neck, size = _hidden(config, pooled) if config.hidden else (nn.Sequential(), pooled)
    owner = nn.Module()
    for name, layer in [*blocks, ("hidden", neck)]:
        owner.add_module(name, layer)
    return Parts(owner, blocks, pool, neck, size)


def initialise_he(network: nn.Module) -> None:
    """Kaiming-normal weights and zero biases for every convolution and linear layer.

    He et al., Delving Deep into Rectifiers, 2015, section 2.2, https://arxiv.org/abs/1502.01852
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _block(config: TrialConfig, number: int, entering: int, leaving: int) -> nn.Sequential:
    # BatchNorm takes the mean away again, and a bias before it with it.
    layers: list[tuple[str, nn.Module]]
    layers = [("conv", nn.Conv2d(entering, leaving, 3, padding=1, bias=not config.batchnorm))]
    if config.batchnorm:
        layers.append(("norm", nn.BatchNorm2d(leaving)))
    layers += [("relu", nn.ReLU(inplace=True)), ("pool", nn.MaxPool2d(2))]
    dropped = config.spatial_dropout_blocks
    if config.spatial_dropout and (dropped == "all" or number < dropped):
        layers.append(("dropout", nn.Dropout2d(config.spatial_dropout)))
    return nn.Sequential(OrderedDict(layers))


def _pool(config: TrialConfig, channels: int) -> tuple[nn.Sequential, int]:
    """The pool and the length of the vector it gives."""
    if config.pooling == "average":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), channels
    side = config.image_size // 2**config.depth
    return nn.Sequential(nn.Flatten()), channels * side * side


def _hidden(config: TrialConfig, entering: int) -> tuple[nn.Sequential, int]:
    layers: list[tuple[str, nn.Module]]
    layers = [("linear", nn.Linear(entering, config.hidden, bias=not config.hidden_batchnorm))]
    if config.hidden_batchnorm:
        layers.append(("norm", nn.BatchNorm1d(config.hidden)))
    layers.append(("relu", nn.ReLU(inplace=True)))
    return nn.Sequential(OrderedDict(layers)), config.hidden
