"""A sweep's record without a sweep: small coloured pictures, a space, and trials that say how well they did."""

from pathlib import Path
from typing import Any

from carsray.cli.options import split_data
from carsray.config import SweepSettings
from carsray.results import BEST, State, SweepFolder, TrialState, create_sweep
from carsray.space import Space, Values
from carsray.space_file import parse_space
from carsray.tuning.sweep import begin_record

TEXT = """
[fixed]
backbone = "cnn"
image_size = 16
pack_size = 20
depth = 2
hidden = 0
batch_size = 8
precision = "float32"
epochs = 2

[search]
lr = { low = 1e-4, high = 1.0, log = true }
width = { choices = [4, 8] }
"""
GOOD: Values = {"lr": 0.05, "width": 4}
WIDE: Values = {"lr": 0.05, "width": 8}
SLOW: Values = {"lr": 1e-4, "width": 4}


def write_trial(
    folder: SweepFolder, number: int, params: Values, config: dict[str, Any], scores: list[float], state: State
) -> None:
    """A trial with these accuracies, epoch by epoch."""
    trial = folder.trial(number)
    trial.root.mkdir(parents=True)
    trial.write_config(params, config)
    for epoch, score in enumerate(scores, 1):
        trial.append({"epoch": epoch, "val/accuracy": score, BEST: max(scores[:epoch])})
    trial.write_state(TrialState(state, len(scores), 1.0))


def made_sweep(
    root: Path, name: str, trials: list[tuple[Values, list[float]]], ended: bool = True, **changes: Any
) -> SweepFolder:
    """results/<name> under root, over root/pictures; ``changes`` are settings of its last trial alone."""
    space: Space = parse_space(TEXT, "tiny.toml", {})
    first = space.config(trials[0][0])
    folder = create_sweep(root / "results", name)
    settings = SweepSettings(data=root / "pictures", cache=root / "cache", trials=len(trials), seed=3)
    begin_record(folder, space, split_data(root / "pictures", first, root / "cache"), settings)
    for number, (params, scores) in enumerate(trials):
        config = space.config(params).model_dump() | (changes if number == len(trials) - 1 else {})
        write_trial(folder, number, params, config, scores, "finished")
    if ended:
        folder.append_run("ended", why="complete")
    return folder
