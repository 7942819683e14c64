"""One published experiment: a training, or a retrieval over another one's embeddings, as settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from carsray.config import TrialConfig, trial_config
from carsray.data.records import SplitName
from carsray.errors import ConfigError
from carsray.retrieval.names import Distance, Normalize, Vote
from carsray.space import Value


class Retrieval(BaseModel):
    """How a class is found among the nearest neighbours."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    k: int = Field(5, ge=1, le=1000)
    """Neighbours that are asked."""
    distance: Distance = "euclidean"
    normalize_embeddings: Normalize = "none"
    """What is done to embeddings before they are compared."""
    vote: Vote = "majority"


class Reporting(BaseModel):
    """What is measured after training."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    average: Literal["macro", "weighted"] = "macro"
    """Of precision, recall and F1 over the classes, in the tables; both are stored."""
    report: list[Literal["test", "val"]] = ["test"]
    """The parts of the data that the tables are about."""
    evaluate: Literal["last", "best"] = "last"
    """The weights of the last epoch, or of the best validation epoch."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """One [[experiment]] with all that it takes over from elsewhere."""

    id: str
    title: str
    settings: Mapping[str, Value]
    """Of the training (names of TrialConfig), or of the retrieval."""
    reporting: Reporting
    embeddings: str | None = None
    """The training experiment whose embeddings a retrieval searches."""

    @property
    def splits(self) -> tuple[SplitName, ...]:
        """What the tables are about, in the order of the file."""
        return tuple(self.reporting.report)

    def config(self, seed: int = 0) -> TrialConfig:
        """The whole configuration of a training. Raises ConfigError where settings do not fit together."""
        return trial_config({**self.settings, "seed": seed, "view_seed": seed}, self.id)

    def retrieval(self) -> Retrieval:
        """The settings of a retrieval."""
        return Retrieval.model_validate(dict(self.settings))


@dataclass(frozen=True, slots=True)
class Experiments:
    """An experiments file."""

    name: str
    text: str
    all: Mapping[str, Experiment]
    """By id, in the order of the file."""

    def of(self, name: str) -> Experiment:
        """The experiment of that id. Raises ConfigError, naming those that are there."""
        if name not in self.all:
            raise ConfigError(f"experiment {name!r}: {self.name} has {', '.join(self.all)}")
        return self.all[name]
