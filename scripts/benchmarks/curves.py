"""Records learning curves: random points of a space, each trained to its end, nothing stopped.

    scripts/bench curves --data split.csv --trials 100 --set weights=backbone.pth --set image_size=64 --out curves.csv

One row a trial: its number, the searched values, seconds, and for each epoch val/accuracy after it and the loss of
training in it (empty where it failed). The benchmarks `sampler` and `rungs` read such files; they need no losses. Goes
on where an interrupted run of the same command stopped.
"""

import argparse
import csv
import time
from multiprocessing import get_context
from pathlib import Path

import optuna

from carsray.cli.options import first_config, pinned_values, split_data
from carsray.config import RunConfig
from carsray.data.batches import training_data
from carsray.data.records import DataSplit
from carsray.errors import TrialFailed
from carsray.progress import bar
from carsray.seed import derive
from carsray.space import Space, Values
from carsray.space_file import load_space
from carsray.training.fit import EpochResult, fit
from carsray.tuning.search import suggest


def points(space: Space, trials: int, seed: int) -> list[Values]:
    """Random points of the space; the first n are the same for every number of trials."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=derive(seed, "points") % 2**32))
    return [suggest(space, study.ask(), {}) for _ in range(trials)]


def record(job: tuple[int, Space, Values, int, DataSplit, Path]) -> tuple[int, float, dict[str, float]]:
    """One trial, seeded as that of a sweep: its number, seconds, and what each epoch gave by the name of its column."""
    number, space, values, seed, split, cache = job
    config = space.config(values, seed=derive(seed, "trial", number), view_seed=derive(seed, "views"))
    began, found = time.perf_counter(), {}
    try:
        for event in fit(config, training_data(split, config, cache), RunConfig(cache=cache)):
            if isinstance(event, EpochResult):
                found[f"epoch_{event.epoch}"] = round(event.metrics["val/accuracy"], 4)
                found[f"loss_{event.epoch}"] = round(event.metrics["train/loss"], 4)
    except TrialFailed:
        pass  # its row ends where the loss did
    return number, time.perf_counter() - began, found


def main() -> None:
    """Record what the file does not have yet."""
    options = parse()
    space = load_space(options.space, pinned_values(options.set, options.epochs, None))
    drawn = points(space, options.trials, options.seed)
    done = {int(row["trial"]) for row in csv.DictReader(options.out.open())} if options.out.exists() else set()
    split = split_data(options.data, first_config(space), options.cache)
    jobs = [(n, space, values, options.seed, split, options.cache) for n, values in enumerate(drawn) if n not in done]
    with (
        options.out.open("a", newline="") as file,
        get_context("spawn").Pool(options.jobs) as pool,
        bar("Curves") as report,
    ):
        each = [f"{column}_{n + 1}" for column in ("epoch", "loss") for n in range(space.epochs)]
        table = csv.DictWriter(file, ["trial", *space.parameters, "seconds", *each], lineterminator="\n")
        if not done:
            table.writeheader()
        for count, (number, seconds, found) in enumerate(pool.imap_unordered(record, jobs), start=1):
            values = {name: drawn[number].get(name, "") for name in space.parameters}
            table.writerow({"trial": number, **values, "seconds": round(seconds, 1), **found})
            file.flush()
            report(count, len(jobs))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", type=Path, default=Path("search_spaces/bench_mobilenet_v2.toml"))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--jobs", type=int, default=1, help="processes, each with one thread")
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/carsray").expanduser())
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
