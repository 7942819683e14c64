"""How fast one trial trains: pictures per second within `fit`, against the same network on one resident batch.

    scripts/bench fit --device cuda
    scripts/bench fit --device cpu --backbone mobilenet_v2 --image-size 64 --batch-size 16 --pictures 256

An epoch of `fit` cuts its batches from a pack of drawn cars, augments them and keeps the score; the limit is as many
steps on one batch that lies on the device. Network, optimiser, precision and recording are the same, and the epochs
take turns. Start and validation are not counted. Needs neither Ray nor Optuna: where there is torch and the few small
packages that training takes (Python names the first that is missing), run this file itself, with the repository in
PYTHONPATH.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice, repeat
from pathlib import Path

import torch
from harness import Condition, Figures, in_turn, publish, seconds_of, significant, spread
from resident import network_on, training_step, wait

from carsray.cli.options import split_data
from carsray.config import RunConfig, TrialConfig, trial_config
from carsray.data.batches import TrainingData, batch_count, train_batches
from carsray.data.drawn.folder import draw_cars
from carsray.data.pack import ensure_pack
from carsray.training.boundary import at_boundary
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.fit import EpochResult, fit

BUSY_PERCENT = 95.0
MODELS, DRAWN = 8, 256
"""Car models, and pictures that are drawn at most; a larger pack holds each more than once."""
QUICK = {"backbone": "cnn", "image_size": 32, "batch_size": 16, "pictures": 64, "epochs": 2}


def cars(config: TrialConfig, pictures: int, folder: Path) -> TrainingData:
    """So many drawn cars to train on, and a few to validate."""
    draw_cars(folder / "cars", MODELS, min(pictures, DRAWN) // MODELS, size=config.packed_size)
    split = split_data(folder / "cars", config, folder)
    rows = list(islice(cycle(split.train), pictures))
    return TrainingData(ensure_pack(rows, config, folder), ensure_pack(split.val, config, folder), split.classes)


def trained(config: TrialConfig, data: TrainingData, run: RunConfig) -> Iterator[float]:
    """Pictures per second of each epoch of a trial."""
    pictures = batch_count(data.train, config) * min(config.batch_size, len(data.train.labels))
    for event in fit(config, data, run):
        if isinstance(event, EpochResult):
            yield pictures / (event.seconds["data"] + event.seconds["compute"])


def resident(config: TrialConfig, data: TrainingData, run: RunConfig) -> Iterator[float]:
    """Pictures per second of as many steps as an epoch has, on one batch, over and over."""
    device, steps = resolve_device(run), batch_count(data.train, config)
    network, dtype = network_on(device, config, len(data.classes)), compute_dtype(device, config)
    batch, step = next(train_batches(data.train, config, 1, device)), training_step(network, config)

    def epoch() -> None:
        for entering in at_boundary(network, repeat(batch, steps), dtype):
            step(entering.images, entering.labels)
        wait(device)

    while True:
        yield steps * len(batch.labels) / seconds_of(epoch)


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """Both sides, after an epoch of each that does not count."""
    settings = {name: getattr(options, name) for name in ("backbone", "image_size", "batch_size")}
    config = trial_config({**settings, "lr": 1e-3, "epochs": options.epochs + 1})
    run = RunConfig(device=options.device, threads=options.threads, cache=folder)
    data = cars(config, options.pictures, folder)
    sides = {"fit": trained(config, data, run), "resident": resident(config, data, run)}
    for side in sides.values():
        next(side)
    rates = in_turn({name: partial(next, side) for name, side in sides.items()}, options.epochs)
    percent = 100 * statistics.median(rates["fit"]) / statistics.median(rates["resident"])
    device = resolve_device(run)
    return {
        **settings,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "processor",
        "threads": run.threads,
        "precision": str(compute_dtype(device, config)).removeprefix("torch."),
        "optimizer": config.optimizer,
        "augment": config.augment,
        "pictures": len(data.train.labels),
        "fit_pictures_per_second": spread(rates["fit"]),
        "resident_pictures_per_second": spread(rates["resident"]),
        "percent": significant(percent),
    }, [Condition("% of the rate on a resident batch", percent, BUSY_PERCENT)]


def main() -> None:
    """Measure in a folder of its own, which goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cuda", "cpu"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=4096, help="in an epoch")
    parser.add_argument("--epochs", type=int, default=7, help="of each side; their median counts")
    parser.add_argument("--quick", action="store_true", help="a smoke run: a small network; nothing is written")
    options = parser.parse_args()
    if options.quick:
        parser.set_defaults(**QUICK)
        options = parser.parse_args()
    kind = resolve_device(RunConfig(device=options.device, cache=Path())).type
    with tempfile.TemporaryDirectory(prefix="carsray-bench-") as folder:
        name = f"fit-{options.backbone}-{options.batch_size}-{kind}"
        publish(name, partial(measure, options, Path(folder)), keep=not options.quick)


if __name__ == "__main__":
    main()
