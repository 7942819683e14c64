"""results/<name>/ of a reproduction: what was asked, every run, and the tables and charts made of them."""

import json
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np

from carsray.data.records import Row, SplitName
from carsray.errors import ResultsError
from carsray.files import read_csv, write_bytes, write_csv, write_json
from carsray.published.plan import Run
from carsray.published.work import Measured
from carsray.training.answers import Confused, confusion, most_confused
from carsray.training.folder import TrainingFolder


class RunFolder(TrainingFolder):
    """Of one run; its name holds the key of what decides the result, so that other settings get another folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.checkpoint = root / "checkpoint.safetensors"
        self.metrics = root / "metrics.json"

    def begin(self, run: Run) -> None:
        """Write the settings; a history of an earlier, interrupted run goes."""
        settings: dict[str, Any] = {"experiment": run.id, "seed": run.seed, "key": run.key}
        settings |= {"fingerprint": run.split.fingerprint, "test_kind": run.split.test_kind}
        settings["config"] = run.config.model_dump(mode="json")
        if run.source:
            settings |= {"embeddings": run.source.key, "retrieval": run.experiment.retrieval().model_dump()}
        self.write_settings(settings)

    def write_checkpoint(self, checkpoint: bytes) -> None:
        """Keep the weights: the training is done."""
        write_bytes(self.checkpoint, checkpoint)

    def write_measured(self, measured: Measured, rows: tuple[Row, ...], classes: tuple[str, ...]) -> None:
        """Every answer, the confusion matrix, the most confused pairs, and, last, the metrics."""
        side, answers = measured.split, measured.answers
        paths = [row.path for row in rows]
        lines = zip(paths, *answers.values(), strict=True)
        write_csv(self.root / f"answers-{side}.csv", ("path", *answers), lines)
        write_confusion(self.root, side, answers["predicted"], answers["label"], classes)
        write_json(self.metrics, self.read_metrics() | {side: measured.metrics})

    def read_metrics(self) -> dict[str, dict[str, float]]:
        """By part of the data; empty before the first."""
        try:
            return dict(json.loads(self.metrics.read_text(encoding="utf-8"))) if self.metrics.exists() else {}
        except (OSError, ValueError) as error:
            raise ResultsError(f"{self.metrics}: cannot be read ({error}). Delete it to measure again") from None

    def read_answers(self, side: SplitName) -> dict[str, np.ndarray]:
        """The columns of answers-<side>.csv but the path."""
        lines = read_csv(self.root / f"answers-{side}.csv", "surrogateescape")
        kinds = {name: int if name in ("label", "predicted") else float for name in lines[0] if name != "path"}
        return {name: np.array([kind(line[name]) for line in lines]) for name, kind in kinds.items()}

    def missing(self, run: Run) -> list[SplitName]:
        """The parts of the data that this run was not measured on yet."""
        done = self.read_metrics()
        return [side for side in run.experiment.splits if side not in done]


def write_confusion(
    root: Path, side: SplitName, predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> None:
    """Write how often each class was taken for each, and the pairs confused most often, of class numbers (N,)."""
    counts = confusion(predicted, labels, len(classes))
    rows = ((name, *row) for name, row in zip(classes, counts, strict=True))
    write_csv(root / f"confusion-{side}.csv", ("", *classes), rows)
    header = [field.name for field in fields(Confused)]
    write_csv(root / f"confused-{side}.csv", header, map(astuple, most_confused(counts, classes)))


class ReproductionFolder:
    """Of one `carsray reproduce`; running it again goes on where it ended."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.experiments = root / "experiments.toml"
        self.settings = root / "reproduce.json"
        self.ledger = root / "test_ledger.jsonl"
        self.table = root / "table.csv"
        self.report = root / "report.md"
        self.curves = root / "curves"
        self.comparison = root / "comparison.png"

    def run(self, run: Run) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self.root / "runs" / run.id / f"seed-{run.seed}-{run.key}")
