import re
from pathlib import Path

import pytest
from object_server import ObjectServer, object_server

from carsray.errors import StorageError
from carsray.storage.address import parse_address
from carsray.storage.place import Place, TakenError


def test_what_is_written_is_read_listed_and_deleted(place: Place) -> None:
    assert place.read("a/b") is None
    assert list(place.objects()) == []
    place.write("a/b", b"old")
    place.write("a/b", b"new")
    place.write("ä +%#?.jpg", b"1")
    assert place.read("a/b") == b"new"
    assert (place / "a").read("b") == b"new"
    assert {found.name: found.size for found in place.objects()} == {"a/b": 3, "ä +%#?.jpg": 1}
    assert place.folders() == ["a"]
    place.delete("a/b")
    place.delete("a/b")
    assert place.read("a/b") is None


def test_a_name_that_only_begins_alike_lies_elsewhere(place: Place) -> None:
    place.write("cars-1/x", b"")
    place.write("cars-10/x", b"")
    assert [found.name for found in (place / "cars-1").objects()] == ["x"]


def test_a_file_goes_there_and_comes_back(place: Place, tmp_path: Path) -> None:
    content = bytes(range(256)) * 50_000  # more than one part of an upload
    (tmp_path / "there").write_bytes(content)
    with (tmp_path / "there").open("rb") as file:
        place.write("large", file)
    place.fetch("large", tmp_path / "new" / "back")
    assert (tmp_path / "new" / "back").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["back"]


def test_what_exists_is_not_created_again(place: Place) -> None:
    place.create("a", b"1")
    with pytest.raises(TakenError):
        place.create("a", b"2")
    assert place.read("a") == b"1"


def test_only_what_is_as_it_was_is_replaced(place: Place) -> None:
    first = place.create("a", b"1")
    second = place.replace("a", b"22", first)
    with pytest.raises(TakenError):
        place.replace("a", b"333", first)
    assert place.read("a") == b"22"
    place.replace("a", b"333", second)


def test_a_probe_leaves_nothing(place: Place) -> None:
    place.probe()
    assert list(place.objects()) == []


def one_line(error: pytest.ExceptionInfo[StorageError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_bucket_that_is_not_there_is_told(server: ObjectServer) -> None:
    place = Place(parse_address(f"s3://no-such-bucket/x?endpoint={server.endpoint}"))
    for use in (place.probe, lambda: place.read("a")):
        with pytest.raises(StorageError, match="there is no such bucket") as caught:
            use()
        one_line(caught)


def test_a_server_that_does_not_answer_is_told() -> None:
    with object_server() as server:
        place = Place(parse_address(server.address("x")))
    with pytest.raises(StorageError, match=re.escape("cannot be written (HTTP error")) as caught:
        place.probe()
    assert "AWS_ACCESS_KEY_ID" in one_line(caught)


def test_the_server_may_be_named_in_the_environment(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    Place(parse_address("s3://sweeps-here/from-environment")).write("a", b"1")
    assert Place(parse_address(server.address("from-environment"))).read("a") == b"1"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written") as caught:
        Place(parse_address(str(tmp_path / "file" / "sweeps"))).probe()
    one_line(caught)
