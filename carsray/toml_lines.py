"""On which line of a TOML text a key stands. tomllib does not tell, and people should not search."""

import re

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
