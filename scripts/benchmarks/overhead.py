"""What a sweep costs beside training: trials that do nothing, in carsray and in plain Ray Tune with OptunaSearch.

    scripts/bench overhead

Both search the space of the other benchmarks under ASHA; the score of a config is the same on both sides and takes no
time. carsray runs its whole sweep, record and view included; only the training process is one that answers at once.
Starting Ray is counted for neither side.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import ray
from harness import Condition, Figures, publish, significant
from idle import score
from idle_sweep import idle_sweep
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from carsray.cluster.connect import connected

SLOWEST, GROWTH = 1.0, 1.5
"""Of plain Ray Tune's time; and of a trial's time in the long sweep, by that in the short one."""


def by_carsray(trials: int, concurrent: int, folder: Path) -> Figures:
    """A sweep, from its folder to the last row of its table."""
    began = time.perf_counter()
    _, ended = idle_sweep(folder, trials, concurrent, pictures=2000)  # as large as a real split
    assert all(row.state in ("finished", "pruned") for row in ended), [row.reason for row in ended if row.reason][:1]
    return _figures(time.perf_counter() - began, trials, sum(row.epochs for row in ended))


def by_plain_ray_tune(trials: int, concurrent: int, folder: Path) -> Figures:
    """The sweep that a user would otherwise write."""
    space = {
        "unfreeze_depth": tune.choice([0, 3, 8, "all"]),
        "optimizer": tune.choice(["adam", "adamw", "sgd"]),
        "lr": tune.loguniform(1e-4, 1e-1),
        "weight_decay": tune.loguniform(1e-6, 1e-2),
        "batch_size": tune.choice([16, 32, 64]),
        "dropout": tune.uniform(0.0, 0.5),
    }

    def trial(config: dict[str, Any]) -> None:
        for epoch in range(1, 10):
            tune.report({"val_accuracy": score(config, epoch), "epoch": epoch})

    began = time.perf_counter()
    results = tune.Tuner(
        tune.with_resources(trial, {"cpu": ray.cluster_resources()["CPU"] / concurrent}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=trials,
            max_concurrent_trials=concurrent,
            search_alg=OptunaSearch(seed=0),
            scheduler=ASHAScheduler(max_t=9, grace_period=1, reduction_factor=3),
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "plain"), verbose=0),
    ).fit()
    assert not results.num_errors
    seconds = time.perf_counter() - began
    return _figures(seconds, trials, sum(result.metrics["epoch"] for result in results))


def _figures(seconds: float, trials: int, epochs: int) -> Figures:
    per_trial = significant(1000 * seconds / trials)
    return {"trials": trials, "epochs": epochs, "seconds": round(seconds, 2), "milliseconds_per_trial": per_trial}


def measure(options: argparse.Namespace, folder: Path) -> tuple[Figures, list[Condition]]:
    """carsray at both lengths and plain Ray Tune at the short one, on one Ray."""
    short, long = (8, 16) if options.quick else (options.trials, 10 * options.trials)
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    with connected(None):
        _start_workers(options.concurrent)
        figures: Figures = {"carsray": by_carsray(short, options.concurrent, folder)}
        print("carsray:", figures["carsray"], flush=True)
        figures["plain_ray_tune"] = by_plain_ray_tune(short, options.concurrent, folder)
        print("plain Ray Tune:", figures["plain_ray_tune"], flush=True)
        figures["carsray_long"] = by_carsray(long, options.concurrent, folder)
    share = figures["carsray"]["seconds"] / figures["plain_ray_tune"]["seconds"]
    one, many = (figures[name]["milliseconds_per_trial"] for name in ("carsray", "carsray_long"))
    return {**figures, "concurrent": options.concurrent}, [
        Condition(f"{short} trials: share of plain Ray Tune's time", share, SLOWEST, at_most=True),
        Condition(f"a trial of {long} by one of {short}", many / one, GROWTH, at_most=True),
    ]


def _start_workers(count: int) -> None:
    """Ray's first workers, which whoever comes first would pay for."""
    ray.get([ray.remote(lambda: time.sleep(1)).remote() for _ in range(count)])


def main() -> None:
    """Measure in a folder of its own, which goes with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="of the short sweep; the long one has tenfold")
    parser.add_argument("--concurrent", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="a smoke run: 8 and 16 trials; nothing is written")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="carsray-bench-") as folder:
        work = partial(measure, options, Path(folder))
        publish("overhead", work, ("ray", "optuna"), keep=not options.quick)


if __name__ == "__main__":
    main()
