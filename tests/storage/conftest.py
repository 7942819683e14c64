"""Places to try things in: a folder, and a bucket on loopback."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from object_server import KEYS, ObjectServer, object_server

from carsray.storage.address import parse_address
from carsray.storage.place import Place


@pytest.fixture(scope="package")
def server() -> Iterator[ObjectServer]:
    with object_server() as running:
        yield running


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(server: ObjectServer) -> Place:
    """An empty place in a bucket."""
    return Place(parse_address(server.address(uuid4().hex)))


@pytest.fixture
def shared(tmp_path: Path) -> Place:
    """A folder that is not there yet."""
    return Place(parse_address(str(tmp_path / "shared" / "sweeps")))


@pytest.fixture(params=["shared", "bucket"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each kind of place."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Place)
    return found
