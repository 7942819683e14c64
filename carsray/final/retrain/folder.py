"""results/<name>/retrain/: every training of a retrain, what came out on test, and the summary."""

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from carsray.config import TrialConfig
from carsray.data.records import DataSplit
from carsray.errors import ResultsError
from carsray.files import append_line, write_bytes, write_json
from carsray.results import SweepFolder, cut_history
from carsray.training.folder import TrainingFolder
from carsray.training.standing import snapshot_standing
from carsray.training.whole import EpochEnd, Terms, Trained

TWIN = "twin"


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a retrain: on train and val with one seed, or the twin on train alone."""

    name: str
    config: TrialConfig
    split: DataSplit
    terms: Terms
    micro_batches: int = 1
    """Parts that each batch is cut into; like workers, no part of what the result is named by."""

    @property
    def epochs(self) -> int:
        """Of its training."""
        return self.config.epochs

    @property
    def key(self) -> str:
        """Names what decides the result."""
        parts = json.dumps([self.config.key(), self.split.fingerprint, asdict(self.terms)])
        return hashlib.sha256(parts.encode()).hexdigest()[:12]


class RetrainedFolder(TrainingFolder):
    """Of one training. What is done under the same key stays; under another, the training starts over."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.checkpoint = root / "checkpoint.safetensors"
        self.last = root / "last.safetensors"
        self.averaged = root / "averaged.safetensors"
        self.snapshot = root / "snapshot.safetensors"
        self.answers = root / "answers-val.csv"

    def done(self, training: Training) -> bool:
        """Whether the weights are there."""
        kept = [self.last, self.averaged] if training.terms.decay else [self.checkpoint]
        return self._key() == training.key and all(path.exists() for path in kept)

    def begin(self, training: Training, workers: int, gpus: float) -> bytes | None:
        """Make ready for a training, which goes on from its snapshot where one is returned."""
        snapshot = self._going_on(training) if self._key() == training.key else None
        if snapshot is None:
            for path in (self.history, self.checkpoint, self.last, self.averaged, self.snapshot, self.answers):
                path.unlink(missing_ok=True)
        self.failed.unlink(missing_ok=True)
        about = {"key": training.key, "workers": workers, "gpus": gpus, "fingerprint": training.split.fingerprint}
        config = {"config": training.config.model_dump(mode="json"), **asdict(training.terms)}
        write_json(self.config, about | {"pictures": len(training.split.train)} | config)
        return snapshot

    def add_end(self, epoch: EpochEnd) -> None:
        """Add a line to the history, with when and on what."""
        seconds = {f"seconds/{part}": value for part, value in epoch.seconds.items()}
        about = {"device": epoch.device, "time": round(time.time(), 2)}
        self.add_epoch({"epoch": epoch.epoch, **epoch.metrics, **seconds, **about})

    def read_gpus(self) -> float:
        """How many GPUs it was trained on."""
        return float(self.read_settings().get("gpus", 0.0))

    def read_workers(self) -> int:
        """How many workers shared it."""
        return int(self.read_settings().get("workers", 1))

    def write_trained(self, trained: Trained) -> None:
        """Keep the weights. Beside an average it is open which of the two count, until `settle`."""
        if trained.averaged is None:
            write_bytes(self.checkpoint, trained.checkpoint)
        else:
            write_bytes(self.averaged, trained.averaged)
            write_bytes(self.last, trained.checkpoint)
        self.snapshot.unlink(missing_ok=True)

    def settle(self, averaged: bool) -> None:
        """Make the average, or the weights of the last step, the checkpoint."""
        write_bytes(self.checkpoint, (self.averaged if averaged else self.last).read_bytes())

    def _going_on(self, training: Training) -> bytes | None:
        """The snapshot, with the history cut to where it was made; None where none can be read."""
        try:
            snapshot = self.snapshot.read_bytes()
            epochs, _ = snapshot_standing(snapshot, training.config)
        except (OSError, ResultsError):
            return None
        cut_history(self.history, epochs)
        return snapshot

    def _key(self) -> str | None:
        return self.read_settings().get("key")


class RetrainFolder:
    """Of the retrain of one sweep; running it again goes on where it ended."""

    def __init__(self, sweep: SweepFolder) -> None:
        self.sweep = sweep
        self.root = sweep.root / "retrain"
        self.record = self.root / "retrain.json"
        self.runs = self.root / "runs.jsonl"
        self.answers = self.root / "answers-test.csv"
        self.classes = self.root / "classes-test.csv"
        self.ledger = sweep.root / "test_ledger.jsonl"
        self.retrieval = sweep.root / "retrieval.json"

    def training(self, name: str) -> RetrainedFolder:
        """The folder of one training."""
        return RetrainedFolder(self.root / name)

    def append_run(self, event: str) -> None:
        """Note that a process began or ended to work on it."""
        self.root.mkdir(parents=True, exist_ok=True)
        append_line(self.runs, json.dumps({"event": event, "time": round(time.time(), 2)}))
