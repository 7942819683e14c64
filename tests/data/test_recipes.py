"""The recipes that are named by what they do, and the centre crop of evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_sources import class_folders
from torchvision.transforms import v2

from carsray.config import TrialConfig
from carsray.data.augment import AUGMENTATIONS, centre, view_params
from carsray.data.batches import eval_batches, training_data
from carsray.data.inspect import inspect
from carsray.data.sources.catalog import open_catalog
from carsray.data.splits import make_split


def drawn(name: str) -> dict[str, np.ndarray]:
    names = ["x", "y", "width", "height", "flip", "angle", "brightness", "contrast", "saturation"]
    return dict(zip(names, view_params(AUGMENTATIONS[name], 2000, 0, 1).T, strict=True))  # type: ignore[index]


@pytest.mark.parametrize("name", ["flip-rotate", "crop-flip-rotate", "crop-flip-jitter", "rescale-flip-rotate-jitter"])
def test_a_recipe_does_what_its_name_says_and_nothing_else(name: str) -> None:
    view = drawn(name)
    assert (view["angle"].std() > 1) == ("rotate" in name)
    assert (view["brightness"].std() > 0.01) == (view["saturation"].std() > 0.01) == ("jitter" in name)
    assert abs(view["flip"].mean()) < 0.1
    assert (view["width"].std() > 0.01) == ("rescale" in name)
    assert (view["x"].std() > 0.001) == (name != "flip-rotate")


@pytest.mark.parametrize("name", ["crop-flip-rotate", "crop-flip-jitter"])
def test_a_crop_is_224_of_256_pixels_anywhere_in_the_picture(name: str) -> None:
    view = drawn(name)
    np.testing.assert_allclose(view["width"] * 256, 224, rtol=1e-6)
    np.testing.assert_allclose(view["height"] * 256, 224, rtol=1e-6)
    left = (view["x"] - view["width"] / 2) * 256
    assert left.min() >= -1e-3
    assert left.max() <= 32 + 1e-3
    np.testing.assert_allclose(np.quantile(left, [0.25, 0.5, 0.75]), [8, 16, 24], atol=1.5)


def test_rescaling_reaches_down_to_8_percent_of_the_area() -> None:
    area = drawn("rescale-flip-rotate-jitter")
    assert 0.08 <= (area["width"] * area["height"]).min() < 0.1


@pytest.mark.parametrize(("side", "share", "kept"), [(256, 0.875, 224), (110, 0.875, 96), (41, 0.5, 20), (16, 1.0, 16)])
def test_the_centre_is_torchvisions_center_crop(side: int, share: float, kept: int) -> None:
    images = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8)
    expected = v2.CenterCrop(kept)(images.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    assert torch.equal(centre(images, share), expected)


def test_evaluation_sees_the_centre_at_the_size_asked_for(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path / "pictures", {"a": 6, "b": 6}))
    config = TrialConfig(backbone="cnn", depth=2, pack_size=32, image_size=28, eval_crop=0.875, normalize="half")
    split = make_split(catalog, inspect(catalog, tmp_path / "cache"), config)[0]
    pack = training_data(split, config, tmp_path / "cache").val
    (batch,) = eval_batches(pack, config, torch.device("cpu"))
    stored = torch.from_numpy(np.array(pack.images)).permute(0, 3, 1, 2)
    expected = v2.Normalize([0.5] * 3, [0.5] * 3)(v2.CenterCrop(28)(stored).float() / 255)
    torch.testing.assert_close(batch.images, expected)
