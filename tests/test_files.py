import json
import os
from pathlib import Path

import pytest
from full_disk import full_disk

from carsray.errors import ResultsError
from carsray.files import append_line, read_csv, write_bytes, write_csv, write_json, write_text


def test_a_file_and_its_folders_are_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "note.txt", "é\n")
    assert (tmp_path / "a" / "b" / "note.txt").read_bytes() == b"\xc3\xa9\n"
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["note.txt"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_text(path, "old " * 10_000)
    with path.open() as reader:
        first = reader.read(4)
        write_text(path, "new")
        assert first + reader.read() == "old " * 10_000
    assert path.read_text() == "new"


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_bytes(path, b"old")
    with full_disk(1000), pytest.raises(ResultsError) as caught:
        write_bytes(path, b"x" * 5000)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    assert str(caught.value) == f"{path}: cannot be written: File too large. Free space or choose another folder"


@pytest.mark.parametrize("inside", ["taken/note.txt", "taken/deeper/note.txt"])
def test_a_file_in_place_of_a_folder_is_one_line(tmp_path: Path, inside: str) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ResultsError, match="cannot be written: "):
        write_text(tmp_path / inside, "x")
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_folder_in_place_of_the_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "note.txt").mkdir()
    with pytest.raises(ResultsError, match="cannot be written: Is a directory"):
        write_text(tmp_path / "note.txt", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_json_may_hold_paths(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"path": tmp_path, "numbers": [1, 0.5]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"path": str(tmp_path), "numbers": [1, 0.5]}


def test_lines_are_added_at_the_end(tmp_path: Path) -> None:
    for line in ("first", "zweite ö"):
        append_line(tmp_path / "log", line)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "first\nzweite ö\n"


def test_adding_a_line_to_a_full_disk_is_one_line() -> None:
    with pytest.raises(ResultsError, match=r"/dev/full: cannot be written: No space left on device\. Free space"):
        append_line(Path("/dev/full"), "x")


def test_a_line_cut_short_by_a_full_disk_goes_with_the_next(tmp_path: Path) -> None:
    log = tmp_path / "log"
    append_line(log, "first")
    with full_disk(100), pytest.raises(ResultsError):
        append_line(log, "x" * 1000)
    assert len(log.read_text()) == 100
    append_line(log, "second")
    assert log.read_text() == "first\nsecond\n"


def test_a_file_that_holds_nothing_but_a_cut_line_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"epo')
    append_line(tmp_path / "log", "first")
    assert (tmp_path / "log").read_text() == "first\n"


def test_a_table_keeps_names_of_any_bytes(tmp_path: Path) -> None:
    names = [os.fsdecode(b"\xff.jpg"), 'a,"b".jpg', "c\rd\ne.jpg", "NA"]
    write_csv(tmp_path / "t.csv", ("path", "row"), ((name, row) for row, name in enumerate(names)))
    assert [line["path"] for line in read_csv(tmp_path / "t.csv", "surrogateescape")] == names
    assert [line["row"] for line in read_csv(tmp_path / "t.csv", "replace")] == ["0", "1", "2", "3"]
    assert read_csv(tmp_path / "t.csv", "replace")[0]["path"] == "\N{REPLACEMENT CHARACTER}.jpg"
