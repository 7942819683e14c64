import csv
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

NUMBER = re.compile(r"(?<![\w.`/-])[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w|[./]\w|-\w)")
"""A number that stands alone: not in a name such as float32, not in a file's name."""


def prose(card: str) -> str:
    """The card without its code, and without what is said of intervals in general."""
    return re.sub(r"```.*?```", "", card, flags=re.S).replace("95 %", "").replace(", 2013.", "").replace("*3D ", "*")


def claims(card: str) -> list[tuple[str, list[str]]]:
    """(number, files named beside it): in a table on its line, elsewhere in its paragraph or its point of a list."""
    found = []
    for block in prose(card).split("\n\n"):
        parts = block.splitlines() if block.startswith("|") else block.split("\n- ")
        for part in parts:
            files = re.findall(r"`((?:record/)?[\w-]+\.(?:json|csv|toml))`", part)
            found += [(number, files) for number in NUMBER.findall(re.sub(r"`[^`]*`", "", part))]
    return found


def numbers_in(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [
            number for each in (value.values() if isinstance(value, dict) else value) for number in numbers_in(each)
        ]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def stands_in(number: str, path: Path) -> bool:
    """Whether a file has this text, or a number that it is the rounded form of."""
    text = path.read_text()
    if re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.]\d|\d)", text):
        return True
    match path.suffix:
        case ".json":
            values = numbers_in(json.loads(text))
        case ".toml":
            values = numbers_in(tomllib.loads(text))
        case _:
            cells = [cell for line in csv.reader(text.splitlines()) for cell in line]
            values = [float(cell) for cell in cells if re.fullmatch(r"-?[\d.]+(e-?\d+)?", cell)]
    plain = number.replace(",", "").lstrip("+")
    form = f".{len(plain.partition('.')[2].partition('e')[0])}{'e' if 'e' in plain else 'f'}"
    return any(format(value, form) == plain for value in values)


def untraced(card: str, package: Path) -> list[str]:
    return [n for n, files in claims(card) if not any(stands_in(n, package / file) for file in files)]


def test_every_number_of_the_card_stands_in_a_file_named_beside_it(package: Path) -> None:
    card = (package / "README.md").read_text()
    assert len(claims(card)) > 50
    assert untraced(card, package) == []


@pytest.mark.parametrize(
    "line",
    [
        "Right for 0.9871 (`record/retrain.json`).",
        "It has 3 classes.",
        "| accuracy | 0.5555 | `record/retrain.json` |",
        "- 72,001 weights (`export.json`)",
    ],
)
def test_the_check_finds_a_number_that_comes_from_nowhere(package: Path, line: str) -> None:
    assert len(untraced(line, package)) == 1


def test_the_card_has_the_test_numbers_with_their_intervals(package: Path) -> None:
    test = json.loads((package / "record/retrain.json").read_text())["test"]
    low, high = test["accuracy_interval"]
    line = f"| right at first guess | {test['accuracy']:.4f} | {low:.4f} to {high:.4f} | `record/retrain.json`"
    assert line in (package / "README.md").read_text()


def test_the_card_says_what_kind_of_test_it_was_and_that_other_data_have_their_own_licence(package: Path) -> None:
    card = (package / "README.md").read_text()
    assert "held out, not the official test" in card
    assert "a licence of their own" in card
    assert "Stanford" not in card


def test_the_card_quotes_what_confirming_the_finalists_found(package: Path) -> None:
    assert "cannot be told apart" in " ".join((package / "README.md").read_text().split())


def test_a_setting_that_had_no_meaning_is_shown_without_a_value(package: Path) -> None:
    assert "| `momentum` | 0 to 0.9, when optimizer is sgd |  |" in (package / "README.md").read_text()
