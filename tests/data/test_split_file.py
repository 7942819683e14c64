import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carsray.data.records import DataSplit, Row
from carsray.data.split_file import read_split, write_split
from carsray.errors import DataError, ResultsError

numbers = st.integers(0, 10_000)
# A path may hold anything but NUL.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
rows = st.lists(
    st.builds(Row, texts, st.integers(0, 1), st.just("ab" * 32), st.none() | st.tuples(*[numbers] * 4)), max_size=4
).map(tuple)


@settings(deadline=None)
@given(
    st.builds(
        DataSplit,
        st.tuples(texts.filter(str.isprintable), texts.filter(str.isprintable)),
        *[rows] * 3,
        st.booleans(),
        st.just("cd" * 32),
    )
)
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, split: DataSplit) -> None:
    path = tmp_path_factory.getbasetemp() / "split.csv"
    write_split(split, path)
    assert read_split(path) == split


def test_the_name_of_a_file_need_not_be_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"/Citro\xebn/C4 \xc3\xa9.jpg")
    split = DataSplit((os.fsdecode(b"Citro\xebn"), "b"), (Row(name, 0, "ab"),), (), (), False, "f")
    write_split(split, tmp_path / "split.csv")
    assert read_split(tmp_path / "split.csv") == split
    assert b"/Citro\xebn/C4 \xc3\xa9.jpg" in (tmp_path / "split.csv").read_bytes()


def example() -> DataSplit:
    row = Row("/a.jpg", 0, "ab", (1, 2, 3, 4))
    return DataSplit(("a, b", "c"), (row, row), (Row("/b.jpg", 1, "cd"),), (), False, "f")


def test_a_person_can_read_the_file(tmp_path: Path) -> None:
    write_split(example(), tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().splitlines()[1:] == [
        "path,label,class,split,digest,box",
        '/a.jpg,0,"a, b",train,ab,1 2 3 4',
        '/a.jpg,0,"a, b",train,ab,1 2 3 4',
        "/b.jpg,1,c,val,cd,",
    ]


def test_a_file_that_lost_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    write_split(example(), path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match="lines are missing"):
        read_split(path)


@pytest.mark.parametrize("text", ["", "path,label\n", "# 3\npath\n", "# {}\n", "# {\n"])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(DataError, match="not a split that carsray wrote"):
        read_split(tmp_path / "s.csv")


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path / "s.csv")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_split(example(), tmp_path / "s.csv")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ResultsError, match="No space left"):
        write_split(example(), tmp_path / "s.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
    assert read_split(tmp_path / "s.csv") == example()
