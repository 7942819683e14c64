"""Views of tiny pictures."""

import threading
from pathlib import Path

import torch

from carsray.config import Depth, TrialConfig
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.training.prefix_cache import PrefixCache

ROOMY = 2**30


def frozen(**settings: object) -> TrialConfig:
    values = {"backbone": "mobilenet_v2", "image_size": 32, "unfreeze_depth": 3, "epochs": 2, "batch_size": 8}
    return TrialConfig.model_validate({**values, "precision": "float32", **settings})


def views_of(
    folder: Path,
    config: TrialConfig,
    limit: int = ROOMY,
    dtype: torch.dtype = torch.float32,
    depths: tuple[Depth, ...] = (),
    parts: int = 1,
) -> tuple[PrefixCache, Network]:
    network = build_network(config, 4)
    return PrefixCache(folder, limit, network, config, dtype, depths, parts), network


def settle() -> None:
    """Wait until what was written is on the disk."""
    for thread in threading.enumerate():
        if thread.name == "settle":
            thread.join()
