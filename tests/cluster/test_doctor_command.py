"""The command, on an examination made by hand."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from made_facts import driver_of, node_of

from carsray.cli import cli
from carsray.cli.doctor import Examination
from carsray.cluster.examine import Examined

ADDRESS = "10.0.0.3:6379"
Doctor = Callable[..., Result]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Calls ``carsray doctor`` where these nodes are found."""

    def call(*nodes: Examined, options: tuple[str, ...] = ()) -> Result:
        made = Examination(ADDRESS, list(nodes), driver_of())
        monkeypatch.setattr("carsray.cli.doctor.examine", lambda *asked: made)
        return CliRunner().invoke(cli, ["doctor", *options])

    return call


def test_a_cluster_in_order_exits_0(doctor: Doctor) -> None:
    result = doctor(node_of("a"), node_of("b"))
    assert result.exit_code == 0
    assert result.output.endswith("2 nodes: all in order\n")


def test_what_is_in_order_alike_is_one_line(doctor: Doctor) -> None:
    result = doctor(node_of("a"), node_of("b"), node_of("c", packs=0))
    caches = [line for line in result.output.splitlines() if " cache " in line]
    assert caches == [
        "ok       cache     a, b: /cache: 1.0 TB free, 2 packs",
        "ok       cache     c: /cache: 1.0 TB free, 0 packs",
    ]


def test_a_warning_exits_0_with_what_to_do(doctor: Doctor) -> None:
    result = doctor(node_of("a"), node_of("b", cache_free_bytes=10**9))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    at = lines.index("warning  cache     b: /cache: 1.0 GB free, 2 packs")
    assert lines[at + 1].startswith(" " * 19 + "Make room, or choose another folder with --cache")
    assert lines[-1] == "2 nodes: 1 warning"


def test_an_error_exits_1_and_every_node_that_has_it_is_a_line(doctor: Doctor) -> None:
    broken = {"cache_problem": "Read-only file system"}
    result = doctor(node_of("a", **broken), node_of("b", **broken), node_of("c", shm_bytes=1))
    assert result.exit_code == 1
    assert result.output.count("/cache: cannot be written (Read-only file system)") == 2
    assert result.output.endswith("3 nodes: 2 errors, 1 warning\n")


def test_there_are_no_colours_where_there_is_no_terminal(doctor: Doctor) -> None:
    assert "\x1b" not in doctor(node_of(torch_problem="ImportError: no")).output


@pytest.mark.parametrize(("problem", "code"), [("", 0), ("No such file or directory", 1)])
def test_json_is_one_object_with_facts_and_findings(doctor: Doctor, problem: str, code: int) -> None:
    node = node_of("a", data="/cars", data_problem=problem)
    hung = Examined("b", 0, 0, None, "no answer in 90 s")
    result = doctor(*((node, hung) if code else (node,)), options=("--json",))
    assert result.exit_code == code
    told = json.loads(result.output)
    assert told["address"] == ADDRESS
    assert told["nodes"][0]["facts"]["data"] == "/cars"
    assert told["driver"]["results"] == "results"
    assert {each["level"] for each in told["findings"]} == ({"ok", "error"} if code else {"ok"})
