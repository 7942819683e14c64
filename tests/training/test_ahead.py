"""What a trial does while another builds the view that it waits for."""

from pathlib import Path

import pytest
from tiny_training import data_of
from tiny_views import frozen, views_of

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData
from carsray.training import prefix_cache
from carsray.training.ahead import meanwhile, wanted_later
from carsray.training.prefix_cache import PrefixCache, Steps


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


def asked(views: PrefixCache, config: TrialConfig, data: TrainingData, epoch: int = 1) -> Steps:
    return meanwhile(views.train_view(data.train, epoch), wanted_later(views, config, data, epoch))


def test_who_waits_builds_the_view_of_val_and_then_those_of_later_epochs(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    (one, _), (other, _) = (views_of(tmp_path / "c", config) for _ in range(2))
    building = begun(one.train_view(data.train, 1))
    waiting = asked(other, config, data)
    for later in (other.eval_view(data.val), other.train_view(data.train, 2), other.train_view(data.train, 3)):
        while next(waiting)[0]:
            pass
        with pytest.raises(StopIteration) as end:
            next(later)  # it is there
        assert end.value.value is not None
    finish(building)
    with pytest.raises(StopIteration) as end:
        next(waiting)
    assert end.value.value is not None


def test_a_view_that_a_third_trial_builds_is_passed_over(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=2)
    views = [views_of(tmp_path / "c", config)[0] for _ in range(3)]
    others = [begun(views[0].train_view(data.train, 1)), begun(views[1].eval_view(data.val))]
    waiting = asked(views[2], config, data)
    while next(waiting)[0]:
        pass
    finish(views[2].train_view(data.train, 2))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 1  # that of the second epoch alone
    for each in others:
        finish(each)


def test_who_need_not_wait_builds_nothing_ahead(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=3)
    views, _ = views_of(tmp_path / "c", config)
    finish(asked(views, config, data))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 1


def test_nothing_is_built_ahead_where_room_is_scarce(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=2)
    views, _ = views_of(tmp_path / "c", config)
    finish(views.train_view(data.train, 1))
    (size,) = (path.stat().st_size for path in (tmp_path / "c").glob("*.npy"))
    tight, _ = views_of(tmp_path / "c", config, limit=int(size * 1.5))
    assert list(wanted_later(tight, config, data, 1)) == []


def test_epochs_that_train_more_blocks_have_other_views(tmp_path: Path) -> None:
    data, config = data_of(tmp_path), frozen(epochs=4, unfreeze_every=2)
    views, _ = views_of(tmp_path / "c", config)
    assert len(list(wanted_later(views, config, data, 1))) == 2  # val, and the second epoch
