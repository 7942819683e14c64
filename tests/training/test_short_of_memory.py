"""What a training does to need less memory at a time than its batches take."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_training import config_of, data_of, run_of
from tiny_views import ROOMY, frozen, views_of
from torch.nn.modules.module import register_module_forward_pre_hook

from carsray.config import RunConfig
from carsray.data.pack import Pack
from carsray.training import fit as fitting
from carsray.training import prefix_cache
from carsray.training.fit import EpochResult, fit
from carsray.training.prefix_cache import EVAL_BYTES, EVAL_ROWS, View

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def reading_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny pictures are computed as fast as they are read; here every view is worth having."""
    monkeypatch.setattr(prefix_cache, "READ_BYTES_PER_SECOND", 1e15)


@pytest.fixture
def sizes() -> Iterator[list[int]]:
    """Of all batches that go through a convolution."""
    found: list[int] = []

    def look(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, torch.nn.Conv2d):
            found.append(len(inputs[0]))

    hook = register_module_forward_pre_hook(look)
    yield found
    hook.remove()


@pytest.mark.parametrize(
    ("shape", "parts", "most"),
    [
        ((1023, 7, 7, 2048), 1, EVAL_ROWS),
        ((1023, 56, 56, 256), 1, EVAL_BYTES // (2 * 56 * 56 * 256)),
        ((1023, 56, 56, 256), 4, EVAL_BYTES // (2 * 56 * 56 * 256) // 4),
        ((5, 56, 56, 256), 1024, 1),
    ],
)
def test_a_view_is_validated_in_portions_that_fit(shape: tuple[int, ...], parts: int, most: int) -> None:
    portions = View(np.broadcast_to(np.uint16(0), shape), CPU).portions(parts)
    assert np.array_equal(np.concatenate(portions), np.arange(shape[0]))
    assert max(map(len, portions)) <= most
    assert len(portions) == -(-shape[0] // most)


@pytest.mark.parametrize("cached", [ROOMY, 0])
def test_nothing_that_goes_through_the_network_is_larger_than_a_part(
    cached: int, sizes: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRAIN_BATCH", "EVAL_BATCH", "EVAL_ROWS"):
        monkeypatch.setattr(prefix_cache, name, 8)
    monkeypatch.setattr(fitting, "EVAL_BATCH", 8)
    run = RunConfig(device="cpu", cache=tmp_path / "cache", prefix_cache_bytes=cached)
    data = data_of(tmp_path, each=20)
    list(fit(frozen(), data, run))
    assert max(sizes) == 8
    sizes.clear()
    list(fit(frozen(lr=0.02, view_seed=1), data, run.model_copy(update={"cache": tmp_path / "parts"}), None, 4))
    assert max(sizes) == 2


def test_a_view_built_in_parts_holds_the_same(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen()
    whole, cut = (views_of(tmp_path / str(parts), config, parts=parts)[0] for parts in (1, 50))
    views = []
    for cache in (whole, cut):
        steps = cache.train_view(data.train, 1)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                views.append(end.value)
                break
    rows = np.arange(len(data.train.labels))
    torch.testing.assert_close(views[0].rows(rows), views[1].rows(rows), rtol=1e-2, atol=1e-2)


class Recording(fitting._Trainer):
    """As on a GPU, where a recorded step keeps its memory."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.records = True
        self.first = self.gradients

    def validate(self, epoch: int, pack: Pack) -> Any:
        """A second try finds the memory of the step given back."""
        if not self.records:
            assert self.gradients is not self.first
            assert epoch > 1 or all(parameter.grad is None for parameter in self.network.parameters())
        return super().validate(epoch, pack)


@pytest.mark.parametrize(("failures", "ends"), [(1, True), (2, False)])
def test_validation_that_lacks_memory_is_tried_again_without_a_recorded_step_and_once_only(
    failures: int, ends: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, run = data_of(tmp_path), run_of(tmp_path)
    undisturbed = [event.metrics for event in fit(config_of(), data, run) if isinstance(event, EpochResult)]
    left, predict_each = [None] * failures, fitting.predict_each

    def short(*args: Any) -> Iterator[Any]:
        if left:
            left.pop()
            raise torch.OutOfMemoryError("CUDA out of memory")
        yield from predict_each(*args)

    monkeypatch.setattr(fitting, "_Trainer", Recording)
    monkeypatch.setattr(fitting, "predict_each", short)
    with nullcontext() if ends else pytest.raises(torch.OutOfMemoryError):
        found = [event.metrics for event in fit(config_of(), data, run) if isinstance(event, EpochResult)]
        assert found == undisturbed
