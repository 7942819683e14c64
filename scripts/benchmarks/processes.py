"""Processes as the system lists them: who descends from whom, and what they were called with. Linux only."""

import os
import select
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """All that a process has started, at whatever remove."""
    children = defaultdict(list)
    for child, parent in _parents():
        children[parent].append(child)
    found, waiting = [], [pid]
    while waiting:
        born = children[waiting.pop()]
        found += born
        waiting += born
    return found


def named(pids: list[int], *words: str) -> list[int]:
    """Those of them whose name or command line holds one of these words; one that has ended has no command line."""
    called = {pid: (name(pid), command_line(pid)) for pid in pids}
    return [pid for pid, both in called.items() if both[1] and any(word in " ".join(both) for word in words)]


def name(pid: int) -> str:
    """What `top` shows; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def command_line(pid: int) -> str:
    """Arguments, or the title that a process gave itself; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def kill(pid: int) -> None:
    """SIGKILL, which nobody can answer."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def gone(pids: list[int], within: float) -> list[int]:
    """Wait for processes to end; those that are still there after so many seconds."""
    deadline = time.monotonic() + within
    for pid in pids:
        with suppress(ProcessLookupError, OSError):
            handle = os.pidfd_open(pid)
            try:
                select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
            finally:
                os.close(handle)
    return [pid for pid in pids if command_line(pid)]


def wait_for(there: Callable[[], bool], pid: int, within: float = 300.0) -> bool:
    """Look often until it is there; False if the process ended or the time did."""
    deadline = time.monotonic() + within
    handle = os.pidfd_open(pid)
    try:
        while not there():
            if select.select([handle], [], [], 0.05)[0] or time.monotonic() > deadline:
                return there()
        return True
    finally:
        os.close(handle)


def resident_bytes(pid: int) -> int:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


def _parents() -> Iterator[tuple[int, int]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                # The second field, a name in brackets, may hold anything.
                yield int(entry.name), int((entry / "stat").read_text().rpartition(")")[2].split()[1])
