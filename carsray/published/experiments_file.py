"""Reads an experiments file: [common], then [[experiment]] tables. All problems are found at once, with their lines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import carsray
from carsray.config import TrialConfig
from carsray.errors import ConfigError
from carsray.published.experiments import Experiment, Experiments, Reporting, Retrieval
from carsray.settings import not_allowed, unknown_setting
from carsray.toml_lines import Problems, parse_toml, read_toml_text

OWN = ("id", "title", "like", "embeddings")
"""Keys of an [[experiment]] that are no settings."""
MODELS = (TrialConfig, Retrieval, Reporting)
SETTINGS = {name: model for model in MODELS for name in model.model_fields}
PUBLISHED = Path("search_spaces", "published")


def find_experiments(name: str) -> Path:
    """The file of a name such as almog2025, or of a path; looked for here, then in carsray's own checkout.

    Raises ConfigError with the names that are there.
    """
    if name.endswith(".toml"):
        return Path(name).expanduser()
    folders = [Path.cwd() / PUBLISHED, checkout() / PUBLISHED]
    files = {path.stem: path for folder in reversed(folders) for path in sorted(folder.glob("*.toml"))}
    if name not in files:
        known = f"Known are {', '.join(sorted(files))}" if files else f"There is none in {folders[0]}"
        raise ConfigError(f"{name}: is no published report. {known}; or give the path of a .toml file")
    return files[name]


def holds_experiments(path: Path) -> bool:
    """Whether a TOML file describes experiments, and not a space. Raises SpaceError where it is no TOML."""
    return "experiment" in parse_toml(read_toml_text(path), str(path))


def checkout() -> Path:
    """The folder that holds the package, search_spaces/ and results/ where it is a checkout."""
    return Path(carsray.__file__).parent.parent


def load_experiments(path: Path) -> Experiments:
    """Read and check an experiments file. Raises SpaceError with every problem of the file, each with its line."""
    return parse_experiments(read_toml_text(path), str(path))


def parse_experiments(text: str, place: str) -> Experiments:
    """Experiments from TOML text; ``place`` names it in messages."""
    problems = Problems(text, place)
    experiments = _Reader(parse_toml(text, place), problems).read()
    problems.check()
    return Experiments(Path(place).stem, text, experiments)


class _Reader:
    def __init__(self, table: dict[str, Any], problems: Problems) -> None:
        self.table, self.problems = table, problems
        self.read_so_far: dict[str, dict[str, Any]] = {}

    def read(self) -> dict[str, Experiment]:
        for section in self.table.keys() - {"common", "experiment"}:
            self.problems.say(section, None, f"[{section}] is no section. Sections are [common] and [[experiment]]")
        common = self._common(self.table.get("common", {}))
        entries = self.table.get("experiment", [])
        if not entries or not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            self.problems.say("experiment", None, "no [[experiment]] table. Write one for each experiment")
            return {}
        tables = [(at, self._entry(at, entry)) for at, entry in enumerate(entries)]
        return {t["id"]: made for at, t in tables if t and (made := self._experiment(at, t, common))}

    def _common(self, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            self.problems.say("common", None, "common must be a section, [common]")
            return {}
        return {name: value for name, value in table.items() if self._good("common", name, value)}

    def _entry(self, at: int, entry: dict[str, Any]) -> dict[str, Any] | None:
        """The keys of an experiment, with those of the one it is like."""
        name, like = entry.get("id"), entry.get("like")
        if not isinstance(name, str) or not name:
            self.problems.say("experiment", "id", f'id = {name!r}: every [[experiment]] needs one, as id = "cnn-1"', at)
            return None
        if name in self.read_so_far:
            self.problems.say("experiment", "id", f"id = {name!r} is there twice", at)
            return None
        good = {k: v for k, v in entry.items() if k in OWN or self._good("experiment", k, v, at)}
        if like is not None and like not in self.read_so_far:
            above = ", ".join(self.read_so_far) or "none"
            self.problems.say(
                "experiment", "like", f"like = {like!r} names no experiment above. These are: {above}", at
            )
            like = None
        self.read_so_far[name] = {**(self.read_so_far[like] if like else {}), **good}
        return self.read_so_far[name]

    def _good(self, section: str, name: str, value: Any, at: int = 0) -> bool:
        if problem := unknown_setting(name, (*SETTINGS, *OWN)):
            self.problems.say(section, name, f"[{section}] {name!r} {problem}", at)
        elif name in OWN:
            self.problems.say(section, name, f"[{section}] {name!r} belongs in [[experiment]]", at)
        elif problem := not_allowed(name, value, SETTINGS[name]):
            self.problems.say(section, name, f"{name} = {value!r}: {problem}", at)
        else:
            return True
        return False

    def _experiment(self, at: int, table: dict[str, Any], common: Mapping[str, Any]) -> Experiment | None:
        source = table.get("embeddings")
        kind, other = (Retrieval, TrialConfig) if source is not None else (TrialConfig, Retrieval)
        for name in table:
            if SETTINGS.get(name) is other:
                what = "a retrieval takes it from its embeddings" if source is not None else "it goes with embeddings ="
                self.problems.say("experiment", name, f"{name} does not belong here: {what}", at)
        if source is not None and self._is_retrieval(source) is not False:
            trained = [name for name in self.read_so_far if not self._is_retrieval(name)]
            allowed = f"Trained are {', '.join(trained) or 'none'}"
            self.problems.say(
                "experiment", "embeddings", f"embeddings = {source!r}: is not trained here. {allowed}", at
            )
        merged = {**common, **table}
        settings = {name: value for name, value in merged.items() if SETTINGS.get(name) is kind}
        reporting = Reporting(**{name: value for name, value in merged.items() if SETTINGS.get(name) is Reporting})
        made = Experiment(table["id"], table.get("title", ""), settings, reporting, source)
        return self._fitting(made, at)

    def _is_retrieval(self, name: Any) -> bool | None:
        """None where there is no experiment of that name."""
        table = self.read_so_far.get(name) if isinstance(name, str) else None
        return None if table is None else "embeddings" in table

    def _fitting(self, made: Experiment, at: int) -> Experiment | None:
        if made.embeddings is None:
            try:
                made.config()
            except ConfigError as error:
                self.problems.say("experiment", "id", str(error), at)
                return None
        return made
