"""SIGTERM ends things as Ctrl-C does."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from carsray.tuning.signals import terminated_as_interrupted


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


def test_afterwards_it_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with terminated_as_interrupted():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
