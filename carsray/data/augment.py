"""Pictures from a pack made ready for a network: augmented or resized, then normalised; tensors on any device.

What is random about one view is drawn ahead, one row a picture, so that a batch looks the same whoever is in it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # the name every torch user knows
from torch import Tensor

from carsray.config import Augment
from carsray.data.on_device import to_device
from carsray.seed import derive


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How strongly pictures are varied; the default does nothing."""

    crop_scale: tuple[float, float] = (1.0, 1.0)
    """Range of the crop's share of the picture's area."""
    crop_aspect: float = 4 / 3
    """Widest aspect of the crop, which varies from its inverse to this; 1: square."""
    flip: bool = False
    """Mirror every other picture, left to right."""
    rotation: float = 0.0
    """Largest turn to either side, in degrees."""
    jitter: float = 0.0
    """Largest change of brightness, contrast and saturation, as a share."""


RANDOM_CROP = ((224 / 256) ** 2,) * 2
"""The area of torchvision's RandomCrop(224) from a picture of 256 x 256."""
AUGMENTATIONS: dict[Augment, Augmentation] = {
    "none": Augmentation(),
    "light": Augmentation(crop_scale=(0.8, 1.0), flip=True),
    "medium": Augmentation(crop_scale=(0.6, 1.0), flip=True, rotation=15.0),
    "strong": Augmentation(crop_scale=(0.35, 1.0), flip=True, rotation=15.0, jitter=0.3),
    "flip-rotate": Augmentation(flip=True, rotation=15.0),
    "crop-flip-rotate": Augmentation(crop_scale=RANDOM_CROP, crop_aspect=1.0, flip=True, rotation=15.0),
    "crop-flip-jitter": Augmentation(crop_scale=RANDOM_CROP, crop_aspect=1.0, flip=True, jitter=0.2),
    "rescale-flip-rotate-jitter": Augmentation(crop_scale=(0.08, 1.0), flip=True, rotation=15.0, jitter=0.2),
}
"""crop: a square of fixed size at a random place; rescale: torchvision's RandomResizedCrop with its own ranges."""

