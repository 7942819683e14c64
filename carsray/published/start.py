"""A space that begins with an experiment, so that a sweep answers whether it found something better; or is one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from carsray.errors import ConfigError
from carsray.files import whole_path
from carsray.published.experiments import Experiment
from carsray.published.experiments_file import find_experiments, load_experiments
from carsray.published.pins import pin
from carsray.settings import DERIVED, OF_THE_CNN
from carsray.space import Space, Value, Values
from carsray.space_file import load_new_space, parse_space
from carsray.toml_lines import toml_line


def find_experiment(origin: str) -> Experiment:
    """The experiment of REPORT/ID or FILE#ID. Raises ConfigError or SpaceError where there is none."""
    name, sign, which = origin.partition("#") if "#" in origin else origin.rpartition("/")
    if not sign or not name or not which:
        raise ConfigError(f"--from {origin}: must be REPORT/ID or FILE#ID, for example almog2025/cnn-3")
    experiment = load_experiments(find_experiments(name)).of(which)
    if experiment.embeddings:
        raise ConfigError(f"--from {origin}: is a retrieval; name the training, {name}{sign}{experiment.embeddings}")
    return experiment


def space_from(path: Path, origin: str, pins: Mapping[str, Value]) -> Space:
    """The space with the experiment as its first point; what the space does not search is pinned as published.

    ``pins`` change the experiment as well as the space. A published value outside of what is searched stays: the first
    trial has it, and the sampler learns from that trial's other values. Raises ConfigError where the space is made for
    another backbone.
    """
    experiment, _ = pin(_anywhere(find_experiment(origin)), pins)
    space = load_new_space(path, pins)
    published = experiment.config()
    searched_for = space.fixed.get("backbone", published.backbone)
    if searched_for != published.backbone and "backbone" not in space.parameters:
        raise ConfigError(
            f"--from {origin}: is for {published.backbone}, and {path} for {searched_for}; choose a space for the same"
            f" backbone, or --set backbone={searched_for}"
        )
    idle = OF_THE_CNN if published.backbone != "cnn" else set()
    values: Values = {n: value for n, value in published.model_dump().items() if value is not None and n not in idle}
    kept = {name: value for name, value in values.items() if name not in (*space.parameters, *DERIVED)}
    space = load_new_space(path, {**kept, **pins}).beginning_with(values)
    found = space.config(space.start[0]).model_dump()
    if differ := [name for name in values if name not in DERIVED and found[name] != values[name]]:
        raise ConfigError(
            f"--from {origin}: {differ[0]} = {values[differ[0]]!r} has no place in {path}, which searches it only under"
            f" a condition; add --set {differ[0]}={values[differ[0]]}"
        )
    return space


def _anywhere(experiment: Experiment) -> Experiment:
    """With its file of weights, if it has one, by the whole path."""
    weights = experiment.settings.get("weights", "none")
    return replace(experiment, settings={**experiment.settings, "weights": whole_path(str(weights))})


def space_of_one(path: Path, pins: Mapping[str, Value]) -> Space:
    """The experiment of a file such as winner.toml as a space with everything fixed: its trials differ by their seeds.

    Raises ConfigError where the file has several, SpaceError where it is wrong.
    """
    trained = [experiment for experiment in load_experiments(path).all.values() if not experiment.embeddings]
    if len(trained) != 1:
        raise ConfigError(
            f"{path}: holds {len(trained)} experiments, and only a single one can be swept as it stands."
            f" Begin a space with one of them: carsray sweep SPACE --from {path}#ID"
        )
    experiment, _ = pin(_anywhere(trained[0]), pins)
    lines = [f"# {path}#{experiment.id}, everything fixed: trials differ by their seeds.", ""]
    lines += ["[objective]", "rungs = []  # the luck of a seed is no reason to stop", "", "[fixed]"]
    lines += [toml_line(name, value) for name, value in experiment.settings.items()]
    return parse_space("\n".join(lines) + "\n", str(path), {**experiment.settings, **pins}).beginning_with({})
