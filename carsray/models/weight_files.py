"""Tensors by name from a file, without trusting it, and the files that torchvision publishes."""

import re
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import Tensor

from carsray.errors import WeightsError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the tensors, beside an optimiser's state and the like."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a .safetensors or torch file by name; nothing in the file is executed.

    Raises WeightsError where there is no file, or none that can be read, or where it does not hold named tensors.
    """
    try:
        path.open("rb").close()  # of a broken file torch raises all kinds of errors, OSError too
    except OSError as error:
        reason = f"cannot be read ({error.strerror or error})"
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else reason
        raise WeightsError(f"weights = {path}: {reason}; give a file, or weights = 'none'") from None
    try:
        content = load_file(path) if path.suffix.lower() == ".safetensors" else _load_torch(path)
    except Exception as error:  # a broken pickle can raise anything
        reason = "is broken, or holds more than tensors and is not safe to open"
        advice = "save a state_dict with torch.save, or a .safetensors file"
        raise WeightsError(f"weights = {path}: {reason} ({type(error).__name__}); {advice}") from error
    tensors = _named_tensors(content)
    if not tensors:
        raise WeightsError(f"weights = {path}: holds no tensors by name; save model.state_dict(), not the model")
    return tensors


def download(url: str) -> Path:
    """A published file in torch's own download folder, fetched once per node.

    Raises WeightsError where it cannot be fetched.
    """
    path = Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)
    if path.exists():
        return path
    # The name carries the first digits of the file's SHA-256.
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.exists():
                digest = digits[1] if digits else None
                torch.hub.download_url_to_file(url, str(path), digest, progress=sys.stderr.isatty())
    except (OSError, RuntimeError) as error:  # RuntimeError: the SHA-256 differs
        advice = f"give a file, put one at {path}, or set weights = 'none'"
        raise WeightsError(f"weights: cannot download {url} ({error}); {advice}") from error
    return path


def _load_torch(path: Path) -> Any:
    # Files from before torch 1.6 are no zip archives and cannot be mapped.
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def _named_tensors(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    for wrapper in WRAPPERS:
        if isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    return {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
