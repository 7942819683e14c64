"""The service on Ray Serve: one application for all tests here."""

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from uploads import BAD, GOOD

from carsray.errors import ClusterError, ConfigError, PackageError
from carsray.final.package.growing import add_pictures
from carsray.progress import bar
from carsray.serve.crowd import CROWD
from carsray.serve.deployment import Placement, serving
from carsray.serve.engine import Engine, Question

pytestmark = pytest.mark.ray


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def growing(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(package, tmp_path_factory.mktemp("served") / "growing"))


@pytest.fixture(scope="module")
def served(growing: Path) -> Iterator[str]:
    with serving(growing, Placement(port=free_port())) as address:
        yield address.rstrip("/")


WAIT_SECONDS = 240.0


def become(there: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not there():
        assert time.monotonic() < deadline


def search(served: str, content: bytes) -> httpx.Response:
    return httpx.post(f"{served}/api/search", files={"image": content}, timeout=120)


def test_a_picture_gets_the_same_answer_as_without_ray(served: str, engine: Engine) -> None:
    become(lambda: httpx.get(f"{served}/readyz", timeout=60).is_success)
    answer = search(served, GOOD["jpeg"]).json()
    point = engine.model.gallery.point
    (expected,) = engine.answer([Question(engine.model.read(GOOD["jpeg"]), point.k)])
    assert [near["row"] for near in answer["neighbours"]] == [near.row for near in expected.neighbours]
    assert answer["guesses"][0]["probability"] == pytest.approx(expected.guesses[0].probability, abs=1e-5)
    assert httpx.post(f"{served}/api/search/gallery/1", timeout=60).json()["asked"]["row"] == 1


def test_what_cannot_be_answered_is_refused_through_ray_too(served: str) -> None:
    assert search(served, BAD["huge"]).status_code == 400
    assert search(served, bytes(30 * 2**20)).status_code == 413
    assert httpx.post(f"{served}/api/search/gallery/99999", timeout=60).status_code == 404


def test_a_crowd_is_answered_or_told_to_come_again(served: str) -> None:
    with ThreadPoolExecutor(2 * CROWD) as threads:
        statuses = list(threads.map(lambda _: search(served, GOOD["jpeg"]).status_code, range(2 * CROWD)))
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= CROWD
    assert search(served, GOOD["jpeg"]).is_success


def test_pictures_that_are_added_are_found_without_a_restart(served: str, growing: Path, tmp_path: Path) -> None:
    rows = httpx.get(f"{served}/api/model", timeout=60).json()["pictures"]
    (tmp_path / "new.jpg").write_bytes(GOOD["turned"])
    add_pictures(growing, tmp_path, bar)

    def nearest() -> dict[str, Any]:
        return dict(search(served, GOOD["turned"]).json()["neighbours"][0])

    become(lambda: nearest()["row"] == rows)
    become(lambda: httpx.get(f"{served}/api/model", timeout=60).json()["pictures"] == rows + 1)
    near = nearest()
    assert (near["file"], near["name"], near["label"]) == ("new.jpg", "", -1)
    assert httpx.get(f"{served}/api/gallery/{rows}", timeout=60).headers["content-type"] == "image/jpeg"


def test_a_port_in_use_is_one_line(package: Path) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with (
            pytest.raises(ConfigError, match="choose another --port"),
            serving(package, Placement(port=held.getsockname()[1])),
        ):
            pass


def test_a_folder_that_is_no_export_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="is no exported model"), serving(tmp_path, Placement(port=free_port())):
        pass


def test_more_replicas_than_fit_are_refused(served: str, package: Path) -> None:
    with (
        pytest.raises(ClusterError, match="ask for fewer"),
        serving(package, Placement(port=free_port(), replicas=1000)),
    ):
        pass
