"""What an export is made of: the sweep, its data, and what `carsray retrain` left, checked."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carsray.config import SweepSettings, TrialConfig, explain, trial_config
from carsray.data.records import DataSplit
from carsray.data.remote import local_path
from carsray.data.split_file import read_split
from carsray.errors import ResultsError
from carsray.files import read_object
from carsray.final.package.gallery import SearchPoint
from carsray.models.network import Network
from carsray.results import SweepFolder
from carsray.training.checkpoint import load_checkpoint

KEPT = (
    *("space.toml", "trials.csv", "finalists.csv", "finalists.json", "winner.toml", "retrieval.json"),
    *("test_ledger.jsonl", "retrain/retrain.json", "retrain/classes-test.csv", "retrain/confused-test.csv"),
)
"""Files of a sweep that go into its package, so that each number of the card can be looked up there."""
RESTORE = "Restore it, or make it again"


class Summary(BaseModel):
    """What retrain.json says, as far as an export needs it."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    config: dict[str, Any]
    confirmed: bool = True
    """Whether its settings were repeated on fresh pictures before they were chosen."""
    trial: int | None = None
    weights: str | None = None
    """SHA-256 of the checkpoint that was asked about test; None in older records."""
    classes: list[str] = Field(min_length=2)
    fingerprint: str
    temperature: float = Field(gt=0)
    test_kind: str
    pictures: dict[str, int]
    seeds: list[int] = Field(min_length=1)
    test: dict[str, Any]
    mean: float
    mean_interval: tuple[float, float] | None
    twin: dict[str, Any]
    retrieval: dict[str, Any] | None = None
    cost: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Retrained:
    """A sweep that has been retrained."""

    sweep: SweepFolder
    settings: SweepSettings
    split: DataSplit
    summary: Summary
    config: TrialConfig
    network: Network
    """Of the first seed, as fixed in advance: on the processor, in eval mode."""

    @property
    def data(self) -> Path:
        """Where its pictures lie on this machine."""
        return Path(local_path(self.settings.data, self.settings.cache))

    def search_point(self) -> tuple[SearchPoint | None, str]:
        """How neighbours are to be found, and which file says so; none where no file does."""
        chosen = self.sweep.root / "retrieval.json"
        if self.summary.retrieval:
            return _point(self.summary.retrieval.get("point"), "retrain.json"), "retrain.json"
        if chosen.exists():
            return _point(read_object(chosen, RESTORE).get("chosen"), str(chosen)), chosen.name
        return None, "default"

    def kept(self) -> dict[str, Path]:
        """The files that go into the package, by the name that they have there."""
        files = {Path(name).name: self.sweep.root / name for name in KEPT}
        return {name: path for name, path in files.items() if path.is_file()}


def read_retrained(sweep: SweepFolder) -> Retrained:
    """Read and check. Raises ResultsError where the retraining is missing, or is of other data than the sweep's."""
    path = sweep.root / "retrain" / "retrain.json"
    command = f"carsray retrain {sweep.arguments}"
    if not path.is_file():
        raise ResultsError(f"{path}: is not there. Train the winner first: {command}")
    try:
        summary = Summary.model_validate(read_object(path, RESTORE))
    except ValidationError as error:
        raise ResultsError(f"{path}: {'; '.join(explain(error))}. Run {command} again") from None
    split = read_split(sweep.split)
    if (summary.fingerprint, tuple(summary.classes)) != (split.fingerprint, split.classes):
        raise ResultsError(f"{path}: is of other data than {sweep.split}. Run {command} again")
    checkpoint = path.parent / "seed-0" / "checkpoint.safetensors"
    network, info = load_checkpoint(checkpoint)
    config = trial_config(summary.config, str(path))
    measured = summary.weights in (None, hashlib.sha256(checkpoint.read_bytes()).hexdigest())
    if (info.config, info.classes) != (config, split.classes) or not measured:
        raise ResultsError(f"{checkpoint}: is not the model of {path.name}. Run {command} again")
    settings = SweepSettings.model_validate(sweep.read_settings()["settings"])
    return Retrained(sweep, settings, split, summary, config, network)


def _point(value: Any, place: str) -> SearchPoint:
    try:
        return SearchPoint.model_validate(value)
    except ValidationError as error:
        raise ResultsError(f"{place}: {'; '.join(explain(error))}. Run carsray retrieval again") from None
