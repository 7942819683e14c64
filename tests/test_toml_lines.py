import pytest

from carsray.toml_lines import Lines

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