ATTEMPTS = 10
"""Crops drawn before the whole picture is taken; torchvision's number."""
GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in the grey value that contrast and saturation refer to; torchvision's."""
Normalize = Literal["imagenet", "half"]
MEAN_STD: dict[Normalize, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
MAX_SHRINK = 1.5
"""Bilinear sampling reads a 2 x 2 neighbourhood: beyond this reduction it would skip pixels and alias."""


def view_params(augmentation: Augmentation, count: int, view_seed: int, view: int) -> np.ndarray:
    """What is random about one view of ``count`` pictures: float32 (count, 9).

    Columns: centre x, centre y, width and height of the crop as shares of the picture; 1 or -1 for mirrored;
    turn in degrees, counter-clockwise; factors of brightness, contrast and saturation.
    A row depends on (view_seed, view, row) alone, neither on ``count`` nor on the size of the pictures.
    """
    # One stream, a fixed number of draws a row: row r always gets the same ones, whatever the strength.
    draws = np.random.default_rng(derive(view_seed, "view", view)).random((count, 2 * ATTEMPTS + 7))
    crop, (x, y, mirror, turn, *colours) = draws[:, 7:], draws[:, :7].T
    width, height = _crop_sizes(augmentation, crop)
    flip = np.where((mirror < 0.5) & augmentation.flip, -1.0, 1.0)
    angle = augmentation.rotation * (2 * turn - 1)
    factors = [np.maximum(1 + augmentation.jitter * (2 * colour - 1), 0) for colour in colours]
    centre_x = width / 2 + x * (1 - width)
    centre_y = height / 2 + y * (1 - height)
    return np.stack([centre_x, centre_y, width, height, flip, angle, *factors], axis=1).astype(np.float32)


def _crop_sizes(augmentation: Augmentation, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths and heights (N,): the first of ten drawn crops that fits, as in torchvision's RandomResizedCrop."""
    smallest, largest = augmentation.crop_scale
    area = smallest + (largest - smallest) * draws[:, :ATTEMPTS]
    aspect = np.exp(np.log(augmentation.crop_aspect) * (2 * draws[:, ATTEMPTS:] - 1))
    width, height = np.sqrt(area * aspect), np.sqrt(area / aspect)
    fits = (width <= 1) & (height <= 1)
    first = fits.argmax(axis=1)
    rows = np.arange(len(draws))
    found = fits[rows, first]
    return np.where(found, width[rows, first], 1.0), np.where(found, height[rows, first], 1.0)


def augment(images: Tensor, params: np.ndarray, size: int, kind: Normalize | None = None) -> Tensor:
    """Pictures uint8 (B, S, S, 3) as the rows (B, 9) of view_params say: float32 (B, 3, size, size) in 0..1.

    With a kind, normalised: the same as ``normalize`` of the result.
    The same as torchvision's RandomResizedCrop, RandomHorizontalFlip, RandomRotation (bilinear, black outside the
    crop), ColorJitter (in the order brightness, contrast, saturation), but the picture is sampled once, not twice.
    """
    planes, factors = _planes(params), params[:, 6:].T
    same_colours = bool((factors == 1).all())
    if images.device.type == "cpu":
        out = _by_kernel(images, planes, size, kind if same_colours else None)
        if same_colours:
            return out
        out = out.contiguous()  # colours are changed several times faster plane by plane
    else:
        out = _by_grid_sample(images, planes, size, kind if same_colours else None)
        if same_colours:
            return out
    out = _jitter(out, factors)
    return normalize(out, kind) if kind else out


def _planes(params: np.ndarray) -> np.ndarray:
    """float32 (4, 3, B): a, b, c of a * x + b * y + c at an output pixel's centre, all from -1 to 1.

    The first two say where it lies across and down the picture, the others where across and down the crop.
    """
    x, y, width, height, flip, angle = params[:, :6].T
    cos, sin, zero = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle)), np.zeros_like(angle)
    in_picture = [[width * flip * cos, -width * flip * sin, 2 * x - 1], [height * sin, height * cos, 2 * y - 1]]
    in_crop = [[cos, -sin, zero], [sin, cos, zero]]
    return np.array([*in_picture, *in_crop], dtype=np.float32)


def _by_kernel(images: Tensor, planes: np.ndarray, size: int, kind: Normalize | None) -> Tensor:
    """Sampled on the processor, and normalised on the way: (B, 3, size, size), channels last in memory."""
    from carsray.data.resample import resample  # a second to import, for nothing where there is a GPU

    pictures = _source(images, size).permute(0, 2, 3, 1).contiguous().numpy()
    planes = planes.transpose(2, 0, 1).copy()
    side = pictures.shape[1]
    planes[:, :2] *= side / 2
    planes[:, :2, 2] += (side - 1) / 2
    mean, std = np.array(MEAN_STD[kind] if kind else ((0, 0, 0), (1, 1, 1)), dtype=np.float32)
    out = torch.empty(len(pictures), size, size, 3)

    def work(part: slice) -> None:
        resample(pictures[part], planes[part], 1 / (255 * std), -mean / std, out[part].numpy())

    threads = min(torch.get_num_threads(), len(pictures))
    if threads > 1:
        ends = np.linspace(0, len(pictures), threads + 1).astype(int)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, map(slice, ends[:-1], ends[1:])))
    else:
        work(slice(None))
    return out.permute(0, 3, 1, 2)


