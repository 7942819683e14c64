"""results/<name>/ of a reproduction: what was asked, every run, and the tables and charts made of them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from carsray.data.records import Row, SplitName
from carsray.errors import ResultsError
from carsray.files import write_bytes, write_json, write_text
from carsray.published.plan import Run
from carsray.published.work import Measured
from carsray.training.answers import confusion, most_confused
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
        frame = pd.DataFrame({"path": [row.path for row in rows], **answers})
        write_text(self.root / f"answers-{side}.csv", frame.to_csv(index=False))
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
        frame = pd.read_csv(self.root / f"answers-{side}.csv", encoding_errors="surrogateescape")
        return {str(name): frame[name].to_numpy() for name in frame.columns if name != "path"}

    def missing(self, run: Run) -> list[SplitName]:
        """The parts of the data that this run was not measured on yet."""
        done = self.read_metrics()
        return [side for side in run.experiment.splits if side not in done]


def write_confusion(
    root: Path, side: SplitName, predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]
) -> None:
    """Write how often each class was taken for each, and the pairs confused most often, of class numbers (N,)."""
    counts = confusion(predicted, labels, len(classes))
    write_text(root / f"confusion-{side}.csv", pd.DataFrame(counts, classes, classes).to_csv())
    pairs = pd.DataFrame([asdict(pair) for pair in most_confused(counts, classes)])
    write_text(root / f"confused-{side}.csv", pairs.to_csv(index=False))


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
