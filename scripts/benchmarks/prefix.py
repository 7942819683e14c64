"""Cached activations of a frozen prefix: an epoch with them and without, MobileNetV2, head only and last three blocks.

    scripts/bench prefix                                                    drawn cars, untrained weights
    scripts/bench prefix --data split.csv --weights mobilenet_v2.pth        real ones

An epoch is training and validation, from the first batch to the metrics. Both sides train the same trial and have to
give the same numbers. The epoch that builds its view is stated beside those that find it.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from harness import Condition, Figures, publish, spread

from carsray.cli.options import split_data
from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import TrainingData, training_data
from carsray.data.drawn.folder import draw_cars
from carsray.progress import bar
from carsray.training.fit import EpochResult, fit

PARTS = {"head_only": (0, 100.0), "last_three_blocks": (3, 3.0)}
"""unfreeze_depth, and how many times faster an epoch has to be."""


@dataclass(frozen=True, slots=True)
class Lap:
    """One epoch."""

    seconds: float
    metrics: dict[str, float]


def laps(config: TrialConfig, data: TrainingData, run: RunConfig) -> Iterator[Lap]:
    """The epochs of a trial; the start, which the first epoch reports, is left out."""
    began = time.perf_counter()
    for event in fit(config, data, run):
        if isinstance(event, EpochResult):
            yield Lap(time.perf_counter() - began - event.seconds.get("start", 0.0), event.metrics)
            began = time.perf_counter()


def compare(config: TrialConfig, data: TrainingData, run: RunConfig, repeats: int) -> Figures:
    """Epochs with and without the cache, in turn, after one trial that builds the views."""
    building = list(laps(config, data, run))
    cached: list[Lap] = []
    uncached: list[Lap] = []
    for _ in range(repeats):
        uncached += laps(config, data, run.model_copy(update={"prefix_cache_bytes": 0}))
        cached += laps(config, data, run)
    apart = max(
        abs(one.metrics[key] - other.metrics[key])
        for one, other in zip(cached, uncached, strict=True)
        for key in ("train/loss", "val/loss", "val/accuracy")
    )
    median = statistics.median(lap.seconds for lap in uncached)
    return {
        "times_faster": round(median / statistics.median(lap.seconds for lap in cached), 1),
        "uncached_epoch_seconds": spread([lap.seconds for lap in uncached]),
        "cached_epoch_seconds": spread([lap.seconds for lap in cached]),
        "building_epoch_seconds": spread([lap.seconds for lap in building]),
        "largest_difference_of_metrics": apart,
    }


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """Both depths on one data set."""
    if options.data is None:
        draw_cars(folder / "cars", *((4, 20) if options.quick else (20, 80)), size=128)
    config = TrialConfig(
        backbone="mobilenet_v2",
        weights=str(options.weights),
        image_size=64 if options.quick else options.image_size,
        epochs=1 if options.quick else 3,
    )
    split = split_data(options.data or folder / "cars", config, folder)
    with bar("Packing") as report:
        data = training_data(split, config, folder, report)
    repeats = 1 if options.quick else options.repeats
    figures = {}
    for name, (depth, _) in PARTS.items():
        chosen = config.model_copy(update={"unfreeze_depth": depth})
        figures[name] = compare(chosen, data, RunConfig(cache=folder, threads=options.threads), repeats)
        print(name, figures[name], flush=True)
    conditions = [
        Condition(f"{name.replace('_', ' ')}: times faster", figures[name]["times_faster"], asked)
        for name, (_, asked) in PARTS.items()
    ]
    facts = {"pictures": {"train": len(split.train), "val": len(split.val)}, "threads": options.threads}
    return {**figures, **facts, "image_size": config.image_size, "batch_size": config.batch_size}, conditions


def main() -> None:
    """Measure in a folder of its own, which goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder or CSV; else cars are drawn")
    parser.add_argument("--weights", default="none", help="imagenet, or a file; the time does not depend on them")
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="trials of three epochs; the median epoch counts")
    parser.add_argument("--quick", action="store_true", help="a smoke run: few, small pictures; nothing is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carsray-bench-") as folder:
        publish("prefix", partial(measure, options, Path(folder)), keep=not options.quick)


if __name__ == "__main__":
    main()