def _by_grid_sample(images: Tensor, planes: np.ndarray, size: int, kind: Normalize | None) -> Tensor:
    """The same on any device. Few kernels: on a GPU starting them takes longer than they do."""
    # Where each output pixel lies, (4, B, size, size), and how far within the crop.
    a, b, c = to_device(planes, images.device)[..., None, None].unbind(1)
    centres = _centres(size, images.device)
    at = torch.addcmul(c, a, centres) + b * centres[:, None]
    # "border", since a crop at the edge of the picture must not fade to black.
    grid = at[:2].permute(1, 2, 3, 0)
    out = F.grid_sample(_source(images, size).float(), grid, padding_mode="border", align_corners=False)
    # 1 within the crop, 0 outside, falling linearly over one pixel: how grid_sample pads with zeros.
    across, down = at[2:].abs_().mul_(-size / 2).add_((size + 1) / 2).clamp_(0, 1)
    out.mul_(across.mul_(down)[:, None])
    if kind is None:
        return out.mul_(1 / 255)
    mean, std = (_constant(values, out.device).view(1, 3, 1, 1) for values in MEAN_STD[kind])
    normalized = torch.empty_like(out, memory_format=torch.channels_last)
    return torch.addcmul(-mean / std, out, 1 / (255 * std), out=normalized)


def _source(images: Tensor, size: int) -> Tensor:
    """The pictures (B, 3, S', S') in 0..255, S' at most MAX_SHRINK times the size asked for."""
    largest = int(size * MAX_SHRINK)
    x = images.permute(0, 3, 1, 2)
    return x if x.shape[-1] <= largest else _shrink(x, largest)


def _jitter(x: Tensor, factors: np.ndarray) -> Tensor:
    """Brightness, contrast and saturation of (B, 3, H, W) in 0..1, changed in place by factors (3, B).

    Each blends the picture with black, its mean grey, its own grey:
    https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.v2.ColorJitter.html
    """
    brightness, contrast, saturation = to_device(np.ascontiguousarray(factors), x.device).view(3, -1, 1, 1, 1)
    weights = _constant(GREY, x.device).view(1, 3, 1, 1)
    x.mul_(brightness).clamp_(0, 1)
    mean = (x.mean((2, 3), keepdim=True) * weights).sum(1, keepdim=True)
    x.mul_(contrast).add_(mean * (1 - contrast)).clamp_(0, 1)
    grey = (x * weights).sum(1, keepdim=True)
    return x.mul_(saturation).add_(grey * (1 - saturation)).clamp_(0, 1)


def resize(images: Tensor, size: int) -> Tensor:
    """Pictures uint8 (B, S, S, 3) without augmentation: float32 (B, 3, size, size) in 0..1, antialiased."""
    x = images.permute(0, 3, 1, 2)
    x = x if x.shape[-1] == size else _shrink(x, size)
    return x.to(torch.float32, memory_format=torch.contiguous_format).div_(255)


def centre(images: Tensor, share: float) -> Tensor:
    """The middle of pictures (B, S, S, 3): this share of each side, in whole pixels, as torchvision's CenterCrop."""
    side = images.shape[1]
    kept = max(1, round(side * share))
    start = round((side - kept) / 2)
    return images[:, start : start + kept, start : start + kept]


def _shrink(x: Tensor, size: int) -> Tensor:
    """Antialiased (B, 3, size, size) from uint8 (B, 3, S, S), as torchvision's Resize."""
    # On the processor the uint8 kernel is ten times faster; CUDA has none.
    x = x if x.device.type == "cpu" else x.float()
    return F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)


@cache
def _centres(size: int, device: torch.device) -> Tensor:
    """Of pixels, (size,), from -1 to 1."""
    return (torch.arange(size, device=device) * 2 + 1) / size - 1


@cache
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Kept there: each copy to a GPU would wait for it."""
    return torch.tensor(values, device=device)


def normalize(x: Tensor, kind: Normalize) -> Tensor:
    """Subtract the mean and divide by the deviation of each channel: (B, 3, H, W), channels last in memory."""
    mean, std = (_constant(values, x.device).view(1, 3, 1, 1) for values in MEAN_STD[kind])
    # The order matters for speed: arithmetic on separate planes first, then one reordering.
    return x.sub(mean).div_(std).contiguous(memory_format=torch.channels_last)
