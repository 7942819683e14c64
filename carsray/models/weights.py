"""Pretrained weights for a backbone: from torchvision's own downloads or from a file."""

import re
from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torchvision import models

from carsray.config import BACKBONES
from carsray.errors import ConfigError, WeightsError
from carsray.models.backbones import backbone_parts, skeleton
from carsray.models.network import Parts
from carsray.models.state import misfit
from carsray.models.weight_files import download, read_tensors

CLASSIFIERS = ("fc", "classifier", "head")
"""Where files keep what comes after the backbone."""
WRAPPERS = re.compile(r"^(?:(?:module|model|backbone|_orig_mod)\.)+")
"""Of names, by torch's parallel, averaged and compiled modules, by Lightning, and by carsray's own checkpoints."""


def pretrained_parts(backbone: str, weights: str) -> Parts:
    """A backbone, without its last linear layer, filled as the setting `weights` says, which is not "none".

    The last one is kept, and copied: a process that trains one trial after the other reads the file once.
    Raises ConfigError for a name that does not exist, WeightsError for a file that is missing, broken or made for
    another network, and where a download is needed and there is no network.
    """
    source = _source(backbone, weights)
    return deepcopy(_filled(backbone, source, _stamp(source)))


@lru_cache(maxsize=1)
def _filled(backbone: str, source: Path, stamp: tuple[int, int] | None) -> Parts:
    """Read from the file that bears this stamp."""
    parts = backbone_parts(backbone)
    found = _published_names(read_tensors(source))
    if problem := _problem(parts.owner, found):
        fit = _likely_backbone(found)
        hint = f"; it seems made for {fit}" if fit else ""
        advice = "use another file or backbone, or weights = 'none'"
        raise WeightsError(f"weights = {source}: does not fit {backbone}: {problem}{hint}; {advice}")
    parts.owner.load_state_dict(found, strict=False)
    return parts


def _stamp(source: Path) -> tuple[int, int] | None:
    """When a file was last written, and its size; None where there is no file."""
    with suppress(OSError):
        status = source.stat()
        return status.st_mtime_ns, status.st_size
    return None


def _source(backbone: str, weights: str) -> Path:
    """The file that holds the weights, downloaded if need be."""
    if "." in weights or "/" in weights:  # which no name has
        return Path(weights).expanduser()
    entries = models.get_model_weights(backbone).__members__
    name = "DEFAULT" if weights == "imagenet" else weights
    if name not in entries:
        allowed = ", ".join(["none", "imagenet", *(entry for entry in entries if entry != "DEFAULT")])
        raise ConfigError(f"weights = {weights!r}: {backbone} has {allowed}; or give a file: ./{weights}")
    return download(entries[name].url)


def _problem(module: nn.Module, found: Mapping[str, Tensor]) -> str:
    """Why these tensors are not the module's, in words; empty if they are. A classifier among them is no problem."""
    places = module.state_dict()
    # Older files lack the counter of batches, and torch then starts it at zero.
    needed = {name: t for name, t in places.items() if name in found or not name.endswith("num_batches_tracked")}
    if problem := misfit(needed, found):
        return problem
    # A deeper sibling (ResNet-101 for ResNet-50) has all that is needed, and more.
    surplus = [name for name in found if name not in places and name.partition(".")[0] not in CLASSIFIERS]
    return f"{len(surplus)} tensors have no place in it, the first is {surplus[0]}" if surplus else ""


def _published_names(tensors: Mapping[str, Any]) -> dict[str, Tensor]:
    """Names as today's torchvision has them."""
    named = {}
    for name, tensor in tensors.items():
        if name == "n_averaged":  # how often torch's AveragedModel has taken in another's weights
            continue
        name = WRAPPERS.sub("", name)
        # DenseNet files from before torch 0.4 say norm.1 for norm1; torchvision's own downloads still do.
        named[re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)] = tensor
    return named


def _likely_backbone(found: Mapping[str, Tensor]) -> str | None:
    """The first backbone that these tensors fill whole."""
    return next((name for name in BACKBONES if not _problem(skeleton(name).owner, found)), None)
