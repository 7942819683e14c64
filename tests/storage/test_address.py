from pathlib import Path

import pytest

from carsray.errors import ConfigError
from carsray.storage.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("s3://bucket", Address("s3", "bucket", "")),
        ("s3://bucket/a/b/", Address("s3", "bucket", "a/b")),
        ("gs://bucket/a", Address("gs", "bucket", "a")),
        ("s3://b/a?endpoint=http://127.0.0.1:9000&region=x", Address("s3", "b", "a", "http://127.0.0.1:9000", "x")),
        ("s3://bucket/what? #1 50%.jpg?region=x", Address("s3", "bucket", "what? #1 50%.jpg", None, "x")),
        ("/mnt/sweeps/", Address("file", "", "mnt/sweeps")),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_a_path_is_taken_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(parse_address("sweeps")) == str(tmp_path.resolve() / "sweeps")


def test_a_name_goes_below() -> None:
    address = parse_address("s3://bucket/sweeps?region=x")
    assert str(address / "cars-1") == "s3://bucket/sweeps/cars-1?region=x"
    assert (address / "cars-1").parent == address
    assert str(parse_address("s3://bucket") / "cars-1") == "s3://bucket/cars-1"


@pytest.mark.parametrize(
    "text",
    [
        "s3://me:secret@bucket/x",
        "s3://me:half/secret@bucket/x",
        "gs://secret@bucket",
        "s3://bucket/x?secret_key=secret",
        "s3://bucket/x?endpoint=http://me:secret@minio:9000",
    ],
)
def test_a_secret_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_address(text)
    assert "secret@" not in str(caught.value)
    assert "=secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["http://host/x", "s3:///x", "file:///x", "gs://b?region=x"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--data"):
        parse_address(text, "--data")
