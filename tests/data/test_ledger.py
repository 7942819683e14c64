from pathlib import Path

import pytest

from carsray.data.ledger import Opening, read_ledger, rows_digest, write_opening
from carsray.data.records import DataSplit, Row
from carsray.errors import ResultsError

ROWS = (Row("a.jpg", 0, "aa"), Row("b.jpg", 1, "bb"))
SPLIT = DataSplit(("x", "y"), (), (), ROWS, "the official test", "f" * 64)
OPENING = Opening("reproduce", "cnn-1", 0, "0123456789ab", "ee")


def test_every_opening_is_a_line_of_its_own(tmp_path: Path) -> None:
    ledger = tmp_path / "test_ledger.jsonl"
    assert read_ledger(ledger) == []
    for _ in range(2):
        write_opening(ledger, OPENING, SPLIT)
    first, second = read_ledger(ledger)
    assert first.keys() == second.keys()
    assert first.keys() >= {"time", "commit"}
    assert {k: v for k, v in first.items() if k not in ("time", "commit")} == {
        **{"by": "reproduce", "experiment": "cnn-1", "seed": 0, "config": "0123456789ab", "weights": "ee"},
        "others": [],
        **{"test_kind": "the official test", "pictures": 2, "test": rows_digest(ROWS), "fingerprint": "f" * 64},
    }


def test_the_digest_of_rows_follows_pictures_and_labels_and_not_their_order_or_names() -> None:
    assert rows_digest(ROWS) == rows_digest(ROWS[::-1]) == rows_digest((Row("c.jpg", 0, "aa"), ROWS[1]))
    assert len({rows_digest(ROWS), rows_digest(ROWS[:1]), rows_digest((Row("a.jpg", 1, "aa"), ROWS[1]))}) == 3


def test_a_ledger_that_cannot_be_written_or_read_stops_the_work(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="cannot be written"):
        write_opening(tmp_path / "missing" / "test_ledger.jsonl", OPENING, SPLIT)
    broken = tmp_path / "test_ledger.jsonl"
    broken.write_text("{")
    with pytest.raises(ResultsError, match="record of test openings"):
        read_ledger(broken)
