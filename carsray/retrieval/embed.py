"""Pictures to embeddings: the pack in batches through the network, in bfloat16 where the device computes in it."""

import numpy as np
import torch
from torch import nn

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import eval_batches
from carsray.data.pack import Pack
from carsray.models.folding import folded
from carsray.models.network import Network
from carsray.progress import Report, silent
from carsray.training.device import autocast, compute_dtype, resolve_device


@torch.inference_mode()
def embed(network: Network, pack: Pack, config: TrialConfig, run: RunConfig, report: Report = silent) -> np.ndarray:
    """Embeddings float32 (N, D) of every picture of a pack, in its order; reports pictures done.

    The network is moved to the run's device and put in eval mode; the processor uses torch's own number of threads.
    """
    device = resolve_device(run)
    dtype = compute_dtype(device, config)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    embedding = folded(nn.Sequential(network.prefix, network.suffix, network.neck))
    embeddings = np.empty((len(pack.labels), network.embedding_size), np.float32)
    for batch in eval_batches(pack, config, device):
        with autocast(device, dtype):
            embeddings[batch.rows] = embedding(batch.images).float().cpu().numpy()
        report(int(batch.rows[-1]) + 1, len(embeddings))
    return embeddings
