"""Retrieval experiments over one training's embeddings."""

from collections.abc import Iterator, Sequence

from carsray.config import RunConfig, TrialConfig
from carsray.data.records import DataSplit, SplitName
from carsray.published.experiments import Retrieval
from carsray.published.work import Impossible, Measured

Asked = tuple[str, Retrieval, Sequence[SplitName]]
"""A retrieval experiment: its id, its settings, and the parts of the data whose pictures are the queries."""


def search(
    asked: Sequence[Asked], checkpoint: bytes, config: TrialConfig, split: DataSplit, run: RunConfig
) -> Iterator[Measured | Impossible]:
    """Search."""
    yield Impossible("not built yet")
