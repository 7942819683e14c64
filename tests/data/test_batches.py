import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carsray.config import Augment, TrialConfig
from carsray.data.augment import AUGMENTATIONS, augment, normalize, resize, view_params
from carsray.data.batches import Batch, batch_count, eval_batches, train_batches, training_data
from carsray.data.pack import Pack
from carsray.data.records import DataSplit, Row

CPU = torch.device("cpu")


def pack_of(count: int, side: int = 20) -> Pack:
    """Noise; a picture's label is its position."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    images.setflags(write=False)
    return Pack(images, np.arange(count), "key")


def config_of(batch_size: int = 4, augment: Augment = "medium", seed: int = 0, view_seed: int = 0) -> TrialConfig:
    settings = {"image_size": 16, "pack_size": 20, "augment": augment, "batch_size": batch_size}
    return TrialConfig(**settings, seed=seed, view_seed=view_seed)


def rows_of(batches: list[Batch]) -> list[list[int]]:
    return [batch.rows.tolist() for batch in batches]


@settings(deadline=None)
@given(st.integers(1, 30), st.integers(1, 12), st.integers(1, 3))
def test_an_epoch_shows_no_picture_twice_and_leaves_out_less_than_a_batch(count: int, size: int, epoch: int) -> None:
    pack, config = pack_of(count), config_of(size)
    batches = list(train_batches(pack, config, epoch, CPU))
    seen = [row for batch in batches for row in batch.rows]
    assert len(set(seen)) == len(seen)
    assert len(seen) == (count // size * size or count)
    assert {len(batch.rows) for batch in batches} == {min(size, count)}
    assert len(batches) == batch_count(pack, config)


def test_a_batch_is_what_its_parts_make_of_its_rows() -> None:
    pack, config = pack_of(9), config_of(4, view_seed=3)
    params = view_params(AUGMENTATIONS["medium"], 9, 3, view=2)
    for batch in train_batches(pack, config, 2, CPU):
        images = torch.tensor(pack.images[batch.rows])
        expected = normalize(augment(images, params[batch.rows], 16), "imagenet")
        torch.testing.assert_close(batch.images, expected)
        assert batch.labels.tolist() == batch.rows.tolist()
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.labels.dtype == torch.int64


def test_without_augmentation_training_sees_what_evaluation_sees() -> None:
    pack, config = pack_of(8), config_of(8, augment="none")
    (training,) = train_batches(pack, config, 1, CPU)
    (evaluation,) = eval_batches(pack, config, CPU)
    torch.testing.assert_close(training.images, evaluation.images)


def test_every_epoch_has_an_order_of_its_own() -> None:
    pack, config = pack_of(20), config_of(5)
    orders = [str(rows_of(list(train_batches(pack, config, epoch, CPU)))) for epoch in (1, 2, 3)]
    assert len(set(orders)) == 3


def test_an_epoch_repeats_itself_exactly() -> None:
    pack, config = pack_of(20), config_of(5, augment="strong")
    for one, other in zip(train_batches(pack, config, 4, CPU), train_batches(pack, config, 4, CPU), strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert torch.equal(one.images, other.images)


def test_trials_of_one_view_seed_see_the_same_pictures_in_different_orders_and_batches() -> None:
    pack = pack_of(12)

    def seen(config: TrialConfig) -> torch.Tensor:
        batches = list(train_batches(pack, config, 5, CPU))
        order = np.concatenate([batch.rows for batch in batches])
        return torch.cat([batch.images for batch in batches])[np.argsort(order)]

    torch.testing.assert_close(seen(config_of(4, seed=0)), seen(config_of(3, seed=1)), atol=1e-5, rtol=0)
    assert not torch.allclose(seen(config_of(4, view_seed=0)), seen(config_of(4, view_seed=1)), atol=1e-2)


@pytest.mark.parametrize(("count", "sizes"), [(7, [3, 3, 1]), (3, [3]), (0, [])])
def test_evaluation_goes_through_everything_in_order(count: int, sizes: list[int]) -> None:
    pack = pack_of(count)
    batches = list(eval_batches(pack, config_of(), CPU, batch_size=3))
    assert [len(batch.labels) for batch in batches] == sizes
    assert [row for rows in rows_of(batches) for row in rows] == list(range(count))
    for batch in batches:
        expected = normalize(resize(torch.tensor(pack.images[batch.rows]), 16), "imagenet")
        torch.testing.assert_close(batch.images, expected)


def test_training_data_packs_train_and_val_and_leaves_test_alone(tmp_path: Path) -> None:
    def draw(name: str, value: int) -> Row:
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (30, 25), (value, value, value)).save(path)
        return Row(str(path), value % 2, hashlib.sha256(path.read_bytes()).hexdigest())

    train = tuple(draw(f"train{i}", 10 * i) for i in range(3))
    val = tuple(draw(f"val{i}", 200 + i) for i in range(2))
    # Reading it would raise: there is no such file.
    test = (Row(str(tmp_path / "sealed.png"), 0, "0" * 64),)
    seen: list[tuple[int, int]] = []
    split = DataSplit(("a", "b"), train, val, test, test_kind="as given", fingerprint="f")
    data = training_data(split, config_of(), tmp_path / "cache", lambda done, total: seen.append((done, total)))
    assert data.train.images[:, 0, 0, 0].tolist() == [0, 10, 20]
    assert data.val.images[:, 0, 0, 0].tolist() == [200, 201]
    assert data.val.labels.tolist() == [0, 1]
    assert data.classes == ("a", "b")
    assert seen == [(i, 5) for i in range(1, 6)]
