"""Reads a search-space file. All problems are found at once, each with its line and, for a typo, the nearest name."""

import itertools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from carsray.config import TOGETHER, TrialConfig, explain
from carsray.errors import ConfigError
from carsray.settings import OF_THE_CNN, is_integer, not_allowed, unknown_setting
from carsray.space import Objective, Parameter, Space, Value, Values, same
from carsray.toml_lines import Problems, parse_toml, read_toml_text, with_whole_paths

SPLITTING = ("classes", "split", "split_seed", "holdout")
"""A sweep shares its pictures out once, for all of its trials."""


def load_space(path: Path, pinned: Mapping[str, Value] | None = None) -> Space:
    """Read and check a space file; ``pinned`` settings override it and are no longer searched.

    Raises SpaceError with every problem of the file, each with its line.
    """
    return parse_space(read_toml_text(path), str(path), pinned or {})


def load_new_space(path: Path, pinned: Mapping[str, Value]) -> Space:
    """As load_space, for a sweep that begins: its trials, and a resume, may run in another folder than this one."""
    return parse_space(with_whole_paths(read_toml_text(path), "weights"), str(path), pinned)


def parse_space(text: str, place: str, pinned: Mapping[str, Value]) -> Space:
    """A Space from TOML text; ``place`` names it in messages."""
    return _Reader(parse_toml(text, place), Problems(text, place), dict(pinned)).read(text)


