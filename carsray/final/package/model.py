"""An exported model, ready to answer: what `carsray.load` gives."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
import safetensors
import safetensors.torch
import torch
from scipy.special import softmax

from carsray.config import TrialConfig
from carsray.data.given import Given, squash_given
from carsray.errors import ConfigError, DataError, PackageError
from carsray.final.inference import infer
from carsray.final.package.config_file import read_config
from carsray.final.package.folder import AGAIN, Package, open_package
from carsray.final.package.gallery import Gallery, Neighbour, read_gallery
from carsray.models.build import build_network
from carsray.models.network import Network
from carsray.models.state import misfit


@dataclass(frozen=True, slots=True)
class Guess:
    """A class, and how sure the model is of it."""

    label: int
    name: str
    probability: float
    """Calibrated by temperature."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one picture."""

    guesses: tuple[Guess, ...]
    """Most probable first."""
    neighbours: tuple[Neighbour, ...]
    """Nearest first; none where none were asked for."""


class Model:
    """A network with its classes, temperature and gallery."""

    def __init__(
        self,
        folder: Path,
        config: TrialConfig,
        classes: tuple[str, ...],
        temperature: float,
        network: Network,
        gallery: Gallery,
    ) -> None:
        self.folder, self.config, self.classes, self.temperature = folder, config, classes, temperature
        self.network, self.gallery = network, gallery

    @overload
    def predict(self, images: Given, top: int = 5, k: int = 0) -> Prediction: ...  # type: ignore[overload-overlap]

    @overload
    def predict(self, images: Iterable[Given], top: int = 5, k: int = 0) -> list[Prediction]: ...

    def predict(self, images: Given | Iterable[Given], top: int = 5, k: int = 0) -> Prediction | list[Prediction]:
        """The `top` most probable classes of each picture, and its k nearest gallery pictures.

        A path, the bytes of a file, a Pillow image or an array uint8 (H, W, 3), red first, gives one Prediction; a
        sequence of them, or an array (N, H, W, 3), a list. Raises DataError, in one line, for what is no picture.
        """
        answers = self.answer(self._squares(images), top, k)
        return answers[0] if _is_one(images) else answers

    @overload
    def neighbours(self, images: Given, k: int | None = None) -> tuple[Neighbour, ...]: ...  # type: ignore[overload-overlap]

    @overload
    def neighbours(self, images: Iterable[Given], k: int | None = None) -> list[tuple[Neighbour, ...]]: ...

    def neighbours(
        self, images: Given | Iterable[Given], k: int | None = None
    ) -> tuple[Neighbour, ...] | list[tuple[Neighbour, ...]]:
        """The k nearest gallery pictures of each, nearest first; k is retrieval.json's unless given. As predict."""
        found = self.gallery.nearest(self.embed(images), k)
        return found[0] if _is_one(images) else found

    def embed(self, images: Given | Iterable[Given]) -> np.ndarray:
        """Embeddings float32 (N, D)."""
        return self.run(self._squares(images))[1]

    def read(self, image: Given) -> np.ndarray:
        """One picture, upright and squashed to what `answer` takes: uint8 (S, S, 3). Raises DataError, in one line."""
        return squash_given(image, self.config.packed_size)

    def answer(self, squares: np.ndarray, top: int = 5, k: int = 0) -> list[Prediction]:
        """As predict, for squares uint8 (N, S, S, 3) that `read` made."""
        logits, embeddings = self.run(squares)
        near = self.gallery.nearest(embeddings, k) if k else [()] * len(squares)
        return [Prediction(guesses, found) for guesses, found in zip(self.guesses(logits, top), near, strict=True)]

    def guesses(self, logits: np.ndarray, top: int = 5) -> list[tuple[Guess, ...]]:
        """The `top` most probable classes of each of logits (N, C), calibrated."""
        return [self._best(row, top) for row in softmax(logits.astype(np.float64) / self.temperature, axis=1)]

    def _best(self, shares: np.ndarray, top: int) -> tuple[Guess, ...]:
        best = np.argsort(-shares, kind="stable")[:top].tolist()
        return tuple(Guess(label, self.classes[label], float(shares[label])) for label in best)

    def _squares(self, images: Given | Iterable[Given]) -> np.ndarray:
        pictures: Iterable[Any] = [images] if _is_one(images) else images  # type: ignore[assignment]
        side = self.config.packed_size
        squares = [self.read(picture) for picture in pictures]
        return np.stack(squares) if squares else np.empty((0, side, side, 3), np.uint8)

    def run(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, C), before calibration, and embeddings (N, D), float32, of squares uint8 (N, S, S, 3)."""
        if not len(squares):
            return np.empty((0, len(self.classes)), np.float32), np.empty((0, self.network.embedding_size), np.float32)
        return infer(self.network, self.config, squares)


def load_model(folder: str | Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> Model:
    """The model of a package that `carsray export` wrote; nothing is downloaded, nothing is unpickled.

    Raises PackageError, in one line, for a folder that is none, or is not as it was exported; ConfigError for a device
    that is not there.
    """
    package = open_package(Path(folder))
    classes, temperature = _classes(package), _temperature(package)
    config = read_config(package.config)
    network = _network(package, config, len(classes))
    network.to(_device(device))
    return Model(package.root, config, classes, temperature, network, read_gallery(package))


def _device(name: str) -> torch.device:
    there = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    if name not in ("auto", *there):
        raise ConfigError(f"device = {name!r}: here there are {', '.join(['auto', *there])}")
    return torch.device(there[-1] if name == "auto" else name)


def _classes(package: Package) -> tuple[str, ...]:
    classes = package.read_json(package.classes)
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise PackageError(f"{package.classes}: is no list of names. {AGAIN}")
    return tuple(classes)


def _temperature(package: Package) -> float:
    value = package.read_json(package.calibration)
    temperature = value.get("temperature") if isinstance(value, dict) else None
    if not isinstance(temperature, float) or not 0 < temperature < math.inf:
        raise PackageError(f"{package.calibration}: temperature = {temperature!r}, a number above 0 is needed. {AGAIN}")
    return temperature


def _network(package: Package, config: TrialConfig, classes: int) -> Network:
    """All weights come from the package, the frozen ones too."""
    network = build_network(config.model_copy(update={"weights": "none"}), classes).eval()
    try:
        state = safetensors.torch.load_file(package.weights)
    except (OSError, safetensors.SafetensorError) as error:
        raise PackageError(f"{package.weights}: cannot be read ({error}). {AGAIN}") from None
    if problem := misfit(network.state_dict(), state):
        raise PackageError(f"{package.weights}: does not fit config.toml: {problem}. {AGAIN}")
    network.load_state_dict(state)
    return network.requires_grad_(False)


def _is_one(images: Given | Iterable[Given]) -> bool:
    """Whether these are a picture and not several."""
    if isinstance(images, np.ndarray):
        return images.ndim < 4
    if isinstance(images, Given):
        return True
    if isinstance(images, torch.Tensor) or not isinstance(images, Iterable):
        raise DataError(f"{type(images).__name__}: is no picture; give a path, bytes, a Pillow image or an array")
    return False
