"""Embedding and search beyond one machine: in shards, by actors, merged exactly."""

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from carsray.cluster.crew import Crew
from carsray.config import RunConfig
from carsray.data.pack import ensure_pack
from carsray.data.records import Row
from carsray.progress import Report, silent
from carsray.retrieval.checks import check_shapes
from carsray.retrieval.embed import embed
from carsray.retrieval.evaluate import Search
from carsray.retrieval.names import Distance
from carsray.retrieval.search import Neighbours, merge, search
from carsray.training.checkpoint import load_checkpoint

PICTURES = 512
"""In a shard of pictures: whole batches, so that a picture shares its batch with the same ones as on one machine."""


def embed_in_shards(
    crew: Crew, checkpoint: bytes, rows: Sequence[Row], run: RunConfig, report: Report = silent
) -> np.ndarray:
    """Embeddings float32 (N, D) of pictures that every node finds under the same path, each node packing its own."""
    shards = [rows[start : start + PICTURES] for start in range(0, len(rows), PICTURES)]
    parts: list[np.ndarray] = []
    for at in range(0, len(shards), crew.size):
        parts += crew.map(embed_shard, shards[at : at + crew.size], checkpoint, run)
        report(min(len(parts) * PICTURES, len(rows)), len(rows))
    return np.concatenate(parts)


def embed_shard(rows: Sequence[Row], checkpoint: bytes, run: RunConfig) -> np.ndarray:
    """Embeddings float32 (N, D) of a few pictures, on this node."""
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(checkpoint)
        file.flush()
        network, info = load_checkpoint(Path(file.name))
    return embed(network, ensure_pack(rows, info.config, run.cache), info.config, run)


def search_in_shards(crew: Crew) -> Search:
    """A `search` whose gallery is shared out among actors; the ranking is the same to the last bit."""

    def find(
        gallery: np.ndarray, queries: np.ndarray, k: int, distances: Sequence[Distance]
    ) -> dict[Distance, Neighbours]:
        check_shapes(gallery, queries, k)
        cuts = np.linspace(0, len(gallery), min(crew.size, len(gallery)) + 1).astype(int)
        shards = [(start, gallery[start:stop]) for start, stop in pairwise(cuts.tolist())]
        parts = crew.map(search_shard, shards, queries, k, distances)
        return {name: merge([part[name] for part in parts], k) for name in distances}

    return find


def search_shard(
    shard: tuple[int, np.ndarray], queries: np.ndarray, k: int, distances: Sequence[Distance]
) -> dict[Distance, Neighbours]:
    """The k nearest within one shard: its first row's number, and its rows."""
    start, rows = shard
    return search(rows, queries, min(k, len(rows)), distances, first=start)
