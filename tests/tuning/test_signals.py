"""SIGTERM ends things as Ctrl-C does."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from carsray.tuning.signals import TAKEN, terminated_as_interrupted


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[Any], None]]:
    """Sets what SIGINT does, for one test."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_it_does_what_ctrl_c_does(ctrl_c: Callable[[Any], None]) -> None:
    seen: list[int] = []
    ctrl_c(lambda number, frame: seen.append(number))
    with terminated_as_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
    assert seen == [signal.SIGINT]


def test_where_ctrl_c_is_ignored_it_interrupts_all_the_same(ctrl_c: Callable[[Any], None]) -> None:
    """As in what a shell's script starts with `&`."""
    ctrl_c(signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)


def test_afterwards_all_is_what_it_was() -> None:
    """Also what Ray has set meanwhile."""
    before = {number: signal.getsignal(number) for number in TAKEN}
    with terminated_as_interrupted():
        for number in TAKEN:
            signal.signal(number, lambda *_: None)
    assert {number: signal.getsignal(number) for number in TAKEN} == before


def test_a_sigterm_that_rays_own_handler_takes_interrupts_too() -> None:
    """As while ray.init is under way: it exits with the signal's number."""
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        sys.exit(signal.SIGTERM)


def test_another_exit_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="3"), terminated_as_interrupted():
        sys.exit(3)
