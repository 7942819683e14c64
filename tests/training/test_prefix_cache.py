import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import data_of
from tiny_views import ROOMY, frozen, settle, views_of

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import TrainingData, eval_batches
from carsray.training import prefix_cache
from carsray.training.boundary import activations
from carsray.training.fit import EpochResult, fit
from carsray.training.prefix_cache import PrefixCache, Steps, View

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def reading_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny pictures are computed as fast as they are read; here every view is worth having."""
    monkeypatch.setattr(prefix_cache, "READ_BYTES_PER_SECOND", 1e15)


def finish(steps: Steps) -> tuple[View | None, int]:
    """The view, and how many signs of building it there were."""
    seen = 0
    while True:
        try:
            next(steps)
            seen += 1
        except StopIteration as end:
            return end.value, seen


def metrics(config: TrialConfig, data: TrainingData, run: RunConfig) -> list[dict[str, float]]:
    return [event.metrics for event in fit(config, data, run) if isinstance(event, EpochResult)]


@pytest.mark.parametrize("depth", [0, 3, 8])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_training_gives_the_same_numbers_with_and_without(depth: int, precision: str, tmp_path: Path) -> None:
    data = data_of(tmp_path)
    config = frozen(unfreeze_depth=depth, precision=precision, lr=0.01)
    with_cache = metrics(config, data, RunConfig(cache=tmp_path / "a", prefix_cache_bytes=ROOMY))
    without = metrics(config, data, RunConfig(cache=tmp_path / "b", prefix_cache_bytes=0))
    assert list((tmp_path / "a" / "activations").glob("*.npy"))
    assert not (tmp_path / "b" / "activations").exists()
    for one, other in zip(with_cache, without, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-3)


def test_a_view_holds_what_the_prefix_makes_of_each_picture(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen()
    cache, network = views_of(tmp_path / "c", config)
    view, _ = finish(cache.eval_view(data.val))
    assert view is not None
    rows = np.array([0, 2, 3])
    (batch,) = eval_batches(data.val, config, CPU, batch_size=4096)
    expected = activations(network.prefix, batch.images, torch.float32)[torch.from_numpy(rows)]
    torch.testing.assert_close(view.rows(rows), expected, rtol=1e-2, atol=1e-2)
    assert view.rows(rows).dtype == torch.bfloat16


def test_a_second_trial_finds_the_view(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    assert finish(views_of(tmp_path / "c", frozen())[0].train_view(data.train, 1))[1] > 0
    assert finish(views_of(tmp_path / "c", frozen(lr=0.5, dropout=0.1))[0].train_view(data.train, 1))[1] == 0


@pytest.mark.parametrize(
    "other",
    [
        {"unfreeze_depth": 8},
        {"view_seed": 7},
        {"image_size": 40},
        {"augment": "light"},
        {"normalize": "half"},
        {"seed": 3},  # other random weights
    ],
)
def test_what_changes_activations_changes_the_view(other: dict[str, object], tmp_path: Path) -> None:
    data = data_of(tmp_path)
    finish(views_of(tmp_path / "c", frozen())[0].train_view(data.train, 1))
    assert finish(views_of(tmp_path / "c", frozen(**other))[0].train_view(data.train, 1))[1] > 0


@pytest.mark.parametrize(("dtype", "continued"), [(torch.bfloat16, True), (torch.float32, False)])
def test_a_deeper_view_continues_an_earlier_one_where_that_lost_nothing(
    dtype: torch.dtype, continued: bool, tmp_path: Path
) -> None:
    data, frozen_at_8, frozen_at_3 = data_of(tmp_path), frozen(unfreeze_depth=8), frozen(unfreeze_depth=3)
    direct, _ = finish(views_of(tmp_path / "direct", frozen_at_3, dtype=dtype)[0].train_view(data.train, 1))
    finish(views_of(tmp_path / "chain", frozen_at_8, dtype=dtype)[0].train_view(data.train, 1))
    cache, network = views_of(tmp_path / "chain", frozen_at_3, dtype=dtype)
    first = []
    network.prefix[0].register_forward_hook(lambda *_: first.append(1))
    chained, _ = finish(cache.train_view(data.train, 1))
    assert direct is not None
    assert chained is not None
    assert np.array_equal(chained.stored, direct.stored)
    assert (not first) == continued


def test_a_view_leaves_those_of_other_depths_on_its_way(tmp_path: Path) -> None:
    data, folder, depths = data_of(tmp_path), tmp_path / "c", (0, 3, 8, "all")
    direct, _ = finish(
        views_of(tmp_path / "direct", frozen(unfreeze_depth=0), dtype=torch.bfloat16)[0].eval_view(data.val)
    )
    cache, network = views_of(folder, frozen(unfreeze_depth=0), dtype=torch.bfloat16, depths=depths)
    first = []
    network.prefix[0].register_forward_hook(lambda *_: first.append(1))
    view, _ = finish(cache.eval_view(data.val))
    assert len(first) == 1  # batch
    assert view is not None
    assert direct is not None
    assert np.array_equal(view.stored, direct.stored)
    assert len(list(folder.glob("*.npy"))) == 3
    for depth in (3, 8):
        other, _ = views_of(folder, frozen(unfreeze_depth=depth), dtype=torch.bfloat16, depths=depths)
        assert finish(other.eval_view(data.val))[1] == 0


def test_where_rounding_loses_something_no_view_is_built_on_the_way(tmp_path: Path) -> None:
    data, folder = data_of(tmp_path), tmp_path / "c"
    finish(views_of(folder, frozen(unfreeze_depth=0), depths=(0, 3, 8))[0].eval_view(data.val))
    assert len(list(folder.glob("*.npy"))) == 1


def test_epochs_have_views_of_their_own_unless_nothing_is_random(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    for augment, built in (("medium", True), ("none", False)):
        cache, _ = views_of(tmp_path / augment, frozen(augment=augment))
        finish(cache.train_view(data.train, 1))
        assert (finish(cache.train_view(data.train, 2))[1] > 0) == built


def test_of_two_trials_that_ask_at_once_one_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, built = data_of(tmp_path), []
    build = PrefixCache._build

    def counted(self: PrefixCache, path: Path, total: int, batches: Iterator[object]) -> Steps:
        built.append(path)
        return build(self, path, total, batches)  # type: ignore[arg-type]

    monkeypatch.setattr(PrefixCache, "_build", counted)
    monkeypatch.setattr(prefix_cache, "LOOK_SECONDS", 0.01)
    caches = [views_of(tmp_path / "c", frozen())[0] for _ in range(2)]
    found: list[View | None] = []
    trials = [threading.Thread(target=lambda c=c: found.append(finish(c.train_view(data.train, 1))[0])) for c in caches]
    for trial in trials:
        trial.start()
    for trial in trials:
        trial.join()
    assert len(built) == 1
    assert all(view is not None for view in found)


def test_a_network_without_a_prefix_has_no_views(tmp_path: Path) -> None:
    cache, _ = views_of(tmp_path / "c", frozen(unfreeze_depth="all"))
    assert finish(cache.train_view(data_of(tmp_path).train, 1)) == (None, 0)


def test_a_view_that_is_slower_to_read_than_to_compute_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged by the second batch: the first also pays for what a device has not loaded yet."""
    monkeypatch.setattr(prefix_cache, "READ_BYTES_PER_SECOND", 1.0)
    monkeypatch.setattr(prefix_cache, "TRAIN_BATCH", 8)
    cache, _ = views_of(tmp_path / "c", frozen())
    train = data_of(tmp_path).train
    assert finish(cache.train_view(train, 1)) == (None, 1)
    assert [path.suffix for path in (tmp_path / "c").iterdir() if path.suffix != ".lock"] == [".rejected"]
    assert finish(cache.train_view(train, 1)) == (None, 0)


