"""A whole sweep against the one that a user would otherwise write on plain Ray Tune (plain_ray_tune.py).

    scripts/bench sweep --data STANFORD_CARS --weights mobilenet_v2_backbone.pth          three seeds: about two hours
    scripts/bench sweep ... --seeds 0                                                     one
    scripts/bench sweep ... --own-seeds 0      our own space on the first seed only: half an hour less
    scripts/bench sweep ... --log runs.jsonl            keeps every run; called again, it goes on with those that lack

Same pictures, split, space, number of trials, epochs and processors; both sides begin with nothing on disk. Both are
timed from the start of a command to its end: imports, Ray's start and end and, for carsray, inspection and packing are
in it. The other side's curve has a clock of its own, which begins once Ray has started: in times to a score a few
seconds are in its favour.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from harness import Condition, Figures, publish, significant
from small_sweep import COMMAND

from carsray.commit import git_commit
from carsray.results import BEST, SweepFolder

HERE = Path(__file__).parent
BASELINE = HERE / "plain_ray_tune.py"
SPACES = {
    "bench": Path("search_spaces/bench_mobilenet_v2.toml"),
    "own": Path("search_spaces/transfer_mobilenet_v2.toml"),
}
Curve = list[tuple[float, float]]
"""(seconds since the start, best validation accuracy by then), whenever it rose."""


def baseline(options: argparse.Namespace, seed: int) -> Figures:
    """What plain_ray_tune.py prints, and how long it took."""
    with tempfile.TemporaryDirectory() as storage:
        asked = [*_pictures(options), "--seed", str(seed), "--storage", storage]
        size = ["--trials", str(options.trials), "--epochs", str(options.epochs), "--concurrent", "2"]
        clock = time.perf_counter()
        done = subprocess.run([sys.executable, BASELINE, *asked, *size], stdout=subprocess.PIPE, text=True, check=True)
        seconds = time.perf_counter() - clock
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return {**found, "seconds": round(seconds, 1), "seconds_of_search": found["seconds"]}


def ours(options: argparse.Namespace, seed: int, space: Path, split: Path) -> Figures:
    """The same figures of one `carsray sweep`, in folders of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        asked = ["--data", split, "--trials", options.trials, "--epochs", options.epochs, "--seed", seed]
        pins = ["--set", f"weights={options.weights}", "--set", f"image_size={options.image_size}"]
        where = ["--results", scratch, "--cache", f"{scratch}/cache", "--name", "sweep"]
        command = [COMMAND, "sweep", space, *asked, *pins, *where]
        began, clock = time.time(), time.perf_counter()
        subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, check=True)
        seconds = time.perf_counter() - clock
        trials = list(SweepFolder(Path(scratch) / "sweep").all_trials())
        epochs = [(line["time"] - began, line[BEST]) for trial in trials for line in trial.read_history()]
        best = max(trials, key=lambda trial: max((line[BEST] for line in trial.read_history()), default=-math.inf))
        return {
            "seconds": round(seconds, 1),
            "trials": len(trials),
            "errors": sum(trial.read_state().state == "failed" for trial in trials),
            "epochs_trained": len(epochs),
            "best_val_accuracy": max(score for _, score in epochs),
            "best_config": best.read_params(),
            "curve": rises(epochs),
        }


def rises(epochs: list[tuple[float, float]]) -> Curve:
    """The points at which the best so far rose."""
    curve: Curve = []
    for seconds, score in sorted(epochs):
        if not curve or score > curve[-1][1]:
            curve.append((round(seconds, 1), score))
    return curve


def seconds_to(curve: Curve, target: float) -> float:
    """When a curve first reached a score; infinite if it did not."""
    return next((seconds for seconds, score in curve if score >= target), math.inf)


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """Both sides for every seed, carsray first; what is in the log is not run again."""
    runs = read_log(options.log)
    with tempfile.TemporaryDirectory() as scratch:
        split = Path(scratch) / "split.csv"
        subprocess.run([sys.executable, BASELINE, *_pictures(options), "--write-split", split], check=True)
        sides = {name: partial(ours, options, space=space, split=split) for name, space in SPACES.items()}
        for seed in options.seeds:
            for name, side in {**sides, "baseline": partial(baseline, options)}.items():
                if (name, seed) not in runs and (name != "own" or seed in options.own_seeds):
                    runs[name, seed] = {"commit": git_commit(), "load_before": os.getloadavg()[0], **side(seed=seed)}
                    write_log(options.log, name, seed, runs[name, seed])
    found = {name: {s: runs[name, s] for s in options.seeds if (name, s) in runs} for name in (*SPACES, "baseline")}
    return {"runs": found}, conditions(found)


def conditions(runs: dict[str, dict[int, Figures]]) -> list[Condition]:
    """What is asked, over the seeds that were run."""
    others, bench = runs["baseline"], runs["bench"]
    whole = [others[seed]["seconds"] / run["seconds"] for seed, run in bench.items()]
    points = [100 * (run["best_val_accuracy"] - others[seed]["best_val_accuracy"]) for seed, run in bench.items()]
    return [
        Condition("times faster: the whole search (median over seeds)", significant(statistics.median(whole)), 10),
        Condition("times faster: to the baseline's best, bench space", _to_best(runs, "bench"), 10),
        Condition("times faster: to the baseline's best, own space", _to_best(runs, "own"), 20),
        Condition("points of accuracy above the baseline, bench space", significant(statistics.mean(points)), -1),
    ]


def _to_best(runs: dict[str, dict[int, Figures]], name: str) -> float:
    """The median over seeds; a seed in which we never reached it counts as zero."""
    ratios = []
    for seed, mine in runs[name].items():
        other = runs["baseline"][seed]
        target = other["best_val_accuracy"]
        ratios.append(seconds_to(other["curve"], target) / seconds_to(mine["curve"], target))
    return significant(statistics.median(ratios))


def read_log(path: Path | None) -> dict[tuple[str, int], Figures]:
    """The runs that were made before."""
    lines = path.read_text().splitlines() if path and path.exists() else []
    found = [json.loads(line) for line in lines]
    return {(run.pop("side"), run.pop("seed")): run for run in found}


def write_log(path: Path | None, name: str, seed: int, found: Figures) -> None:
    """One line a run, for whoever waits."""
    line = json.dumps({"side": name, "seed": seed, **found})
    print(line, flush=True)
    if path:
        with path.open("a") as file:
            file.write(line + "\n")


def _pictures(options: argparse.Namespace) -> list[str]:
    named = {"data": options.data, "weights": options.weights, "classes": options.classes}
    return [
        part for key, value in {**named, "image-size": options.image_size}.items() for part in (f"--{key}", str(value))
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of Stanford Cars, devkit included")
    parser.add_argument("--weights", type=lambda text: Path(text).resolve(), required=True)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--own-seeds", type=int, nargs="+", help="seeds on which our own space runs; else all")
    parser.add_argument("--log", type=Path, help="a line of JSON after each run")
    options = parser.parse_args()
    options.own_seeds = options.own_seeds or options.seeds
    return options


if __name__ == "__main__":
    options = parse()
    publish("sweep", lambda: measure(options), packages=("torch", "torchvision", "ray", "optuna"))
