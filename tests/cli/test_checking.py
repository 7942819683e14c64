"""Real processes of their own."""

from contextlib import suppress
from pathlib import Path

import pytest

from carsray.cli import checking
from carsray.cli.checking import networks_checked
from carsray.errors import ConfigError, SweepFailed
from carsray.space import Space
from carsray.space_file import parse_space
from carsray.training.forked import Forked, fork

pytestmark = pytest.mark.process


SPACE = """
[fixed]
backbone = "mobilenet_v2"
image_size = 64
[search]
unfreeze_depth = {{ choices = [{}] }}
"""


def space_of(depths: str) -> Space:
    return parse_space(SPACE.format(depths), "tiny.toml", {})


def test_networks_that_can_be_built_pass() -> None:
    with networks_checked(space_of("0, 3")) as checked:
        checked()


def test_what_is_wrong_is_told_as_it_is() -> None:
    with pytest.raises(ConfigError, match="unfreeze_depth = 99"), networks_checked(space_of("0, 99")) as checked:
        checked()


def test_a_check_that_dies_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MODULE", "carsray.errors")  # which is no program
    with (
        networks_checked(space_of("0, 3")) as checked,
        pytest.raises(SweepFailed, match=r"tries the networks died \(exit code 1\)"),
    ):
        checked()


def test_nobody_waits_for_the_check_where_something_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Forked | None] = []
    monkeypatch.setattr(checking, "fork", lambda *order: made.append(fork(*order)) or made[-1])
    pids: list[int | None] = []
    with suppress(ZeroDivisionError), networks_checked(space_of("0, 3")):
        pids = [each.pid for each in made if each]
        assert all(pids)
        raise ZeroDivisionError
    assert [Path(f"/proc/{pid}").exists() for pid in pids] == [False]


def test_without_a_fork_server_the_check_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "fork_server", lambda: None)
    with pytest.raises(ConfigError, match="unfreeze_depth = 99"), networks_checked(space_of("0, 99")) as checked:
        checked()
