import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as vision
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms import v2

from carsray.config import Augment
from carsray.data.augment import (
    AUGMENTATIONS,
    Augmentation,
    Normalize,
    _by_grid_sample,
    _by_kernel,
    _planes,
    augment,
    normalize,
    resize,
    view_params,
)

STILL = [0.5, 0.5, 1, 1, 1, 0, 1, 1, 1]
"""The row of parameters that changes nothing."""
STRENGTHS = st.sampled_from(list(AUGMENTATIONS))


def pictures(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Smooth blobs, uint8 (count, side, side, 3), over the whole range of values."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (smooth * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def noise(count: int, side: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def planes(images: torch.Tensor) -> torch.Tensor:
    return images.permute(0, 3, 1, 2).float() / 255


def row(left: int, top: int, width: int, height: int, side: int, flip: int = 1, angle: float = 0) -> np.ndarray:
    crop = [(left + width / 2) / side, (top + height / 2) / side, width / side, height / side]
    return np.array([[*crop, flip, angle, 1, 1, 1]], dtype=np.float32)


def still(**changes: float) -> np.ndarray:
    names = ["x", "y", "width", "height", "flip", "angle", "brightness", "contrast", "saturation"]
    return np.array([[changes.get(name, value) for name, value in zip(names, STILL, strict=True)]], dtype=np.float32)


@settings(deadline=None)
@given(STRENGTHS, st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_a_row_does_not_depend_on_how_many_there_are(strength: Augment, count: int, seed: int, view: int) -> None:
    few = view_params(AUGMENTATIONS[strength], count, seed, view)
    many = view_params(AUGMENTATIONS[strength], count + 7, seed, view)
    np.testing.assert_array_equal(few, many[:count])


def test_views_and_seeds_differ() -> None:
    draws = [view_params(AUGMENTATIONS["strong"], 5, seed, view) for seed in (0, 1) for view in (1, 2)]
    assert len({draw.tobytes() for draw in draws}) == 4


@settings(deadline=None)
@given(STRENGTHS, st.integers(0, 1000))
def test_draws_stay_within_their_ranges(strength: Augment, seed: int) -> None:
    chosen = AUGMENTATIONS[strength]
    x, y, width, height, flip, angle, *factors = view_params(chosen, 50, seed, 1).T
    slack = 1e-6
    assert np.all(x - width / 2 >= -slack)
    assert np.all(x + width / 2 <= 1 + slack)
    assert np.all(y - height / 2 >= -slack)
    assert np.all(y + height / 2 <= 1 + slack)
    assert np.all((width * height >= chosen.crop_scale[0] - slack) & (width * height <= 1 + slack))
    assert np.all(np.abs(np.log(width / height)) <= np.log(4 / 3) + slack)
    assert set(flip) <= ({-1, 1} if chosen.flip else {1})
    assert np.all(np.abs(angle) <= chosen.rotation)
    assert np.all(np.abs(np.stack(factors) - 1) <= chosen.jitter + slack)


def test_none_changes_nothing() -> None:
    np.testing.assert_array_equal(view_params(AUGMENTATIONS["none"], 3, 0, 1), np.float32([STILL] * 3))


@pytest.mark.parametrize("scale", [(0.35, 1.0), (0.6, 1.0), (0.8, 1.0)])
def test_crops_are_distributed_as_torchvision_draws_them(scale: tuple[float, float]) -> None:
    side, count = 1000, 1500
    torch.manual_seed(0)
    transform = v2.RandomResizedCrop(224, scale=scale)
    picture = torch.empty(3, side, side, device="meta")
    theirs = [transform.make_params([picture]) for _ in range(count)]
    boxes = np.array([[p["left"], p["top"], p["width"], p["height"]] for p in theirs]) / side
    x, y, width, height = view_params(Augmentation(crop_scale=scale), count, 0, 1).T[:4]
    ours = np.stack([x - width / 2, y - height / 2, width, height], axis=1)
    for quantile in (0.1, 0.3, 0.5, 0.7, 0.9):
        np.testing.assert_allclose(np.quantile(ours, quantile, 0), np.quantile(boxes, quantile, 0), atol=0.02)


def test_half_of_the_pictures_are_mirrored_and_turns_go_both_ways() -> None:
    *_, flip, angle, _, _, _ = view_params(AUGMENTATIONS["medium"], 2000, 0, 1).T
    assert abs(flip.mean()) < 0.07
    assert abs(angle.mean()) < 0.7
    assert abs(angle.std() - 15 / np.sqrt(3)) < 0.3


def test_nothing_drawn_nothing_changed() -> None:
    images = noise(2, 24)
    torch.testing.assert_close(augment(images, np.float32([STILL] * 2), 24), planes(images), atol=1e-4, rtol=0)


def test_flip_is_torchvisions() -> None:
    images = noise(1, 24)
    expected = vision.horizontal_flip(planes(images))
    torch.testing.assert_close(augment(images, still(flip=-1), 24), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("angle", [-15.0, -3.3, 8.0, 15.0, 90.0])
def test_rotation_is_torchvisions(angle: float) -> None:
    images = noise(1, 33)
    expected = vision.rotate(planes(images), angle, vision.InterpolationMode.BILINEAR)
    torch.testing.assert_close(augment(images, still(angle=angle), 33), expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (3, 5, 32, 29), (8, 0, 30, 40), (7, 9, 33, 31)])
def test_a_crop_that_shrinks_is_torchvisions_without_antialiasing(box: tuple[int, int, int, int]) -> None:
    images = noise(1, 40)
    left, top, width, height = box
    expected = vision.resized_crop(planes(images), top, left, height, width, [28, 28], antialias=False)
    torch.testing.assert_close(augment(images, row(*box, side=40), 28), expected, atol=1e-3, rtol=0)


def test_a_crop_that_grows_is_torchvisions_but_for_its_border() -> None:
    # At the border torchvision repeats the crop's last pixel, where this reads the picture's next one.
    images = noise(1, 40)
    expected = vision.resized_crop(planes(images), 6, 4, 20, 16, [48, 48], antialias=False)[..., 2:-2, 2:-2]
    ours = augment(images, row(4, 6, 16, 20, side=40), 48)[..., 2:-2, 2:-2]
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)


def test_a_crop_that_grows_does_not_fade_at_the_edge_of_the_picture() -> None:
    white = torch.full((1, 16, 16, 3), 255, dtype=torch.uint8)
    grown = augment(white, row(0, 0, 12, 12, side=16), 48)
    torch.testing.assert_close(grown, torch.ones_like(grown), atol=1e-4, rtol=0)


@pytest.mark.parametrize("flip", [1, -1])
@pytest.mark.parametrize("angle", [-15.0, 11.0])
def test_crop_flip_and_rotation_combine_in_torchvisions_order(flip: int, angle: float) -> None:
    # A crop as large as the output is not resampled by torchvision, so that both sample once.
    images, size = noise(1, 40), 32
    cropped = vision.resized_crop(planes(images), 3, 6, size, size, [size, size])
    mirrored = vision.horizontal_flip(cropped) if flip < 0 else cropped
    turned = vision.rotate(torch.cat([mirrored, torch.ones(1, 1, size, size)], 1), angle, v2.InterpolationMode.BILINEAR)
    expected, cover = turned[:, :3], turned[:, 3:]
    ours = augment(images, row(6, 3, size, size, side=40, flip=flip, angle=angle), size)
    inside, outside = (cover > 1 - 1e-5).expand_as(ours), (cover == 0).expand_as(ours)
    torch.testing.assert_close(ours[inside], expected[inside], atol=1e-3, rtol=0)
    assert outside.any()
    assert ours[outside].max() < 1e-3
    assert torch.all(ours <= cover + 1e-3)


def test_a_whole_medium_view_is_close_to_torchvisions_two_samplings() -> None:
    side, size, count = 80, 64, 24
    images, params = pictures(count, side), view_params(AUGMENTATIONS["medium"], count, 3, 1)
    x, y, width, height = params.T[:4] * side
    # torchvision cuts at whole pixels.
    left, top = np.round(x - width / 2), np.round(y - height / 2)
    width, height = np.round(width), np.round(height)
    params[:, :4] = np.stack([left + width / 2, top + height / 2, width, height], 1) / side
    ours = augment(images, params, size)
    for i, (_, _, _, _, flip, angle, *_) in enumerate(params.tolist()):
        crop = [int(value) for value in (top[i], left[i], height[i], width[i])]
        expected = vision.resized_crop(planes(images)[i], *crop, [size, size], antialias=True)
        expected = vision.horizontal_flip(expected) if flip < 0 else expected
        expected = vision.rotate(expected, angle, vision.InterpolationMode.BILINEAR)
        assert (ours[i] - expected).abs().mean() < 0.004


@pytest.mark.parametrize(
    ("name", "adjust"),
    [
        ("brightness", vision.adjust_brightness),
        ("contrast", vision.adjust_contrast),
        ("saturation", vision.adjust_saturation),
    ],
)
@pytest.mark.parametrize("factor", [0.0, 0.7, 1.3])
def test_each_colour_change_is_torchvisions(name: str, adjust: object, factor: float) -> None:
    images = noise(1, 20)
    expected = adjust(planes(images), factor)  # type: ignore[operator]
    torch.testing.assert_close(augment(images, still(**{name: factor}), 20), expected, atol=1e-4, rtol=0)


def test_colour_changes_come_in_order_brightness_contrast_saturation() -> None:
    images = noise(1, 20)
    expected = vision.adjust_brightness(planes(images), 1.3)
    expected = vision.adjust_saturation(vision.adjust_contrast(expected, 1.25), 1.2)
    ours = augment(images, still(brightness=1.3, contrast=1.25, saturation=1.2), 20)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


@settings(deadline=None)
@given(STRENGTHS, st.permutations(range(6)), st.integers(1, 6))
def test_a_picture_looks_the_same_in_any_batch(strength: Augment, order: list[int], size: int) -> None:
    images, params = noise(6, 20), view_params(AUGMENTATIONS[strength], 6, 0, 1)
    alone = augment(images, params, 16)
    chosen = order[:size]
    torch.testing.assert_close(augment(images[chosen], params[chosen], 16), alone[chosen], atol=1e-6, rtol=0)


@settings(deadline=None)
@given(STRENGTHS, st.integers(0, 100))
def test_values_stay_between_0_and_1(strength: Augment, seed: int) -> None:
    out = augment(noise(4, 20), view_params(AUGMENTATIONS[strength], 4, seed, 1), 16)
    assert out.shape == (4, 3, 16, 16)
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 1 + 1e-5


def test_a_much_larger_picture_does_not_alias() -> None:
    stripes = (torch.arange(128) % 2 * 255).to(torch.uint8).view(1, 1, 128, 1).expand(1, 128, 128, 3)
    small = augment(stripes, still(), 32)
    assert abs(small.mean() - 0.5) < 0.01
    assert (small - 0.5).abs().max() < 0.2


@pytest.mark.parametrize(("side", "size"), [(40, 32), (64, 16), (20, 33), (24, 24)])
def test_resize_is_torchvisions_to_one_grey_level(side: int, size: int) -> None:
    images = noise(3, side)
    expected = v2.Resize([size, size], antialias=True)(images.permute(0, 3, 1, 2)).float() / 255
    torch.testing.assert_close(resize(images, size), expected, atol=1 / 255 + 1e-6, rtol=0)


@pytest.mark.parametrize(
    ("kind", "mean", "std"),
    [("imagenet", [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), ("half", [0.5] * 3, [0.5] * 3)],
)
def test_normalize_is_torchvisions(kind: str, mean: list[float], std: list[float]) -> None:
    x = planes(noise(2, 8))
    torch.testing.assert_close(normalize(x, kind), v2.Normalize(mean, std)(x))  # type: ignore[arg-type]


def test_normalize_leaves_channels_last_in_memory() -> None:
    assert normalize(torch.rand(2, 3, 8, 8), "half").is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("strength", AUGMENTATIONS)
@pytest.mark.parametrize("size", [24, 52, 100])
@pytest.mark.parametrize("kind", [None, "imagenet", "half"])
def test_the_kernel_samples_as_grid_sample_does(strength: Augment, size: int, kind: Normalize | None) -> None:
    images, planes = noise(4, 64), _planes(view_params(AUGMENTATIONS[strength], 4, 0, 1))
    by_grid_sample = _by_grid_sample(images, planes, size, kind)
    torch.testing.assert_close(_by_kernel(images, planes, size, kind), by_grid_sample, atol=5e-4, rtol=0)
    assert kind is None or by_grid_sample.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("strength", ["medium", "strong"])
@pytest.mark.parametrize("kind", ["imagenet", "half"])
def test_a_kind_normalises_what_would_come_without_it(strength: Augment, kind: Normalize) -> None:
    images, params = noise(4, 40), view_params(AUGMENTATIONS[strength], 4, 0, 1)
    ours = augment(images, params, 32, kind)
    torch.testing.assert_close(ours, normalize(augment(images, params, 32), kind), atol=1e-5, rtol=0)
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_threads_share_a_batch_out_and_change_nothing() -> None:
    images, params = noise(5, 40), view_params(AUGMENTATIONS["medium"], 5, 0, 1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = augment(images, params, 32)
        torch.set_num_threads(3)
        assert torch.equal(augment(images, params, 32), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("strength", AUGMENTATIONS)
def test_a_gpu_gives_the_same_pictures(strength: Augment) -> None:
    images, params = noise(4, 64), view_params(AUGMENTATIONS[strength], 4, 0, 1)
    for size in (24, 52):
        ours = augment(images.cuda(), params, size).cpu()
        torch.testing.assert_close(ours, augment(images, params, size), atol=1.5 / 255, rtol=0)
        torch.testing.assert_close(resize(images.cuda(), size).cpu(), resize(images, size), atol=1.5 / 255, rtol=0)
