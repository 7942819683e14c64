"""What each published experiment makes of one picture, beside torchvision's own transforms."""

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as vision
from torchvision.transforms import v2

from carsray.config import TrialConfig
from carsray.data.augment import AUGMENTATIONS, augment, centre, normalize, resize, view_params
from carsray.published.experiments_file import find_experiments, load_experiments

FILES = {name: load_experiments(find_experiments(name)) for name in ("vizniuk2024", "almog2025")}
TRAININGS = [(f, e.id) for f, file in FILES.items() for e in file.all.values() if e.embeddings is None]
MEAN_STD = {"half": ([0.5] * 3, [0.5] * 3), "imagenet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])}


def picture(side: int) -> torch.Tensor:
    """Smooth blobs, uint8 (1, side, side, 3)."""
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def plain_evaluation(image: torch.Tensor, config: TrialConfig) -> torch.Tensor:
    """Of a picture that was resized to the stored size: centre crop 224 of 256, or the whole at the size seen."""
    cut = v2.CenterCrop(224)(image) if config.eval_crop < 1 else v2.Resize([config.image_size] * 2)(image)
    return v2.Normalize(*MEAN_STD[config.normalize])(cut.float() / 255)


def plain_training(image: torch.Tensor, config: TrialConfig, row: list[float]) -> torch.Tensor:
    """Crop, flip, turn and colours as drawn, one after the other."""
    side, size = config.packed_size, config.image_size
    width, height = (round(value * side) for value in row[2:4])
    left, top = round(row[0] * side - width / 2), round(row[1] * side - height / 2)
    out = vision.resized_crop(image, top, left, height, width, [size, size], antialias=True).float() / 255
    out = vision.horizontal_flip(out) if row[4] < 0 else out
    out = vision.rotate(out, row[5], vision.InterpolationMode.BILINEAR)
    colours = (vision.adjust_brightness, vision.adjust_contrast, vision.adjust_saturation)
    for adjust, factor in zip(colours, row[6:], strict=True):
        out = adjust(out, factor)
    return v2.Normalize(*MEAN_STD[config.normalize])(out)


@pytest.mark.parametrize(("file", "name"), TRAININGS)
def test_evaluation_sees_what_is_described(file: str, name: str) -> None:
    config = FILES[file].all[name].config()
    image = picture(config.packed_size)
    ours = normalize(resize(centre(image, config.eval_crop), config.image_size), config.normalize)
    expected = plain_evaluation(image.permute(0, 3, 1, 2), config)
    torch.testing.assert_close(ours, expected, atol=1.5 / 255 / 0.22, rtol=0)


@pytest.mark.parametrize(("file", "name"), TRAININGS)
def test_training_sees_what_is_described(file: str, name: str) -> None:
    config = FILES[file].all[name].config()
    image = picture(config.packed_size)
    if config.augment == "none":
        ours = normalize(resize(image, config.image_size), config.normalize)
        expected = v2.Normalize(*MEAN_STD[config.normalize])(image.permute(0, 3, 1, 2).float() / 255)
        torch.testing.assert_close(ours, expected)
        return
    for view in range(1, 5):
        row = view_params(AUGMENTATIONS[config.augment], 1, 0, view)
        ours = normalize(augment(image, row, config.image_size), config.normalize)
        expected = plain_training(image.permute(0, 3, 1, 2), config, row[0].tolist())
        # torchvision cuts at whole pixels and samples twice: edges and the corners of a turn differ a little.
        assert (ours - expected).abs().mean() < 0.03
        assert np.corrcoef(ours.flatten(), expected.flatten())[0, 1] > 0.995
