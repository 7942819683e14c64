"""Augmented training batches on one core: carsray's pack against PIL and torchvision v2 in a DataLoader.

    scripts/bench loader

Both make the same batches, in turn, from the same 700 x 480 JPEGs, which are drawn: crop, flip, rotation, normalised
float32. What a batch costs is also set beside a training step that takes it. The pack is built once, before; the time
that takes is stated.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from harness import Condition, Figures, in_turn, median_seconds, publish, seconds_of, spread
from PIL import Image
from resident import network_on, training_step, wait
from torchvision.transforms import v2

from carsray.cli.options import split_data
from carsray.config import RunConfig, TrialConfig
from carsray.data.augment import AUGMENTATIONS, MEAN_STD
from carsray.data.batches import Batch, train_batches
from carsray.data.drawn.folder import draw_cars
from carsray.data.pack import Pack, ensure_pack
from carsray.data.records import Row
from carsray.training.device import resolve_device

TIMES_FASTER, SHARE_OF_STEP = 4.0, 10.0
SIZES = (224, 128)
BACKBONES = ("resnet50", "mobilenet_v2")
STEPS = 3
"""Training steps timed; their median counts."""


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Files, decoded and transformed whenever they are asked for."""

    def __init__(self, rows: list[Row], transform: Callable[[Image.Image], torch.Tensor]) -> None:
        self._rows, self._transform = rows, transform

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        row = self._rows[number]
        return self._transform(Image.open(row.path).convert("RGB")), row.label


def plain_loader(rows: list[Row], config: TrialConfig) -> torch.utils.data.DataLoader[tuple[torch.Tensor, int]]:
    """What a user would otherwise write."""
    augmentation = AUGMENTATIONS[config.augment]
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(config.image_size, scale=augmentation.crop_scale),
            v2.RandomHorizontalFlip(),
            v2.RandomRotation(augmentation.rotation),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(*MEAN_STD[config.normalize]),
        ]
    )
    return torch.utils.data.DataLoader(
        Pictures(rows, transform), config.batch_size, shuffle=True, num_workers=0, drop_last=True
    )


def draw(folder: Path, pictures: int) -> Path:
    """Drawn cars as JPEGs of 700 x 480 pixels, in folders by model."""
    draw_cars(folder / "drawn", models=8, per_model=pictures // 8, size=480)
    for path in (folder / "drawn").glob("*/*.jpg"):
        target = folder / "cars" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            picture.resize((700, 480), Image.Resampling.BICUBIC).save(target, quality=92)
    return folder / "cars"


def step_seconds(config: TrialConfig, batch: Batch) -> float:
    """A training step of the whole network on one resident batch."""
    step = training_step(network_on(batch.images.device, config, classes=8), config)

    def go() -> None:
        step(batch.images, batch.labels)
        wait(batch.images.device)

    go()
    return median_seconds(go, STEPS)


def compare(config: TrialConfig, rows: list[Row], pack: Pack, run: RunConfig, repeats: int) -> Figures:
    """Batches a second of both, and the steps that take them."""
    device = resolve_device(run)
    loader, batches = plain_loader(rows, config), len(rows) // config.batch_size

    def ours() -> float:
        # Counted in batches, since a GPU is still at work when the last one is handed out.
        return batches / seconds_of(lambda: [_waited(batch) for batch in train_batches(pack, config, 1, device)])

    def theirs() -> float:
        return batches / seconds_of(lambda: [images.to(device) for images, _ in loader])

    seconds_of(lambda: next(train_batches(pack, config, 1, device)))  # the first call of a kernel is slow
    rates = in_turn({"carsray": ours, "plain": theirs}, repeats)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    batch = next(train_batches(pack, config, 1, device))
    steps = {name: step_seconds(config.model_copy(update={"backbone": name}), batch) for name in BACKBONES}
    return {
        "times_faster": round(medians["carsray"] / medians["plain"], 2),
        "carsray_batches_per_second": spread(rates["carsray"]),
        "plain_batches_per_second": spread(rates["plain"]),
        "step_seconds": steps,
        "batch_percent_of_step": {name: round(100 / medians["carsray"] / step, 2) for name, step in steps.items()},
    }


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """All sizes."""
    torch.set_num_threads(1)
    pictures, sizes = (64, SIZES[1:]) if options.quick else (options.pictures, SIZES)
    repeats = 1 if options.quick else options.repeats
    base = TrialConfig(batch_size=32)
    split = split_data(draw(folder, pictures), base, folder)
    rows = [*split.train, *split.val, *split.test]
    figures: Figures = {}
    conditions = []
    for size in sizes:
        config = base.model_copy(update={"image_size": size})
        packs: list[Pack] = []
        building = seconds_of(lambda: packs.append(ensure_pack(rows, config, folder)))  # noqa: B023  # called at once
        found = compare(config, rows, packs[0], RunConfig(cache=folder), repeats)
        figures[f"{size}_pixels"] = {**found, "pack_seconds": round(building, 2)}
        print(f"{size} pixels:", found, flush=True)
        shares = found["batch_percent_of_step"]
        conditions += [
            Condition(f"{size} pixels: times faster", found["times_faster"], TIMES_FASTER),
            *(Condition(f"{size} pixels: % of a {n} step", shares[n], SHARE_OF_STEP, at_most=True) for n in BACKBONES),
        ]
    return {**figures, "pictures": len(rows), "batch_size": base.batch_size, "augment": base.augment}, conditions


def _waited(batch: Batch) -> float:
    """Have a batch finished."""
    return float(batch.images[0, 0, 0, 0])


def main() -> None:
    """Measure in a folder of its own, which goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=7, help="epochs of each side; their median counts")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few pictures, one size; nothing is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carsray-bench-") as folder:
        publish(
            "loader",
            partial(measure, options, Path(folder)),
            ("torch", "torchvision", "pillow", "numpy"),
            keep=not options.quick,
        )


if __name__ == "__main__":
    main()
