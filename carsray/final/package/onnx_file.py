"""model.onnx: the network for onnxruntime and its like, held against torch on real pictures before it is handed on."""

import importlib.util
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from carsray.config import TrialConfig
from carsray.errors import ConfigError, ResultsError
from carsray.final.inference import LogitsAndEmbedding, infer
from carsray.final.preprocessing import prepare
from carsray.models.network import Network

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20
"""torch's exporter writes it without converting; onnxruntime has it since 1.17."""
LIMIT = 1e-4
"""Largest difference from torch that is handed on; where values are larger than 1, of the largest one.

float32 itself is not finer: MobileNetV2's embeddings are up to 9e-5 from those in float64 under onnxruntime, 6e-5 under
torch, and their largest value is 6.
"""
PICTURES = 64
"""How many real pictures both are shown."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far onnxruntime's answers are from torch's on the processor."""

    pictures: int
    logits: float
    """Largest absolute difference."""
    embedding: float
    limit: float = LIMIT
    opset: int = OPSET


def require_onnx() -> None:
    """Raises ConfigError, with the command that installs them, where packages are missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"model.onnx needs {', '.join(missing)}: pip install {' '.join(missing)}; or leave it out with --no-onnx"
        )


def write_onnx(network: Network, config: TrialConfig, path: Path) -> None:
    """Write a network on the processor, in eval mode. Input: pictures; outputs: logits, embedding; any batch size."""
    side = config.image_size
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        program: Any = torch.onnx.export(
            LogitsAndEmbedding(network).eval(),
            (torch.zeros(2, 3, side, side),),  # two, since torch takes a batch of one for a constant
            input_names=["pictures"],
            output_names=["logits", "embedding"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    for part in (program.model, program.model.graph, *program.model.graph):
        part.metadata_props.clear()  # tracebacks with the paths of this machine
    program.save(path, external_data=False)


def check_parity(network: Network, config: TrialConfig, path: Path, squares: np.ndarray) -> Parity:
    """Show both the same squares uint8 (N, S, S, 3). Raises ResultsError where they differ by more than allowed."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(["logits", "embedding"], {"pictures": prepare(squares, config).contiguous().numpy()})
    expected = infer(network, config, squares)
    logits, embedding = map(_difference, ("logits", "embedding"), found, expected)
    return Parity(len(squares), logits, embedding)


def _difference(name: str, ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest. Raises ResultsError where it is larger than allowed, or no number."""
    difference = float(np.abs(ours - theirs).max())
    allowed = LIMIT * max(1.0, float(np.abs(theirs).max()))
    if not difference <= allowed:
        raise ResultsError(
            f"model.onnx: {name} differ from torch's by {difference:.2g} on {len(theirs)} pictures, {allowed:.2g} is"
            " allowed. Export with --no-onnx, and report it"
        )
    return difference
