"""Squares to logits and embeddings, in float32 on every device: one picture, one answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from carsray.config import TrialConfig
from carsray.final.preprocessing import prepare
from carsray.models.network import Network
from carsray.progress import Report, silent
from carsray.retrieval.search_torch import full_precision

BATCH = 64


class LogitsAndEmbedding(nn.Module):
    """A network that gives both at once: pictures (B, 3, s, s) to logits (B, C) and embeddings (B, D)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Both of these pictures."""
        embeddings = self.network.embed(pictures)
        return self.network.head(embeddings), embeddings


@torch.inference_mode()
def infer(
    network: Network, config: TrialConfig, squares: np.ndarray, report: Report = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, C) and embeddings (N, D), float32, of squares uint8 (N, S, S, 3); reports pictures done.

    On the device that the network is on, which has to be in eval mode.
    """
    both, device = LogitsAndEmbedding(network), next(network.parameters()).device
    parts = []
    with _exact(device):
        for at in range(0, len(squares), BATCH):
            images = prepare(squares[at : at + BATCH], config).to(device)
            parts.append([values.cpu().numpy() for values in both(images)])
            report(min(at + BATCH, len(squares)), len(squares))
    logits, embeddings = (np.concatenate(side) for side in zip(*parts, strict=True))
    return logits, embeddings


@contextmanager
def _exact(device: torch.device) -> Iterator[None]:
    """Without TF32, which torch allows for convolutions: it keeps ten bits, and answers would depend on the device."""
    if device.type != "cuda":
        yield
        return
    # What is left out here gets this function's own default, and that of "enabled" is no.
    cudnn = torch.backends.cudnn
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with full_precision(), cudnn.flags(**kept, allow_tf32=False):
        yield
