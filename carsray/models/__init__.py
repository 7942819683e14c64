"""Networks: torchvision's backbones and a CNN, each an ordered list of blocks of which the last ones are trained."""

from carsray.models.backbones import block_count
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.models.state import load_trainable_state, trainable_state

__all__ = ["Network", "block_count", "build_network", "load_trainable_state", "trainable_state"]
