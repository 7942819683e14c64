import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carsray.toml_lines import Lines, toml_line, with_whole_paths

TEXT = """\
# A comment with lr = 1
title = "x"

[fixed]
epochs = 9  # lr = 2
"lr" = 0.1

[ search ] # what varies
optimizer = { choices = ["sgd"], when = { a = 1 } }
dropout.low = 0

[search.momentum]
low = 0.8

[[start]]
lr = 0.05
[[start]]
  lr = 0.07
"""


@pytest.mark.parametrize(
    ("section", "key", "entry", "line"),
    [
        ("fixed", None, 0, 4),
        ("fixed", "epochs", 0, 5),
        ("fixed", "lr", 0, 6),
        ("search", None, 0, 8),
        ("search", "optimizer", 0, 9),
        ("search", "dropout", 0, 10),
        ("search", "momentum", 0, 12),
        ("start", None, 0, 15),
        ("start", "lr", 0, 16),
        ("start", None, 1, 17),
        ("start", "lr", 1, 18),
        ("title", None, 0, 2),
        ("search", "nowhere", 0, 8),
        ("objective", None, 0, None),
        ("objective", "rungs", 0, None),
    ],
)
def test_a_key_is_found_on_its_line(section: str, key: str | None, entry: int, line: int | None) -> None:
    assert Lines(TEXT).of(section, key, entry) == line


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_read_from_a_line_equals_the_value(value: str) -> None:
    assert tomllib.loads(toml_line("key", value)) == {"key": value}


NAMING = """
title = "b.pth"
[fixed]
weights = 'b.pth'
[search]
weights = { choices = ["imagenet", "b.pth", "gone.pth"], default = "b.pth" }
lr = { low = 1, high = 2, when = { weights = ["b.pth"] } }
[[start]]
weights = "b.pth"
"""


def test_files_are_named_by_their_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / 'of "quotes"'
    folder.mkdir()
    for name in ("b.pth", "imagenet"):
        (folder / name).touch()
    monkeypatch.chdir(folder)
    made, whole = tomllib.loads(with_whole_paths(NAMING, "weights")), str(folder / "b.pth")
    assert made["fixed"]["weights"] == whole
    assert made["search"]["weights"] == {"choices": ["imagenet", whole, "gone.pth"], "default": whole}
    assert made["search"]["lr"]["when"]["weights"] == [whole]
    assert made["start"] == [{"weights": whole}]
    assert with_whole_paths("title = 'b.pth'", "weights") == "title = 'b.pth'"
    assert with_whole_paths("weights = b.pth", "weights") == "weights = b.pth"
