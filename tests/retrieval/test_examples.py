from pathlib import Path

import pytest

from carsray.data.records import DataSplit, Row
from carsray.errors import ResultsError
from carsray.retrieval.examples import Example, read_examples, write_examples

ROWS = tuple(Row(f'/a "b",\n{number}.jpg', number % 2, str(number)) for number in range(6))
SPLIT = DataSplit(("one, two", "three"), ROWS[:4], ROWS[4:], (), "as given", "f")


def test_examples_are_read_as_they_were_written(tmp_path: Path) -> None:
    examples = [Example(ROWS[4], (ROWS[2], ROWS[0])), Example(ROWS[5], (ROWS[0], ROWS[3]))]
    write_examples(tmp_path / "n.csv", examples, SPLIT)
    assert read_examples(tmp_path / "n.csv", SPLIT) == examples


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read_examples(tmp_path / "n.csv", SPLIT) == []


def test_pictures_of_another_split_are_refused(tmp_path: Path) -> None:
    write_examples(tmp_path / "n.csv", [Example(ROWS[4], (ROWS[2],))], SPLIT)
    other = DataSplit(("a", "b"), ROWS[:1], ROWS[4:], (), "as given", "g")
    with pytest.raises(ResultsError, match=r"n\.csv: has no neighbours of this sweep"):
        read_examples(tmp_path / "n.csv", other)
