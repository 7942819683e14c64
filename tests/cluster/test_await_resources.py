import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/cluster/await_resources.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("await_resources", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def waited(script: ModuleType, count: float, held: Iterator[float]) -> tuple[float, float]:
    """What was there at the end, and the seconds until then."""
    clock = Clock()
    there = script.wait(count, lambda: next(held), clock.sleep, clock)
    return there, clock.now


def test_there_is_no_wait_for_what_is_there(script: ModuleType) -> None:
    assert waited(script, 2, iter([2.0])) == (2.0, 0.0)


def test_it_ends_when_all_are_there(script: ModuleType) -> None:
    assert waited(script, 2, iter([0.0, 1.0, 2.0])) == (2.0, 2 * script.LOOK_SECONDS)


def test_the_first_is_waited_for_however_long_it_takes(script: ModuleType) -> None:
    looks = int(2 * script.PATIENCE_SECONDS / script.LOOK_SECONDS)
    there, seconds = waited(script, 1, iter([0.0] * looks + [1.0]))
    assert (there, seconds) == (1.0, 2 * script.PATIENCE_SECONDS)


def test_the_first_do_not_wait_for_ever_for_the_rest(script: ModuleType) -> None:
    there, seconds = waited(script, 8, iter([3.0] * 10_000))
    assert (there, seconds) == (3.0, script.PATIENCE_SECONDS)


def test_what_did_not_come_in_time_is_asked_for_until_it_has_come(script: ModuleType) -> None:
    held, looks = iter([3.0, 3.0, 8.0]), []
    script.stand(8, lambda: next(held), lambda: bool(looks.append("not over")))
    assert len(looks) == 2


def test_it_is_asked_for_no_longer_once_the_sweep_is_over(script: ModuleType) -> None:
    over = iter([False, True])
    script.stand(8, lambda: 3.0, lambda: next(over))
    assert list(over) == []
