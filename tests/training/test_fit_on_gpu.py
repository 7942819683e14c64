"""What `fit` does on a GPU, beside what it does on the processor."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import config_of, data_of

from carsray.config import RunConfig
from carsray.data.batches import TrainingData
from carsray.training.fit import EpochResult, fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

BACKBONE = {"backbone": "mobilenet_v2", "unfreeze_depth": 2, "image_size": 32, "pack_size": 40}


def trained(
    data: TrainingData, tmp_path: Path, device: str, snapshot: bytes | None = None, cached: bool = True, **changes: Any
) -> list[tuple[EpochResult, bytes]]:
    """Each epoch, and its snapshot."""
    limit = {} if cached else {"prefix_cache_bytes": 0}
    run = RunConfig(device=device, cache=tmp_path / device, progress_seconds=60.0, **limit)
    events = fit(config_of(**changes), data, run, snapshot, decay=0.9)
    return [(event, event.snapshot()) for event in events if isinstance(event, EpochResult)]


def losses(epochs: list[tuple[EpochResult, bytes]]) -> list[float]:
    return [epoch.metrics[f"{side}/loss"] for epoch, _ in epochs for side in ("train", "val")]


@pytest.mark.parametrize("changes", [{}, {"augment": "strong", "optimizer": "adamw"}, BACKBONE])
@pytest.mark.parametrize(("precision", "close"), [("float32", 0.02), ("bf16", 0.1)])
def test_the_losses_are_those_of_the_processor(
    changes: dict[str, Any], precision: str, close: float, tmp_path: Path
) -> None:
    data = data_of(tmp_path, **changes)
    here, there = (trained(data, tmp_path, device, precision=precision, **changes) for device in ("cpu", "cuda"))
    assert losses(there) == pytest.approx(losses(here), rel=close)
    network = there[-1][0].network
    assert {parameter.device.type for parameter in network.parameters()} == {"cuda"}


def test_a_trial_that_is_taken_up_goes_on(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    straight = trained(data, tmp_path, "cuda", epochs=3)
    taken_up = trained(data, tmp_path, "cuda", straight[0][1], epochs=3)
    assert losses(taken_up) == pytest.approx(losses(straight[1:]), rel=1e-3)


def test_a_frozen_part_gives_the_same_whether_its_activations_are_cached(tmp_path: Path) -> None:
    data = data_of(tmp_path, **BACKBONE)
    with_cache, without = (trained(data, tmp_path, "cuda", cached=cached, **BACKBONE) for cached in (True, False))
    assert losses(with_cache) == pytest.approx(losses(without), rel=1e-3)
