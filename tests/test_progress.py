import os
import sys
from contextlib import suppress
from types import SimpleNamespace

import pytest

from carsray.progress import bar, silent


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("carsray.progress.time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_off_a_terminal_a_line_comes_every_ten_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Packing") as report:
        for second in range(1, 31):
            clock.now = 100.0 + second
            report(second, 60)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Packing: 10/60, about 50 s left",
        "Packing: 20/60, about 40 s left",
        "Packing: 30/60, about 30 s left",
    ]


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Packing") as report:
        clock.now += 9.9
        report(60, 60)
    assert capsys.readouterr() == ("", "")


def test_before_the_first_item_there_is_no_estimate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("Packing") as report:
        clock.now += 20
        report(0, 60)
    assert capsys.readouterr().err == ""


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent(1, 2)
    assert capsys.readouterr() == ("", "")


def everything(terminal: int) -> str:
    """What was written to a terminal whose other end is closed; one read may give only a part of it."""
    parts = []
    with suppress(OSError), os.fdopen(terminal, "rb", buffering=0) as file:  # Linux ends it with an error, not with b""
        while part := file.read(65536):
            parts.append(part)
    return b"".join(parts).decode()


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with bar("Packing") as report:
            report(3, 10)
    shown = everything(ours)
    assert "Packing" in shown
    assert "3/10" in shown
