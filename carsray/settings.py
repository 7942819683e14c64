"""One setting taken alone: is there one of that name, is the value allowed, does it count in whole numbers."""

import difflib
from collections.abc import Collection
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from carsray.config import TrialConfig

KNOWN_AS = {
    "learning_rate": "lr",
    "wd": "weight_decay",
    "model": "backbone",
    "arch": "backbone",
    "bs": "batch_size",
    "batch": "batch_size",
    "num_epochs": "epochs",
    "max_epochs": "epochs",
    "augmentation": "augment",
    "scheduler": "schedule",
    "optim": "optimizer",
    "img_size": "image_size",
    "resolution": "image_size",
    "num_classes": "classes",
}
"""What other tools call our fields; difflib would not find these."""

DERIVED = ("seed", "view_seed")
"""Set per trial from the sweep's seed, so no space may name them."""

OF_THE_CNN = {
    *("depth", "width", "batchnorm", "spatial_dropout", "spatial_dropout_blocks"),
    *("pooling", "hidden", "hidden_batchnorm", "init"),
}
"""Settings that mean nothing to a torchvision backbone."""


def unknown_setting(name: str, others: Collection[str] = ()) -> str | None:
    """What is wrong with the name of a setting, or None; ``others`` are allowed beside those of TrialConfig."""
    if name in DERIVED:
        return "is derived from --seed. Remove it"
    if name in TrialConfig.model_fields or name in others:
        return None
    near = next(iter(difflib.get_close_matches(name, [*TrialConfig.model_fields, *others, *KNOWN_AS])), None)
    return "is no setting" + (f". Did you mean {KNOWN_AS.get(near, near)!r}?" if near else "")


def not_allowed(name: str, value: object, model: type[BaseModel] = TrialConfig) -> str | None:
    """What is wrong with one value of a setting taken alone, or None."""
    info = model.model_fields[name]
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    try:
        TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(value, strict=True)
    except ValidationError as error:
        return " or ".join(dict.fromkeys(detail["msg"] for detail in error.errors()))
    return None


def is_integer(name: str) -> bool:
    """Whether a setting counts in whole numbers."""
    annotation = TrialConfig.model_fields[name].annotation
    kinds = {annotation, *get_args(annotation)} | {k for a in get_args(annotation) for k in get_args(a)}
    return int in kinds and float not in kinds
