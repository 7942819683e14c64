"""On which line of a TOML text a key stands, which tomllib does not tell; and such a line written.

People should not have to search.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carsray.errors import SpaceError
from carsray.files import whole_path

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]+\")\s*(?:\.[^=]*)?=")


class Lines:
    """Line numbers (from 1) of sections and keys; entries of [[section]] are counted from 0."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, str | None, int], int] = {}
        section, entry, seen = "", 0, dict[str, int]()
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                # [search.lr] is the key lr of the section search.
                section, _, key = header[1].partition(".")
                if line.lstrip().startswith("[["):
                    entry = seen[section] = seen.get(section, -1) + 1
                else:
                    entry = 0
                self._lines.setdefault((section, None, entry), number)
                if key:
                    self._lines.setdefault((section, key.strip(), entry), number)
            elif key_match := _KEY.match(line):
                self._lines.setdefault((section, key_match[1].strip('"'), entry), number)

    def of(self, section: str, key: str | None = None, entry: int = 0) -> int | None:
        """The line of a key, or of its section where the key cannot be found; a section may be written as a key."""
        places = ((section, key, entry), (section, None, entry), ("", section, 0))
        return next((self._lines[place] for place in places if place in self._lines), None)


def read_toml_text(path: Path) -> str:
    """The text of a file a person edits. Raises SpaceError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SpaceError(str(path), [f"cannot be read: {reason}. Give the path of a .toml file"]) from None


def parse_toml(text: str, place: str) -> dict[str, Any]:
    """The table of a TOML text. Raises SpaceError where it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpaceError(place, [f"not valid TOML: {error}"]) from None


class Problems:
    """What is wrong with one TOML file, collected while reading it, so that a person sees all of it at once."""

    def __init__(self, text: str, place: str) -> None:
        self.place = place
        self._lines = Lines(text)
        self._found: list[tuple[int, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def say(self, section: str, key: str | None, problem: str, entry: int = 0) -> None:
        """Note a problem of a key, or of a whole section."""
        self._found.append((self._lines.of(section, key, entry) or 0, problem))

    def say_of_all(self, problem: str) -> None:
        """Note a problem that has no line of its own."""
        self._found.append((0, problem))

    def check(self) -> None:
        """Raise SpaceError with all that was noted, in the order of the lines."""
        if self._found:
            raise SpaceError(self.place, [f"line {n}: {text}" if n else text for n, text in sorted(self._found)])


def with_whole_paths(text: str, key: str) -> str:
    """A TOML text with each file that stands under a key, at any depth, named by its whole path."""
    try:
        names = set(_texts_under(key, tomllib.loads(text)))
    except tomllib.TOMLDecodeError:
        return text  # who parses it says what is wrong
    for name, path in ((name, whole_path(name)) for name in names):
        if path != name:
            text = text.replace(f'"{name}"', toml_value(path)).replace(f"'{name}'", toml_value(path))
    return text


def _texts_under(key: str, node: Any, below: bool = False) -> Iterator[str]:
    if isinstance(node, dict):
        for name, part in node.items():
            yield from _texts_under(key, part, below or name == key)
    elif isinstance(node, list):
        for part in node:
            yield from _texts_under(key, part, below)
    elif below and isinstance(node, str):
        yield node


def toml_line(key: str, value: bool | int | float | str) -> str:
    """``key = value``, exactly: what is read from it equals the value."""
    return f"{key} = {toml_value(value)}"


def toml_value(value: bool | int | float | str) -> str:
    """A value as TOML has it."""
    # JSON writes text and truth values as TOML does, but for characters that it escapes in pairs unless told not to,
    # and DEL, which is a character like others in JSON.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
