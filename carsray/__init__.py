"""carsray: hyper-parameter search for fine-grained image classification, on Ray."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from carsray.final.package.model import Model

__version__ = "0.1.0"


def load(folder: str | Path, device: Literal["auto", "cpu", "cuda"] = "auto") -> "Model":
    """The model that `carsray export` wrote to a folder, ready to predict.

    Raises PackageError, in one line, for a folder that is none, or is not as it was exported.
    """
    from carsray.final.package.model import load_model  # torch and all: not where carsray is only imported

    return load_model(folder, device)
