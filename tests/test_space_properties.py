"""Spaces that hypothesis draws: what is valid is read as it was written, and anything else is told in plain words."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from carsray.config import TrialConfig
from carsray.errors import ConfigError, SpaceError
from carsray.space import Value
from carsray.space_file import parse_space

RANGES = {
    "lr": (1e-8, 10.0), "dropout": (0.0, 0.99), "momentum": (0.0, 0.999), "weight_decay": (0.0, 1.0),
    "head_lr_factor": (0.01, 1000.0), "batch_size": (1, 4096), "hidden": (0, 4096), "width": (4, 256),
    "patience": (0, 50), "box_margin": (0.0, 1.0),
}  # fmt: skip
CHOICES: dict[str, list[Value]] = {
    "optimizer": ["adam", "adamw", "sgd", "rmsprop"],
    "schedule": ["none", "step", "plateau", "cosine"],
    "unfreeze_depth": [0, 3, 9, "all"],
    "batchnorm": [True, False],
    "nesterov": [False, True],
    "label_smoothing": [0.0, 0.1, 0.2],
}


@st.composite
def a_search(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """The [search] table of a valid space."""
    search: dict[str, dict[str, Any]] = {}
    with_defaults = draw(st.booleans())
    for name in draw(st.lists(st.sampled_from(sorted(CHOICES)), unique=True)):
        values = draw(st.lists(st.sampled_from(CHOICES[name]), min_size=1, unique_by=repr))
        search[name] = {"choices": values, "default": draw(st.sampled_from(values))}
    controls = sorted(search)
    for name in draw(st.lists(st.sampled_from(sorted(RANGES)), unique=True, min_size=0 if search else 1)):
        lowest, highest = RANGES[name]
        number = st.integers if isinstance(lowest, int) else st.floats
        low, high = sorted(draw(st.lists(number(lowest, highest), min_size=2, max_size=2, unique=True)))
        search[name] = {"low": low, "high": high, "default": draw(number(low, high))}
        if low > 0:
            search[name]["log"] = draw(st.booleans())
        if controls and draw(st.booleans()):
            control = draw(st.sampled_from(controls))
            some = draw(st.lists(st.sampled_from(search[control]["choices"]), min_size=1, unique_by=repr))
            search[name]["when"] = {control: some}
    if not with_defaults:
        for entry in search.values():
            del entry["default"]
    return search


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


def exists(entry: dict[str, Any], point: dict[str, Value]) -> bool:
    return all(point[control] in allowed for control, allowed in entry.get("when", {}).items())


@given(a_search())
def test_a_valid_space_is_read_as_it_was_written(search: dict[str, dict[str, Any]]) -> None:
    lines = "\n".join(f"{name} = {toml(entry)}" for name, entry in search.items())
    space = parse_space(f"[fixed]\nbackbone = 'cnn'\n[search]\n{lines}", "cars.toml", {})
    assert list(space.parameters) == list(search)
    for name, entry in search.items():
        found = space.parameters[name]
        assert found.default == entry.get("default")
        assert (found.low, found.high, found.log) == tuple(entry.get(key, 0) for key in ("low", "high", "log"))
        assert list(found.choices) == entry.get("choices", [])
        assert {control: list(allowed) for control, allowed in found.when.items()} == entry.get("when", {})
    defaults = {name: entry["default"] for name, entry in search.items() if "default" in entry}
    assert space.start == ((defaults,) if defaults else ())


@given(a_search())
def test_the_points_of_a_valid_space_become_configs(search: dict[str, dict[str, Any]]) -> None:
    lines = "\n".join(f"{name} = {toml(entry)}" for name, entry in search.items())
    space = parse_space(f"[fixed]\nbackbone = 'cnn'\n[search]\n{lines}", "cars.toml", {})
    ends = ({name: p.ends[side] for name, p in space.parameters.items()} for side in (0, -1))
    for point in [*space.start, *ends]:
        config = space.config(point)
        for name, entry in search.items():
            expected = point[name] if exists(entry, point) else TrialConfig.model_fields[name].default
            assert getattr(config, name) == expected


SCALARS = st.sampled_from([0, 1, -1, 0.5, True, "", "sgd", "all", float("inf"), float("nan"), 10**400])
NAMES = ["lr", "optimizer", "momentum", "epochs", "image_size", "lrr", "seed"]
INNER = ["low", "high", "log", "choices", "default", "when", "optimizer", "rungs", "reduction", "x"]
TABLES = st.recursive(
    SCALARS, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(INNER), inside, max_size=4)
)
SECTIONS = st.dictionaries(
    st.sampled_from(["objective", "fixed", "search", "start", "other"]),
    TABLES
    | st.dictionaries(st.sampled_from(NAMES), TABLES, max_size=4)
    | st.lists(st.dictionaries(st.sampled_from(NAMES), TABLES, max_size=3), max_size=3),
)


@given(SECTIONS, st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2))
def test_whatever_a_file_says_the_answer_is_a_space_or_an_error_a_person_can_read(
    sections: dict[str, Any], pinned: dict[str, Value]
) -> None:
    text = "\n".join(f"{name} = {toml(value)}" for name, value in sections.items())
    with suppress(SpaceError, ConfigError):
        space = parse_space(text, "cars.toml", pinned)
        assert all(space.config(point) for point in space.start)
