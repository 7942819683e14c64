"""`carsray search`, as a person calls it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from uploads import GOOD

from carsray.cli import cli
from carsray.errors import ConfigError, DataError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    (tmp_path / "car.jpg").write_bytes(GOOD["jpeg"])
    return tmp_path / "car.jpg"


def search(*args: Any) -> str:
    return CliRunner().invoke(cli, ["search", *map(str, args)], catch_exceptions=False, standalone_mode=False).stdout


def test_it_answers_as_the_service_does(package: Path, picture: Path, server: str) -> None:
    said = json.loads(search(package, picture, "--neighbours", 3, "--json"))
    served = httpx.post(f"{server}/api/search", files={"image": GOOD["jpeg"]}, params={"k": 3}, timeout=60).json()
    assert [near["row"] for near in said["neighbours"]] == [near["row"] for near in served["neighbours"]]
    assert [guess["name"] for guess in said["guesses"]] == [guess["name"] for guess in served["guesses"]]


def test_it_names_rows_to_search_on_from(package: Path, picture: Path) -> None:
    *_, head, nearest = search(package, picture, "--neighbours", 1).splitlines()
    assert head.split() == ["row", "distance", "nearest"]
    first, *_ = search(package, "--row", nearest.split()[0], "--class", "Car 1 1991").splitlines()
    assert nearest.endswith(first)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "give an IMAGE or --row"),
        (["car.jpg", "--row", "1"], "give an IMAGE or --row"),
        (["--row", "1", "--class", "Unicorn"], "'Unicorn': is none of the model's"),
    ],
)
def test_what_cannot_be_asked_is_one_line(package: Path, args: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        search(package, *args)


def test_a_row_that_is_not_there_and_a_file_that_is_not_there_are_one_line(package: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the gallery has rows 0 to"):
        search(package, "--row", 10**6)
    with pytest.raises(DataError, match="there is no such file"):
        search(package, tmp_path / "missing.jpg")