def test_the_folder_stays_below_its_limit_and_keeps_what_saves_most_a_byte(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    cache, _ = views_of(tmp_path / "c", frozen())
    view, _ = finish(cache.train_view(data.train, 1))
    assert view is not None
    size = next((tmp_path / "c").glob("*.npy")).stat().st_size
    small, _ = views_of(tmp_path / "c", frozen(), limit=2 * size + 1000)
    finish(small.train_view(data.train, 2))
    settle()  # which writes its note once more
    precious = max((tmp_path / "c").glob("*.npy"), key=lambda path: path.stat().st_mtime_ns)
    precious.with_suffix(".json").write_text('{"seconds": 1e6}')
    finish(small.train_view(data.train, 3))
    kept = list((tmp_path / "c").glob("*.npy"))
    assert len(kept) == 2
    assert precious in kept
    assert view.rows(np.array([0])).isfinite().all()  # evicted, but still readable by whoever has it open


def test_a_damaged_view_is_built_anew(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    cache, _ = views_of(tmp_path / "c", frozen())
    finish(cache.train_view(data.train, 1))
    (path,) = (tmp_path / "c").glob("*.npy")
    path.write_bytes(path.read_bytes()[:100])
    view, seen = finish(cache.train_view(data.train, 1))
    assert seen > 0
    assert view is not None


def test_views_that_others_build_count_to_the_limit(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    finish(views_of(tmp_path / "c", config)[0].train_view(data.train, 1))
    (first,) = (tmp_path / "c").glob("*.npy")
    limit = int(first.stat().st_size * 2.5)
    builders = [views_of(tmp_path / "c", config, limit)[0].train_view(data.train, epoch) for epoch in (2, 3)]
    next(builders[0])
    assert first.exists()
    next(builders[1])
    assert not first.exists()


def test_a_view_that_finds_no_room_is_not_built_and_may_find_some_later(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    finish(views_of(tmp_path / "c", config)[0].train_view(data.train, 1))
    (first,) = (tmp_path / "c").glob("*.npy")
    limit = int(first.stat().st_size * 1.5)
    building = views_of(tmp_path / "c", config, limit)[0].train_view(data.train, 2)
    next(building)
    assert not first.exists()
    cache, _ = views_of(tmp_path / "c", config, limit)
    assert finish(cache.train_view(data.train, 3)) == (None, 0)
    assert not list((tmp_path / "c").glob("*.rejected"))
    building.close()
    assert finish(cache.train_view(data.train, 3))[0] is not None


def test_what_nothing_can_be_built_on_is_built_for_nobody_else(tmp_path: Path) -> None:
    """A stage of ConvNeXt ends in float32, whatever it computes in."""
    data, config = data_of(tmp_path), frozen(backbone="convnext_tiny", unfreeze_depth=0)
    cache, _ = views_of(tmp_path / "c", config, dtype=torch.bfloat16, depths=(0, 4))
    finish(cache.eval_view(data.val))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 2
    finish(cache.train_view(data.train, 1))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 3
