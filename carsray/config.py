"""Settings as data. TrialConfig identifies a result; RunConfig says where it is computed and is never hashed."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from carsray.errors import ConfigError

BACKBONES = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "wide_resnet50_2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4"),
    *("efficientnet_v2_s", "efficientnet_v2_m"),
    *("convnext_tiny", "convnext_small", "convnext_base"),
)
"""torchvision networks whose blocks carsray knows how to order; "cnn" is the network trained from scratch."""

Backbone = Literal[("cnn", *BACKBONES)]  # type: ignore[valid-type]  # a tuple is allowed at run time
Augment = Literal[
    "none",
    "light",
    "medium",
    "strong",
    "flip-rotate",
    "crop-flip-rotate",
    "crop-flip-jitter",
    "rescale-flip-rotate-jitter",
]
"""Strengths, and recipes named by what they do; data/augment.py has the numbers."""
Depth = Annotated[int, Field(ge=0, le=1000)] | Literal["all"]
Fraction = Annotated[float, Field(ge=0, lt=1)]

TOGETHER = {"warmup_epochs", "image_size", "pack_size", "backbone", "depth"}
"""The searchable settings of which one can rule out values of another, see `TrialConfig._fits_together`."""


class TrialConfig(BaseModel):
    """All values that identify a result. A search-space key is the name of a field here."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # --- data -----------------------------------------------------------------------------------
    classes: int | None = Field(None, ge=2)
    """Use the first this many classes, in the order of their labels; none: all."""
    split: Literal["official", "test-halved", "50/25/25", "70/15/15"] = "official"
    """official: as the source says, what it lacks held out; test-halved: half of the official test becomes val."""
    holdout: float = Field(0.2, gt=0, le=0.5)
    """Share of each class taken from train for val, and for test where no labelled test exists."""
    split_seed: int = Field(0, ge=0)
    crop_to_box: bool = False
    """Cut the picture to its bounding box first, where the source has boxes."""
    box_margin: float = Field(0.0, ge=0, le=1)
    """Widen the box on each side by this share of its width and height."""

    # --- picture --------------------------------------------------------------------------------
    image_size: int = Field(224, ge=16, le=1024)
    """Pixels on each side of what the network sees."""
    pack_size: int | None = Field(None, ge=16, le=1280)
    """Pixels on each side of the stored picture; none: five quarters of image_size, room for random crops."""
    augment: Augment = "medium"
    eval_crop: float = Field(1.0, gt=0, le=1)
    """Validation and test look at the centre of the stored picture, this share of each side."""
    normalize: Literal["imagenet", "half"] = "imagenet"
    """Per-channel mean and deviation: ImageNet's, or 0.5 and 0.5."""

    # --- network --------------------------------------------------------------------------------
    backbone: Backbone = "resnet50"
    weights: str = "none"
    """none, imagenet (torchvision's best, downloaded), a torchvision name (IMAGENET1K_V1), or a file."""
    unfreeze_depth: Depth = "all"
    """Train the head and the last this many blocks; the rest is frozen, BatchNorm statistics included.

    To the head belongs what lies between the last block and the classifier: a layer in MobileNetV3, a norm in ConvNeXt.
    """
    unfreeze_every: int = Field(0, ge=0)
    """Train the head alone first, and one more block every this many epochs, up to unfreeze_depth; 0: all at once."""
    dropout: Fraction = 0.0
    """Before the last linear layer."""

    # --- network: backbone = "cnn" only ---------------------------------------------------------
    depth: int = Field(4, ge=2, le=6)
    """Blocks of convolution, BatchNorm (optional), ReLU, MaxPool 2."""
    width: int = Field(32, ge=4, le=256)
    """Channels of the first block; each further block has twice as many."""
    batchnorm: bool = True
    spatial_dropout: Fraction = 0.0
    """Drops whole channels after a block."""
    spatial_dropout_blocks: Depth = "all"
    """How many blocks, counted from the first, have spatial dropout."""
    pooling: Literal["flatten", "average"] = "average"
    """What turns the last feature map into a vector."""
    hidden: int = Field(512, ge=0, le=4096)
    """Units of the hidden layer before the classifier; 0: none."""
    hidden_batchnorm: bool = False
    init: Literal["default", "he"] = "he"

    # --- optimisation ---------------------------------------------------------------------------
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "sgd"
    lr: float = Field(0.01, gt=0, le=10)
    head_lr_factor: float = Field(1.0, gt=0, le=1000)
    """The head's learning rate is lr times this."""
    momentum: Fraction = 0.9
    """For sgd and rmsprop."""
    nesterov: bool = False
    """For sgd."""
    weight_decay: float = Field(0.0, ge=0, le=1)
    label_smoothing: Fraction = 0.0
    grad_clip: float = Field(0.0, ge=0)
    """Largest allowed norm of the gradient; 0: no clipping."""
    batch_size: int = Field(32, ge=1, le=4096)
    epochs: int = Field(10, ge=1, le=10_000)
    schedule: Literal["none", "step", "plateau", "cosine"] = "none"
    warmup_epochs: int = Field(0, ge=0)
    """Linear rise of the learning rate over this many epochs first, under any schedule but plateau."""
    step_epochs: int = Field(7, ge=1)
    """For schedule step: epochs between two drops."""
    decay_factor: float = Field(0.1, gt=0, lt=1)
    """For schedules step and plateau: what a drop multiplies the learning rate by."""
    patience: int = Field(3, ge=0)
    """For schedule plateau: epochs without a better validation loss before a drop."""
    plateau_threshold: float = Field(1e-4, ge=0, lt=1)
    """For schedule plateau: the relative gain that counts as better."""
    precision: Literal["bf16", "float32"] = "bf16"
    """bf16: mixed precision where the device has it, else float32; the record says which was used.

    float32 is torch's: on GPUs that have it, convolutions run in TF32.
    """

    # --- randomness -----------------------------------------------------------------------------
    seed: int = Field(0, ge=0)
    """Initial weights, order of pictures, dropout."""
    view_seed: int = Field(0, ge=0)
    """Augmentation: epoch e of every trial with this seed sees the same draw, view e."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.warmup_epochs >= self.epochs and self.warmup_epochs > 0:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} must be below epochs {self.epochs}")
        if self.image_size > self.packed_size:
            raise ValueError(f"pack_size {self.packed_size} must be at least image_size {self.image_size}")
        if self.backbone == "cnn" and self.image_size < 2**self.depth:
            raise ValueError(f"depth {self.depth} halves the picture to nothing at image_size {self.image_size}")
        return self

    @property
    def packed_size(self) -> int:
        """Pixels on each side of the stored picture."""
        return self.pack_size or self.image_size * 5 // 4

    def key(self) -> str:
        """Twelve hex digits that name this config."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class RunConfig(BaseModel):
    """Where a trial runs. Nothing here may change a result beyond rounding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(1, ge=1)
    """Processor threads of one trial."""
    cache: Path
    """Node-local folder for packs and cached activations."""
    prefix_cache_bytes: int = Field(20 * 2**30, ge=0)
    """How much disk cached activations of frozen prefixes may take; 0: none are cached."""
    depths: tuple[Depth, ...] = ()
    """The values of unfreeze_depth that trials here may have: cached activations are kept for all of them."""
    keep_improved: bool = False
    """Whether weights leave the training process whenever they are the best: the sweep may end after any epoch."""
    fork_server: Path | None = None
    """The socket of the process of which training processes on the driver's machine are forked."""
    progress_seconds: float = Field(2.0, ge=0)
    """Least time between two signs of progress within an epoch."""

    @property
    def activations(self) -> Path:
        """Where activations of frozen prefixes are cached."""
        return self.cache / "activations"


