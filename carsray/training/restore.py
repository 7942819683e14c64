"""From the bytes of a checkpoint to a network that answers."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import eval_batches
from carsray.data.pack import ensure_pack
from carsray.data.records import Row
from carsray.models.network import Network
from carsray.training.checkpoint import load_checkpoint
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.evaluate import predict


def restored(checkpoint: bytes, run: RunConfig) -> Network:
    """The network of a checkpoint on the device of a run."""
    device = resolve_device(run)
    if device.type == "cpu":
        torch.set_num_threads(run.threads)
    with tempfile.TemporaryDirectory(prefix="carsray-") as folder:
        path = Path(folder, "checkpoint.safetensors")
        path.write_bytes(checkpoint)
        network, _ = load_checkpoint(path)
    placed: Network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def answers_to(rows: Sequence[Row], network: Network, config: TrialConfig, run: RunConfig) -> tuple[Tensor, Tensor]:
    """Logits (N, C) float32 and labels (N,) int64 of these pictures, in their order."""
    pack, device = ensure_pack(rows, config, run.cache), resolve_device(run)
    return predict(network, eval_batches(pack, config, device), compute_dtype(device, config))
