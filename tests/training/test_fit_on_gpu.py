"""What `fit` does on a GPU, beside what it does on the processor."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_training import config_of, data_of

from carsray.config import BACKBONES, RunConfig
from carsray.data.batches import TrainingData
from carsray.models.backbones import smallest_picture
from carsray.models.build import build_network
from carsray.training.fit import EpochResult, fit
from carsray.training.gradients import gradients_of
from carsray.training.recorded import WARM_UP, recorded

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

BACKBONE = {"backbone": "mobilenet_v2", "unfreeze_depth": 2, "image_size": 32, "pack_size": 40}
TAME = BACKBONE | {"image_size": 96, "pack_size": 96, "epochs": 1}
"""A map of one pixel is normalised over four values, and a last bit becomes another loss; nine pixels bear it."""


def trained(
    data: TrainingData,
    tmp_path: Path,
    device: str,
    snapshot: bytes | None = None,
    cached: bool = True,
    micro_batches: int = 1,
    **changes: Any,
) -> list[tuple[EpochResult, bytes]]:
    """Each epoch, and its snapshot."""
    limit = {} if cached else {"prefix_cache_bytes": 0}
    run = RunConfig(device=device, cache=tmp_path / device, progress_seconds=60.0, **limit)
    events = fit(config_of(**changes), data, run, snapshot, micro_batches, decay=0.9)
    return [(event, event.snapshot()) for event in events if isinstance(event, EpochResult)]


def losses(epochs: list[tuple[EpochResult, bytes]]) -> list[float]:
    return [epoch.metrics[f"{side}/loss"] for epoch, _ in epochs for side in ("train", "val")]


@pytest.mark.parametrize("changes", [{}, {"augment": "strong", "optimizer": "adamw"}, TAME])
@pytest.mark.parametrize(("precision", "close"), [("float32", 0.02), ("bf16", 0.1)])
def test_the_losses_are_those_of_the_processor(
    changes: dict[str, Any], precision: str, close: float, tmp_path: Path
) -> None:
    data = data_of(tmp_path, **changes)
    here, there = (trained(data, tmp_path, device, precision=precision, **changes) for device in ("cpu", "cuda"))
    assert losses(there) == pytest.approx(losses(here), rel=close)
    network = there[-1][0].network
    assert {parameter.device.type for parameter in network.parameters()} == {"cuda"}


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": 0.5},
        {"optimizer": "adam", "grad_clip": 0.1, "schedule": "cosine"},
        {"micro_batches": 2, "label_smoothing": 0.1},
        BACKBONE,
        BACKBONE | {"unfreeze_every": 2, "epochs": 6},
        BACKBONE | {"cached": False},
    ],
)
def test_a_step_that_is_recorded_does_what_it_did_before(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(tmp_path, **{key: value for key, value in changes.items() if key not in ("micro_batches", "cached")})
    replays, replay = [], torch.cuda.CUDAGraph.replay

    def noted(graph: torch.cuda.CUDAGraph) -> None:
        replays.append(graph)
        replay(graph)

    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", noted)
    replayed = trained(data, tmp_path, "cuda", **changes)
    assert replays
    monkeypatch.setattr("carsray.training.recorded.WARM_UP", 10**9)
    assert losses(replayed) == pytest.approx(losses(trained(data, tmp_path, "cuda", **changes)), rel=1e-3)


@pytest.mark.parametrize("backbone", [name for name in BACKBONES if name != "cnn"])
def test_a_step_of_every_backbone_can_be_recorded(backbone: str) -> None:
    size = max(64, smallest_picture(backbone))
    config = config_of(backbone=backbone, image_size=size, pack_size=size, precision="bf16")
    network = build_network(config, 3).cuda()
    network.train()
    ran = []
    gradients = gradients_of(network, config, torch.bfloat16, of=4)

    def noted(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        ran.append(len(ran))
        return gradients(images, labels)

    work = recorded(noted, torch.device("cuda"))
    images, labels = torch.rand(4, 3, size, size, device="cuda"), torch.tensor([0, 1, 2, 0], device="cuda")
    sums = [work(images, labels).tolist() for _ in range(WARM_UP + 3)]
    assert len(ran) == WARM_UP + 1
    assert all(math.isfinite(loss) for loss, _ in sums)


def test_a_trial_that_is_taken_up_goes_on(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    straight = trained(data, tmp_path, "cuda", epochs=3)
    taken_up = trained(data, tmp_path, "cuda", straight[0][1], epochs=3)
    assert losses(taken_up) == pytest.approx(losses(straight[1:]), rel=1e-3)


def test_a_frozen_part_gives_the_same_whether_its_activations_are_cached(tmp_path: Path) -> None:
    data = data_of(tmp_path, **BACKBONE)
    with_cache, without = (trained(data, tmp_path, "cuda", cached=cached, **BACKBONE) for cached in (True, False))
    assert losses(with_cache) == pytest.approx(losses(without), rel=1e-3)