def trial_config(values: dict[str, Any], place: str = "settings") -> TrialConfig:
    """A TrialConfig from loose values.

    Raises ConfigError naming every field that is wrong, its value and what is allowed.
    """
    try:
        return TrialConfig(**values)
    except ValidationError as error:
        raise ConfigError(f"{place}: " + "; ".join(explain(error))) from None


def explain(error: ValidationError) -> list[str]:
    """One clause a problem: field, value, what is allowed."""
    clauses = []
    for detail in error.errors():
        field = str(detail["loc"][0]) if detail["loc"] else ""
        message = detail["msg"].removeprefix("Value error, ")
        clause = f"{field} = {detail['input']!r}: {message}" if field else message
        if clause not in clauses:
            clauses.append(clause)
    return clauses


class SweepSettings(BaseModel):
    """How a sweep is run, as sweep.json keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Annotated[str, BeforeValidator(str)]
    """A folder, a CSV file, or an address in a bucket."""
    trials: int = Field(20, ge=1)
    extended_from: tuple[int, ...] = ()
    """What ``trials`` was before the sweep was extended, each time: the first points are tried in these parts."""
    seed: int = Field(0, ge=0)
    concurrent: int | None = Field(None, ge=1)
    """Trials at a time; none: as many as the cluster holds, eight at most without GPUs."""
    gpus_per_trial: float | None = Field(None, ge=0)
    """A whole number, or 1/n for n trials on a GPU; none: 1 where there are GPUs."""
    budget_hours: float | None = Field(None, gt=0)
    """Hours by the clock, those of earlier processes included, after which the sweep winds down."""
    budget_gpu_hours: float | None = Field(None, gt=0)
    """The same for GPU-hours."""
    target: float | None = Field(None, gt=0, le=1)
    """The sweep winds down when a trial has reached this val/accuracy."""
    address: str | None = None
    """Of a running Ray cluster; none: start one on this machine."""
    cache: Path
    """Node-local folder for packs."""
    storage: str | None = None
    """Address of a bucket or shared folder that mirrors the record; no secrets in it."""
    wandb: Literal["online", "offline", "off"] | None = None
    """Whether runs go to W&B; none: where there is a login, or as WANDB_MODE says."""
    wandb_project: str = "carsray"
    """Where they go; the entity is the environment's."""
