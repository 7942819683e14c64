"""The trained part of a network as safetensors: nothing from a results folder is ever unpickled."""

import json
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch

from carsray.config import TrialConfig, trial_config
from carsray.errors import ResultsError
from carsray.models.build import build_network, depth_at, trains_all
from carsray.models.network import Network
from carsray.models.state import load_trainable_state, trainable_state
from carsray.training.digest import KEY, UNKNOWN, checked_metadata, with_digest

FORMAT = "carsray-2"


@dataclass(frozen=True, slots=True)
class CheckpointInfo:
    """What a checkpoint says of itself."""

    config: TrialConfig
    classes: tuple[str, ...]
    epoch: int


def checkpoint_bytes(network: Network, info: CheckpointInfo) -> bytes:
    """The trained parameters and BatchNorm statistics, with what is needed to rebuild the network around them."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trainable_state(network).items()}
    metadata = {
        "format": FORMAT,
        "config": info.config.model_dump_json(),
        "classes": json.dumps(info.classes),
        "epoch": str(info.epoch),
        "prefix": network.prefix_digest(),
        KEY: UNKNOWN,
    }
    return with_digest(safetensors.torch.save(tensors, metadata))


def load_checkpoint(path: Path) -> tuple[Network, CheckpointInfo]:
    """The network of a checkpoint, on the CPU, in eval mode; a frozen prefix is built from the config's weights.

    Without one they are not read: every value is in the checkpoint. Raises ResultsError for a file that is missing, cut
    short, damaged, or no checkpoint, and where the weights give another prefix today; WeightsError where they are gone.
    """
    try:
        data = path.read_bytes()
        metadata = checked_metadata(data)
        tensors = safetensors.torch.load(data)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise ResultsError(f"{path}: is no readable checkpoint ({error}). Train the trial again") from None
    if metadata.get("format") != FORMAT:
        raise ResultsError(f"{path}: format {metadata.get('format')!r} is not {FORMAT}. Use a checkpoint of a sweep")
    info = CheckpointInfo(
        trial_config(json.loads(metadata["config"]), str(path)),
        tuple(json.loads(metadata["classes"])),
        int(metadata["epoch"]),
    )
    started = info.config
    if trains_all(info.config, info.epoch):
        started = info.config.model_copy(update={"weights": "none"})
    network = build_network(started, len(info.classes))
    network.unfreeze(depth_at(info.config, info.epoch))
    # Older checkpoints do not say what their prefix was.
    if (wanted := metadata.get("prefix")) and network.prefix_digest() != wanted:
        raise ResultsError(
            f"{path}: was trained behind other frozen blocks than weights = {info.config.weights!r} gives now. Put "
            "back the weights that it was trained with, or train it again"
        )
    load_trainable_state(network, tensors)
    return network.eval(), info
