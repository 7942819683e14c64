"""How busy a sweep keeps the machine: training pictures per second, against the same networks on one resident batch.

    scripts/bench utilisation --data split.csv --weights mobilenet_v2.pth       runs a sweep, then measures the limit
    scripts/bench utilisation --sweep results/cars-1                            takes one that was run just now

The limit of a trial is its network, batch size and optimiser on one batch that lies in memory, where the frozen part
is cached in its activations; as many processes measure it at once as the sweep ran trials. Every trial counts by the
pictures it trained. Where the sweep's seconds went, start and validation included, is stated beside.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

import torch
from harness import Condition, Figures, publish, significant
from resident import network_on, training_step, wait
from small_sweep import COMMAND

from carsray.cluster.connect import Node
from carsray.config import RunConfig, SweepSettings, TrialConfig
from carsray.data.batches import TrainingData, train_batches, train_rows, training_data
from carsray.data.drawn.folder import draw_cars
from carsray.data.records import DataSplit
from carsray.results import SweepFolder
from carsray.training.boundary import at_boundary
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.forked import KEEP_HEAP, SHORT_SPIN
from carsray.training.prefix_cache import PrefixCache, View
from carsray.tuning.resources import Resources, share_out
from carsray.tuning.sweep import read_record
from carsray.tuning.timing import pictures_trained

BUSY_PERCENT = 90.0
SHAPE = ("backbone", "image_size", "unfreeze_depth", "batch_size", "optimizer", "depth", "width", "hidden", "precision")
"""What the time of a step depends on: trials alike in these share one measurement."""
Shape = tuple[object, ...]


def run_sweep(options: argparse.Namespace, folder: Path) -> SweepFolder:
    """A sweep over the space of the other benchmarks, by the command that a user gives."""
    data, space = options.data, "search_spaces/bench_mobilenet_v2.toml"
    asked = ["--trials", str(options.trials), "--set", f"weights={options.weights}", "--name", "busy"]
    if data is None:
        draw_cars(data := folder / "cars", *((4, 20) if options.quick else (20, 80)), size=128)
    if options.quick:
        asked += ["--set", "image_size=64"]
    command = [str(COMMAND), "sweep", space, "--data", str(data), *asked]
    subprocess.run([*command, "--results", str(folder), "--cache", str(folder / "cache")], check=True)
    return SweepFolder(folder / "busy")


def limit(config: TrialConfig, data: TrainingData, run: RunConfig, seconds: float) -> float:
    """Training pictures per second on one resident batch."""
    device = resolve_device(run)
    torch.set_num_threads(run.threads)
    network = network_on(device, config, len(data.classes))
    dtype, step = compute_dtype(device, config), training_step(network, config)
    view = _view(PrefixCache(run.cache / "activations", run.prefix_cache_bytes, network, config, dtype), data)
    rows = next(train_rows(data.train, config, 1))
    batch = next(view.batches(data.train, [rows]) if view else train_batches(data.train, config, 1, device))
    batches = repeat(batch) if view else at_boundary(network, repeat(batch), dtype)

    def go() -> None:
        entering = next(batches)
        step(entering.images, entering.labels)
        wait(device)

    go()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds or steps < 3:
        go()
        steps += 1
    return steps * len(rows) / (time.perf_counter() - began)


def _view(cache: PrefixCache, data: TrainingData) -> View | None:
    """The view of the first epoch, as a trial finds it; none where the frozen part is not worth caching."""
    building = cache.train_view(data.train, 1)
    while True:
        try:
            next(building)
        except StopIteration as end:
            view: View | None = end.value
            return view


def _limit(job: tuple[TrialConfig, DataSplit, RunConfig, float]) -> float:
    config, split, run, seconds = job
    return limit(config, training_data(split, config, run.cache), run, seconds)


def limits(
    shapes: dict[Shape, TrialConfig], split: DataSplit, settings: SweepSettings, share: Resources, seconds: float
) -> dict[Shape, float]:
    """Of each shape, with as many processes at once as the sweep had; the mean of what they reach."""
    run, found = RunConfig(device=share.device, cache=settings.cache, threads=share.threads), {}
    os.environ.update(KEEP_HEAP | SHORT_SPIN)  # as training processes have it: what is faster there is faster here
    with get_context("spawn").Pool(share.concurrent) as pool:
        for shape, config in shapes.items():
            jobs = [(config, split, run, seconds)] * share.concurrent
            rates = pool.map(_limit, jobs, chunksize=1)
            found[shape] = sum(rates) / len(rates)
            print(dict(zip(SHAPE, shape, strict=True)), f"{found[shape]:.0f} pictures a second", flush=True)
    return found


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """Add up what the trials did, and what they could have done."""
    done = SweepFolder(options.sweep) if options.sweep else run_sweep(options, folder)
    _, split, settings = read_record(done)
    share = share_out([Node("here", os.cpu_count() or 1, torch.cuda.device_count())], settings)
    shapes: dict[Shape, TrialConfig] = {}
    pictures: dict[Shape, int] = defaultdict(int)
    training: dict[Shape, float] = defaultdict(float)
    went: Counter[str] = Counter()
    for trial in done.all_trials():
        config = trial.read_trial_config()
        shape = tuple(getattr(config, name) for name in SHAPE)
        shapes.setdefault(shape, config)
        for epoch in trial.read_history():
            went.update({key.removeprefix("seconds/"): epoch[key] for key in epoch if key.startswith("seconds/")})
            training[shape] += epoch["seconds/data"] + epoch["seconds/compute"]
            pictures[shape] += pictures_trained(epoch, len(split.train), config.batch_size)
    rates = limits(shapes, split, settings, share, 0.2 if options.quick else options.seconds)
    actual, least = sum(training.values()), sum(pictures[shape] / rates[shape] for shape in shapes)
    busy = 100 * least / actual
    varied = [name for name, values in zip(SHAPE, zip(*shapes, strict=True), strict=True) if len({*values}) > 1]
    return {
        "pictures_trained": sum(pictures.values()),
        "pictures_per_second": significant(sum(pictures.values()) / actual),
        "limit_pictures_per_second": significant(sum(pictures.values()) / least),
        "trials": len(list(done.all_trials())),
        "concurrent": share.concurrent,
        "threads": share.threads,
        "percent_of_all_slot_seconds": significant(100 * least / sum(went.values())),
        "where_the_seconds_went": {name: round(seconds, 1) for name, seconds in went.most_common()},
        "shapes": [
            {
                **{name: value for name, value in zip(SHAPE, shape, strict=True) if name in varied},
                "pictures": pictures[shape],
                "percent": significant(100 * pictures[shape] / rates[shape] / training[shape]),
            }
            for shape in shapes
        ],
    }, [Condition("% of the machine's limit", busy, BUSY_PERCENT)]


def main() -> None:
    """Measure a given sweep, or one of its own in a folder that goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", type=Path, help="the results folder of a sweep on this machine; else one is run")
    parser.add_argument("--data", type=Path, help="a folder or CSV for the sweep; else cars are drawn")
    parser.add_argument("--weights", default="none", help="imagenet, or a file; the time does not depend on them")
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement of a limit")
    parser.add_argument("--quick", action="store_true", help="a smoke run: small pictures; nothing is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carsray-bench-") as folder:
        publish("utilisation", partial(measure, options, Path(folder)), keep=not options.quick)


if __name__ == "__main__":
    main()
