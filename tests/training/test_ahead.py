"""What a trial does while another builds the view that it waits for."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_training import data_of
from tiny_views import ROOMY, frozen, views_of

from carsray.config import Depth, RunConfig, TrialConfig
from carsray.data.batches import TrainingData
from carsray.training import prefix_cache
from carsray.training.ahead import EPOCHS, meanwhile, wanted_later
from carsray.training.fit import EpochResult, fit
from carsray.training.messages import Progress
from carsray.training.prefix_cache import PrefixCache, Steps, View
from carsray.training.team import ALONE, Team


@pytest.fixture(autouse=True)
def reading_is_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny pictures are computed as fast as they are read; here every view is worth having."""
    monkeypatch.setattr(prefix_cache, "READ_BYTES_PER_SECOND", 1e15)
    monkeypatch.setattr(prefix_cache, "LOOK_SECONDS", 0.01)


def begun(steps: Steps) -> Steps:
    """A view that is being built, and not ready."""
    assert next(steps)[0]
    return steps


def finish(steps: Steps) -> None:
    for _ in steps:
        pass


def ready(steps: Steps) -> View:
    """A view that is there already."""
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value is not None
    view: View = end.value.value
    return view


def wanted(views: PrefixCache, config: TrialConfig, data: TrainingData, epoch: int = 1, team: Team = ALONE) -> int:
    """How many views are wanted later."""
    return len(list(wanted_later(views, config, data, epoch, team)))


def asked(views: PrefixCache, config: TrialConfig, data: TrainingData) -> Steps:
    return meanwhile(views.train_view(data.train, 1), wanted_later(views, config, data, 1, ALONE))


def look(waiting: Steps, until: Callable[[], bool]) -> None:
    """Let it work, still waiting, until something is so."""
    for _ in range(100):
        assert next(waiting)[0] == 0
        if until():
            return
    pytest.fail("it was not done in 100 steps")


@pytest.mark.parametrize(("depths", "dtype"), [((), torch.float32), ((0, 3, 8), torch.bfloat16)])
def test_who_waits_builds_the_view_of_val_and_then_those_of_later_epochs(
    depths: tuple[Depth, ...], dtype: torch.dtype, tmp_path: Path
) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    one, other, direct = (views_of(tmp_path / name, config, dtype=dtype, depths=depths)[0] for name in "ccd")
    building = begun(one.train_view(data.train, 1))
    waiting = asked(other, config, data)
    look(waiting, lambda: len(list((tmp_path / "c").glob("*.npy"))) == 3 * (2 if depths else 1))
    later = [partial(PrefixCache.train_view, pack=data.train, epoch=epoch) for epoch in (2, 3)]
    for view in (partial(PrefixCache.eval_view, pack=data.val), *later):
        finish(view(direct))
        assert np.array_equal(ready(view(other)).stored, ready(view(direct)).stored)
    finish(building)
    ready(waiting)


def test_a_view_that_a_third_trial_builds_is_passed_over(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=2)
    views = [views_of(tmp_path / "c", config)[0] for _ in range(3)]
    others = [begun(views[0].train_view(data.train, 1)), begun(views[1].eval_view(data.val))]
    look(asked(views[2], config, data), lambda: bool(list((tmp_path / "c").glob("*.npy"))))
    ready(views[2].train_view(data.train, 2))
    for each in others:
        finish(each)


def test_who_need_not_wait_builds_nothing_ahead(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    views, _ = views_of(tmp_path / "c", config)
    finish(asked(views, config, data))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 1


def test_a_training_that_waits_builds_ahead(tmp_path: Path) -> None:
    data, config = data_of(tmp_path, classes=4), frozen(epochs=2)
    views, _ = views_of(tmp_path / "cache" / "activations", config)
    building = begun(views.train_view(data.train, 1))
    run = RunConfig(device="cpu", cache=tmp_path / "cache", prefix_cache_bytes=ROOMY, progress_seconds=0.0)
    training = fit(config, data, run)
    for _ in range(100):
        assert isinstance(next(training), Progress)
        if len(list((tmp_path / "cache" / "activations").glob("*.npy"))) == 2:
            break
    ready(views.eval_view(data.val))
    ready(views.train_view(data.train, 2))
    finish(building)
    assert len([event for event in training if isinstance(event, EpochResult)]) == 2


def test_nothing_is_built_ahead_where_views_in_use_fill_the_folder(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=2)
    views, _ = views_of(tmp_path / "c", config)
    finish(views.train_view(data.train, 1))
    (path,) = (tmp_path / "c").glob("*.npy")
    tight, _ = views_of(tmp_path / "c", config, limit=int(path.stat().st_size * 1.5))
    assert wanted(tight, config, data) == 0
    os.utime(path, (0, 0))  # nobody has used it for long
    assert wanted(tight, config, data) == 2


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"epochs": 2}, 2),
        ({"epochs": 30}, 1 + EPOCHS),
        ({"epochs": 4, "unfreeze_every": 2}, 2),  # the third epoch has another boundary
        ({"epochs": 4, "augment": "none"}, 1),  # all epochs have one view
    ],
)
def test_the_view_of_val_and_those_of_a_few_epochs_are_wanted(
    settings: dict[str, object], count: int, tmp_path: Path
) -> None:
    data, config = data_of(tmp_path), frozen(**settings)
    assert wanted(views_of(tmp_path / "c", config)[0], config, data) == count


def test_a_team_waits_for_nobody_who_builds_ahead(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    assert wanted(views_of(tmp_path / "c", config)[0], config, data, team=Team(1, 2)) == 0
