"""The doctor on a real Ray: a head, and a node with logical GPUs that no machine here has."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from click.testing import CliRunner
from ray.cluster_utils import Cluster

from carsray.cli import cli
from carsray.cluster import doctor
from carsray.cluster.connect import Node, alive_nodes
from carsray.cluster.doctor import examine_nodes, head_address

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

STORE = 100 * 2**20
MANY = 64


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    head = {"num_cpus": 1, "num_gpus": 0, "include_dashboard": False, "object_store_memory": STORE}
    made = Cluster(initialize_head=True, head_node_args=head)
    made.add_node(num_cpus=0, num_gpus=MANY, object_store_memory=STORE)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR", namespace="carsray")
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def nodes(cluster: Cluster) -> list[Node]:
    return alive_nodes()


def test_nodes_tell_their_id_and_their_object_store(nodes: list[Node]) -> None:
    assert [node.gpus for node in nodes] == [0, MANY]
    assert len({node.id for node in nodes} - {""}) == 2
    assert [node.store_bytes for node in nodes] == [STORE, STORE]


def test_every_node_is_examined_where_it_is_even_without_processors(nodes: list[Node], tmp_path: Path) -> None:
    examined = examine_nodes(nodes, tmp_path / "cache", str(tmp_path / "nope"))
    assert [each.name for each in examined] == [f"{node.name} {node.id[:8]}" for node in nodes]
    assert [each.gpus for each in examined] == [0, MANY]
    for each in examined:
        assert each.problem == ""
        assert each.facts is not None
        assert each.facts.versions["torch"] == version("torch")
        assert each.facts.cache == tmp_path / "cache"
        assert each.facts.data_problem == "No such file or directory"


def test_the_head_is_known_by_its_address(cluster: Cluster) -> None:
    assert head_address() == cluster.address


def test_the_command_finds_the_gpus_that_are_none(nodes: list[Node], tmp_path: Path) -> None:
    options = ["--json", "--cache", str(tmp_path / "cache"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(cli, ["doctor", *options])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert len(told["nodes"]) == 2
    (error,) = (each for each in told["findings"] if each["level"] == "error")
    assert (error["check"], error["node"]) == ("GPU", told["nodes"][1]["name"])
    assert f"Ray hands out {MANY}, torch sees " in error["found"]


def test_a_node_that_hangs_is_told_and_does_not_hang_the_others(
    nodes: list[Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = nodes[1].id

    def hang(cache: Path, data: Path | None) -> Any:
        if ray.get_runtime_context().get_node_id() == hanging:
            time.sleep(3600)
        return None

    monkeypatch.setattr(doctor, "examine_node", hang)
    clock = [0.0]
    monkeypatch.setattr(doctor, "time", SimpleNamespace(monotonic=lambda: clock[0]))

    def past_the_limit(done: int, total: int) -> None:
        clock[0] = 601.0

    first, second = examine_nodes(nodes, tmp_path, within=600, report=past_the_limit)
    assert (first.problem, second.problem) == ("", "no answer in 600 s")


def test_a_node_that_breaks_says_why(nodes: list[Node], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(cache: Path, data: Path | None) -> Any:
        raise ModuleNotFoundError("No module named 'carsray'")

    def dies(cache: Path, data: Path | None) -> Any:
        os._exit(3)

    monkeypatch.setattr(doctor, "examine_node", breaks)
    assert {each.problem for each in examine_nodes(nodes, tmp_path)} == {"No module named 'carsray'"}
    monkeypatch.setattr(doctor, "examine_node", dies)
    assert all(each.problem for each in examine_nodes(nodes, tmp_path))


def test_a_cluster_that_asks_for_a_token_is_one_line(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    with socket.create_server(("127.0.0.1", 0)) as listening:  # answers a knock, and Ray looks for its token first
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", "from carsray.cli import main; main()", "doctor", "--address", address],
            env={**environment, "RAY_AUTH_MODE": "token", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --address {address}: the cluster asks for a token")
    assert done.stderr.count("\n") == 1