class _Reader:
    def __init__(self, table: dict[str, Any], problems: Problems, pinned: Values) -> None:
        self.table, self.problems, self.pinned = table, problems, pinned
        self._say = problems.say

    def read(self, text: str) -> Space:
        for section in self.table.keys() - {"objective", "fixed", "search", "start"}:
            self._say(
                section, None, f"[{section}] is no section. Sections are [objective], [fixed], [search], [[start]]"
            )
        sections = [self._section(name) for name in ("objective", "fixed", "search")]
        objective, fixed = self._objective(sections[0]), self._fixed(sections[1])
        parameters = self._search(sections[2])
        self._check_use(fixed, parameters)
        start = [*self._default(parameters), *self._start(parameters)]
        space = Space(Path(self.problems.place).stem, text, objective, fixed, parameters, _distinct(start), self.pinned)
        if not self.problems:
            self._check_points(space)
        self.problems.check()
        return space

    def _section(self, name: str) -> dict[str, Any]:
        if not isinstance(self.table.setdefault(name, {}), dict):
            self._say(name, None, f"{name} must be a section, [{name}]")
            self.table[name] = {}
        section: dict[str, Any] = self.table[name]
        return section

    def _objective(self, table: dict[str, Any]) -> Objective:
        for name in table.keys() - Objective.model_fields.keys():
            self._say("objective", name, f"[objective] has no {name!r}. Allowed: {', '.join(Objective.model_fields)}")
        try:
            return Objective(**{name: value for name, value in table.items() if name in Objective.model_fields})
        except ValidationError as error:
            for clause in explain(error):
                self._say("objective", clause.split(" ")[0], f"[objective] {clause}")
            return Objective()

    def _known(self, section: str, name: str, entry: int = 0) -> bool:
        if not unknown_setting(name):
            return True
        self._say(section, name, f"[{section}] {name!r} {unknown_setting(name)}", entry)
        return False

    def _fixed(self, table: dict[str, Any]) -> Values:
        fixed: Values = {}
        for name, value in table.items():
            if not self._known("fixed", name):
                continue
            if name in self.table["search"]:
                self._say("fixed", name, f"{name!r} is in [fixed] and in [search]. Keep one")
            elif problem := not_allowed(name, value):
                self._say("fixed", name, f"{name} = {value!r}: {problem}")
            else:
                fixed[name] = value
        for name, value in self.pinned.items():
            if problem := unknown_setting(name) or not_allowed(name, value):
                raise ConfigError(f"--set {name}={value}: {problem}")
        return {**fixed, **self.pinned}

    def _search(self, table: dict[str, Any]) -> dict[str, Parameter]:
        if not table and not self.pinned:
            self._say("search", None, "[search] is missing or empty. Name at least one setting to vary")
        parameters: dict[str, Parameter] = {}
        for name, entry in table.items():
            if self._known("search", name) and name not in self.pinned:
                parameter = self._parameter(name, entry)
                if parameter:
                    parameters[name] = parameter
        return {name: replace(p, when=self._resolve_when(p, parameters)) for name, p in parameters.items()}

    def _check_use(self, fixed: Values, parameters: dict[str, Parameter]) -> None:
        """Report settings of the CNN where another network is asked for: they would do nothing, and not say so."""
        backbone = fixed.get("backbone", TrialConfig.model_fields["backbone"].default)
        if backbone == "cnn" or ("backbone" in self.table["search"] and "backbone" not in self.pinned):
            return
        problem = f"is for backbone = 'cnn' alone, and here it is {backbone!r}. Leave it out"
        if pinned := next((name for name in self.pinned if name in OF_THE_CNN), None):
            raise ConfigError(f"--set {pinned}={self.pinned[pinned]}: {problem}")
        if "backbone" in self.table["search"]:
            return  # the file is right without the pin
        told = {name for name, parameter in parameters.items() if "backbone" in parameter.when}
        for section in ("fixed", "search"):
            for name in (OF_THE_CNN & self.table[section].keys()) - told:
                self._say(section, name, f"{name}: {problem}")

    def _parameter(self, name: str, entry: Any) -> Parameter | None:
        problem = self._shape(name, entry) or self._bounds(name, entry)
        if not problem:
            is_range = "low" in entry
            parameter = Parameter(
                name,
                low=entry["low"] if is_range else 0,
                high=entry["high"] if is_range else 0,
                log=entry.get("log", False),
                integer=is_integer(name),
                choices=tuple(entry.get("choices", ())),
                default=entry.get("default"),
                when=entry.get("when", {}),
            )
            if parameter.default is None or parameter.contains(parameter.default):
                return parameter
            problem = f"default = {parameter.default!r} is outside. Allowed: {_allowed(parameter)}"
        self._say("search", name, f"{name}: {problem}")
        return None

    def _shape(self, name: str, entry: Any) -> str | None:
        if name == "epochs":
            return "cannot be searched: rungs need one full length. Put it in [fixed]"
        if name in SPLITTING:
            return "cannot be searched: it decides the split, which a sweep makes once. Put it in [fixed]"
        is_range = isinstance(entry, dict) and "low" in entry and "high" in entry
        if not isinstance(entry, dict) or is_range == ("choices" in entry):
            shapes = "{ low = 1e-4, high = 1e-1, log = true } or { choices = [16, 32] }"
            return f"{entry!r} is neither a range nor a choice. Write {shapes}, with default = if wanted"
        if unknown := entry.keys() - {"low", "high", "log", "choices", "default", "when"}:
            return f"has {', '.join(sorted(unknown))}. Allowed: low, high, log or choices; default; when"
        if not isinstance(entry.get("when", {}), dict):
            return f'when = {entry["when"]!r} must be a table such as {{ optimizer = "sgd" }}'
        return None

    def _bounds(self, name: str, entry: dict[str, Any]) -> str | None:
        values = entry.get("choices", [entry.get("low"), entry.get("high")])
        if not isinstance(values, list) or not values:
            return "choices must be a list with at least one value"
        if "choices" in entry and any(same(one, other) for one, other in itertools.combinations(values, 2)):
            return f"choices {values!r} repeat a value"
        if "choices" not in entry:
            numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
            if len(numbers) < 2:
                return f"low = {values[0]!r}, high = {values[1]!r}: both must be numbers"
            if values[0] >= values[1]:
                return f"low = {values[0]!r} must be below high = {values[1]!r}"
            if not isinstance(entry.get("log", False), bool):
                return f"log = {entry['log']!r} must be true or false"
            if entry.get("log") and values[0] <= 0:
                return f"low = {values[0]!r} with log = true. Use low > 0, or drop log"
        elif "log" in entry:
            return "log goes with a range, not with choices"
        problems = ((value, not_allowed(name, value)) for value in values)
        return next((f"{value!r} is not allowed: {problem}" for value, problem in problems if problem), None)

    def _resolve_when(self, parameter: Parameter, parameters: dict[str, Parameter]) -> dict[str, tuple[Value, ...]]:
        def bad(problem: str) -> None:
            self._say("search", parameter.name, f"{parameter.name}: when {problem}")

        resolved: dict[str, tuple[Value, ...]] = {}
        raw: Mapping[str, Any] = parameter.when
        for name, wanted in raw.items():
            allowed = tuple(wanted) if isinstance(wanted, list) else (wanted,)
            controls = parameters.get(name)
            if not allowed:
                bad(f"{name} = [] is never true. List at least one value")
            elif name in self.pinned or name in self.table["fixed"]:
                if wrong := [v for v in allowed if not unknown_setting(name) and not_allowed(name, v)]:
                    bad(f"{name} = {wrong[0]!r}: {not_allowed(name, wrong[0])}")
                resolved[name] = allowed
            elif name in self.table["search"] and not controls:
                continue  # wrong itself, and reported
            elif controls is None or not controls.choices:
                bad(f"names {name!r}, which is no choice in [search]")
            elif controls.when:
                bad(f"names {name!r}, which has a condition of its own. One level is allowed")
            elif strange := [v for v in allowed if v not in controls.choices]:
                bad(f"{name} = {strange[0]!r}, which is not among its choices {list(controls.choices)}")
            else:
                resolved[name] = allowed
        return resolved

    def _default(self, parameters: dict[str, Parameter]) -> list[Values]:
        with_default = {name: p.default for name, p in parameters.items() if p.default is not None}
        if not with_default:
            return []
        for name in parameters.keys() - with_default.keys():
            self._say("search", name, f"{name}: has no default while others have. Give every parameter one, or none")
        return [with_default]

    def _start(self, parameters: dict[str, Parameter]) -> list[Values]:
        points = self.table.get("start", [])
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            self._say("start", None, "[start] must be [[start]], one table for each point")
            return []
        defaults = {name: p.default for name, p in parameters.items() if p.default is not None}
        return [self._point(point, entry, parameters, defaults) for entry, point in enumerate(points)]

    def _point(self, point: dict[str, Any], entry: int, parameters: dict[str, Parameter], defaults: Values) -> Values:
        good: Values = {}
        for name, value in point.items():
            if name in self.pinned or not self._known("start", name, entry):
                continue
            if name not in self.table["search"]:
                self._say("start", name, f"[[start]] {name} is not in [search]", entry)
            elif name in parameters and parameters[name].contains(value):
                good[name] = value
            elif name in parameters:
                allowed = _allowed(parameters[name])
                self._say("start", name, f"[[start]] {name} = {value!r} is outside. Allowed: {allowed}", entry)
        return {**defaults, **good}

    def _check_points(self, space: Space) -> None:
        """Settings that are allowed alone may not fit together.

        Start points have to, and each value has to with some others; what meets in vain is left to the sampler, which
        draws again.
        """
        for number, point in enumerate(space.start, start=1):
            if problem := _misfit(space, point):
                self.problems.say_of_all(f"start point {number} is no valid configuration: {problem}")
                return
        points = list(space.meetings())
        good = [point for point in points if not _misfit(space, point)]
        if not good:
            self.problems.say_of_all(f"no settings here fit together: {_misfit(space, points[0])}")
            return
        for name in TOGETHER & space.parameters.keys():
            fitting = {point[name] for point in good}
            for value, point in {point[name]: point for point in points if point[name] not in fitting}.items():
                self._say("search", name, f"{name}: {value!r} fits with nothing else here: {_misfit(space, point)}")


def _misfit(space: Space, point: Values) -> str:
    """Why a point is no valid configuration; empty where it is one."""
    try:
        space.config(point)
    except ValidationError as error:
        return "; ".join(explain(error))
    return ""


def _allowed(parameter: Parameter) -> str:
    """What a parameter may be where it exists."""
    whole = parameter.integer and not parameter.choices
    return f"{replace(parameter, when={})}" + (", whole numbers" if whole else "")


def _distinct(points: Iterable[Values]) -> tuple[Values, ...]:
    """Each point once: pinning a setting can make two start points one."""
    return tuple({tuple(sorted(point.items())): point for point in points}.values())


def parse_value(text: str) -> Value:
    """The value of ``--set key=value``: read as TOML, or taken as text where it is none."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str) else text
