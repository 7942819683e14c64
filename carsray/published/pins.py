"""What --set does to an experiment: a setting reaches the experiments that have a use for it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from carsray.config import TrialConfig
from carsray.errors import ConfigError
from carsray.models.backbones import block_count
from carsray.published.experiments import Experiment, Reporting, Retrieval
from carsray.settings import OF_THE_CNN, not_allowed, unknown_setting
from carsray.space import Value, Values

OF_BACKBONES = {"backbone", "weights", "unfreeze_depth", "unfreeze_every"}
"""Settings that mean nothing to the CNN."""


def check_pins(pins: Mapping[str, Value]) -> None:
    """Raise ConfigError for a name that is no setting or a value that none may have."""
    for name, value in pins.items():
        model = next((m for m in (Retrieval, Reporting) if name in m.model_fields), TrialConfig)
        problem = unknown_setting(name, (*Retrieval.model_fields, *Reporting.model_fields))
        if problem := problem or not_allowed(name, _typed(name, value), model):
            raise ConfigError(f"--set {name}={value}: {problem}")
    if pins.get("backbone") == "cnn":
        raise ConfigError("--set backbone=cnn: replaces one torchvision backbone by another; name the CNN experiments")


def pin(experiment: Experiment, pins: Mapping[str, Value]) -> tuple[Experiment, list[str]]:
    """The experiment with the settings that it has a use for, and notes on what followed from them."""
    reporting = {name: _typed(name, value) for name, value in pins.items() if name in Reporting.model_fields}
    settings = {name: value for name, value in pins.items() if _concerns(name, experiment)}
    followed = {} if experiment.embeddings else {**_pack_size(experiment, settings), **_depth(experiment, settings)}
    notes = [why for _, why in followed.values()]
    derived = {name: value for name, (value, _) in followed.items()}
    changed = replace(
        experiment,
        settings={**experiment.settings, **settings, **derived},
        reporting=Reporting.model_validate({**experiment.reporting.model_dump(), **reporting}),
    )
    return changed, notes


def without_effect(experiments: Iterable[Experiment], pins: Mapping[str, Value]) -> list[str]:
    """The pins that none of these experiments has a use for."""
    experiments = list(experiments)
    return [
        name
        for name in pins
        if name not in Reporting.model_fields and not any(_concerns(name, each) for each in experiments)
    ]


def _typed(name: str, value: Value) -> object:
    """--set gives text where a list of words is due: report=test,val."""
    return value.split(",") if name == "report" and isinstance(value, str) else value


def _concerns(name: str, experiment: Experiment) -> bool:
    if experiment.embeddings is not None:
        return name in Retrieval.model_fields
    strange = OF_BACKBONES if experiment.settings.get("backbone") == "cnn" else OF_THE_CNN
    return name in TrialConfig.model_fields and name not in strange


USUAL = TrialConfig()
"""What an experiment has that says nothing: a winner's file leaves out what is as usual."""

Derived = dict[str, tuple[Value, str]]
"""Settings that follow from others: value and reason."""


def _pack_size(experiment: Experiment, pinned: Values) -> Derived:
    """A picture of another size is cropped and shrunk in the same proportion."""
    stored, seen = experiment.settings.get("pack_size"), experiment.settings.get("image_size", USUAL.image_size)
    if "image_size" not in pinned or "pack_size" in pinned or stored is None:
        return {}
    wanted = max(int(pinned["image_size"]), round(int(stored) * int(pinned["image_size"]) / int(seen)))
    return {"pack_size": (wanted, "pack_size keeps its proportion to image_size")}


def _depth(experiment: Experiment, pinned: Values) -> Derived:
    """Another backbone is unfrozen to the same share of its blocks."""
    old, new = experiment.settings.get("backbone", USUAL.backbone), pinned.get("backbone")
    depth = experiment.settings.get("unfreeze_depth", USUAL.unfreeze_depth)
    if new is None or new == old or not isinstance(depth, int) or not depth or "unfreeze_depth" in pinned:
        return {}
    had, has = block_count(str(old)), block_count(str(new))
    same = max(1, round(depth * has / had))
    note = f"{experiment.id}: the last {same} of {new}'s {has} blocks, as {depth} of {had}"
    followed: Derived = {"unfreeze_depth": (same, note)}
    every = int(experiment.settings.get("unfreeze_every", USUAL.unfreeze_every))
    if every and "unfreeze_every" not in pinned:
        # One block at a time, as before, and as fast as that gets.
        often = max(1, round(every * depth / same))
        epochs = int(pinned.get("epochs", experiment.settings.get("epochs", USUAL.epochs)))
        reached = min((epochs - 1) // often, same)
        said = f"{experiment.id}: one block more every {often} epochs instead of {every}: {reached} by the last one"
        followed["unfreeze_every"] = often, said
    return followed
