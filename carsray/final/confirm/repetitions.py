"""The repetitions of the finalists: which there are, and what each leaves in the sweep's folder."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from carsray.config import TrialConfig
from carsray.data.folds import fold
from carsray.data.records import DataSplit
from carsray.errors import ResultsError
from carsray.files import read_csv, write_csv
from carsray.final.confirm.finalists import Finalist
from carsray.results import SweepFolder
from carsray.seed import derive
from carsray.training.folder import TrainingFolder


@dataclass(frozen=True, eq=False)
class Repetition:
    """A finalist, trained again."""

    finalist: Finalist
    number: int
    """From 0; all finalists' repetitions of a number judge on the same pictures."""
    config: TrialConfig
    split: DataSplit
    folder: "RepetitionFolder"

    @property
    def name(self) -> str:
        """As a person reads it."""
        return f"trial {self.finalist.trial}, repetition {self.number + 1}"

    @property
    def epochs(self) -> int:
        """Of its training."""
        return self.config.epochs

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What decides its result."""
        facts = {"trial": self.finalist.trial, "repetition": self.number, "fingerprint": self.split.fingerprint}
        return {**facts, "config": self.config.model_dump(mode="json")}

    def done(self) -> bool:
        """Whether its answers are there, and are those of these settings and pictures."""
        return self.folder.answers.exists() and self.folder.read_settings() == self.settings


class RepetitionFolder(TrainingFolder):
    """confirm/<trial>/seed-<number>/ of a repetition."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.answers = root / "answers.csv"

    def begin(self, settings: dict[str, Any]) -> None:
        """Write the settings; what an earlier attempt left goes."""
        self.answers.unlink(missing_ok=True)
        self.write_settings(settings)

    def write_answers(self, split: DataSplit, predicted: np.ndarray) -> None:
        """What each picture of val (N,) was taken for at the last epoch: the repetition is done."""
        rows = [(row.path, row.label, int(guess)) for row, guess in zip(split.val, predicted, strict=True)]
        write_csv(self.answers, ("path", "label", "predicted"), rows)

    def read_right(self) -> tuple[list[str], np.ndarray]:
        """The pictures, and bool (N,) whether each was taken for what it is. Raises ResultsError."""
        try:
            lines = read_csv(self.answers, "surrogateescape")
            right = [int(line["label"]) == int(line["predicted"]) for line in lines]
            return [line["path"] for line in lines], np.array(right, dtype=bool)
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise ResultsError(f"{self.answers}: cannot be read ({error}). Delete it to have it made anew") from None


def plan_repetitions(
    folder: SweepFolder, finalists: list[Finalist], split: DataSplit, seeds: int, seed: int
) -> list[Repetition]:
    """Every finalist so many times, number by number, so that an early end leaves all with as many.

    Each training has a seed of its own: seeds in common would move all finalists together, and what they answer
    differently could no longer say how much a seed matters. Pictures and their augmentation are in common.
    """
    made = []
    for number in range(seeds):
        pictures, views = fold(split, number, seed), derive(seed, "confirm", "views", number)
        for finalist in finalists:
            own = derive(seed, "confirm", finalist.trial, number)
            config = finalist.config.model_copy(update={"seed": own, "view_seed": views})
            place = folder.root / "confirm" / f"{finalist.trial:04d}" / f"seed-{number}"
            made.append(Repetition(finalist, number, config, pictures, RepetitionFolder(place)))
    return made
