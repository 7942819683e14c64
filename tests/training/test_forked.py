"""Processes forked of a real fork server: small programs."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from carsray.training.forked import Forked, fork, fork_server

pytestmark = pytest.mark.process

PROGRAMS = """
import os
import torch
from multiprocessing.connection import Connection

def main(fd):
    pipe = Connection(fd)
    said = pipe.recv()
    if said == "state":
        pipe.send((os.getsid(0) == os.getpid(), dict(os.environ), torch.get_num_threads()))
    elif said == "rank":
        oom_score = int(open("/proc/self/oom_score_adj").read())
        pipe.send((os.getpriority(os.PRIO_PROCESS, 0), oom_score, os.sched_getaffinity(0)))
    elif said == "open":
        links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
        pipe.send([link for link in links if "socket:" in link or "pipe:" in link])
    elif said == "fail":
        raise ValueError("as told")
    elif said == "exit":
        os._exit(7)
    elif said == "parent":
        pipe.send(os.getppid())
    elif said == "wait":
        pipe.recv()
    elif said == "parent, and wait":
        pipe.send(os.getppid())
        pipe.recv()
"""
Begin = Callable[..., tuple[Forked, Connection]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "programs.py").write_text(PROGRAMS)
    return folder


@pytest.fixture(scope="module")
def server(programs: Path) -> Path:
    return own_server(programs)


def own_server(folder: Path) -> Path:
    """One that can import the programs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]))
        found = fork_server.__wrapped__()
    assert found is not None
    return Path(found)


@pytest.fixture
def begin(server: Path) -> Iterator[Begin]:
    """Forks a program and tells it what to do; all are gone after the test."""
    made: list[tuple[Forked, Connection]] = []

    def ask(said: str, threads: int = 1, **environment: str) -> tuple[Forked, Connection]:
        ours, theirs = socket.socketpair()
        with theirs:
            forked = fork(server, "programs", theirs, environment, threads)
        assert forked is not None
        made.append((forked, Connection(ours.detach())))
        made[-1][1].send(said)
        return made[-1]

    yield ask
    for forked, pipe in made:
        if forked._line.fileno() >= 0:
            forked.kill()
            forked.wait(30)
        pipe.close()


def test_it_has_the_environment_and_the_threads_that_were_asked_for_and_a_session_of_its_own(begin: Begin) -> None:
    _, pipe = begin("state", threads=2, TOLD="yes")
    assert pipe.recv() == (True, {"TOLD": "yes"}, 2)


ASKER = """
import os, socket, sys
from multiprocessing.connection import Connection
from pathlib import Path
from carsray.training.forked import fork

os.setpriority(os.PRIO_PROCESS, 0, 15)
Path("/proc/self/oom_score_adj").write_text("900")
os.sched_setaffinity(0, [0])
ours, theirs = socket.socketpair()
forked = fork(Path(sys.argv[1]), "programs", theirs, {}, 1)
pipe = Connection(ours.detach())
pipe.send("rank")
print(*pipe.recv())
"""


def test_it_is_as_nice_as_who_asks_for_it_dies_as_soon_where_memory_lacks_and_runs_where_that_one_runs(
    server: Path,
) -> None:
    """Ray gives its workers niceness 15, and has the kernel take them first."""
    said = subprocess.run([sys.executable, "-c", ASKER, server], capture_output=True, text=True, check=True)
    assert said.stdout == "15 900 {0}\n"


def test_the_server_has_no_threads_and_the_heap_that_training_wants(begin: Begin) -> None:
    _, pipe = begin("parent")
    server = Path(f"/proc/{pipe.recv()}")
    assert len(list((server / "task").iterdir())) == 1
    assert {"MALLOC_MMAP_MAX_=0", "GOMP_SPINCOUNT=5000"} <= set((server / "environ").read_text().split("\0"))


def test_it_holds_none_of_the_servers_pipes_nor_of_the_others(begin: Begin) -> None:
    begin("wait")
    _, pipe = begin("open")
    assert len(pipe.recv()) == 1  # its own


@pytest.mark.parametrize(("said", "code"), [("state", 0), ("fail", 1), ("exit", 7)])
def test_its_exit_code_is_told(said: str, code: int, begin: Begin) -> None:
    forked, _ = begin(said)
    assert forked.wait(30) == code
    assert forked.wait(30) == code  # twice as once


def test_a_killed_one_is_told_by_its_signal(begin: Begin) -> None:
    forked, _ = begin("wait")
    assert forked.pid
    forked.kill()
    assert forked.wait(30) == -signal.SIGKILL
    forked.kill()  # its number may be another's by now


def test_one_that_goes_on_is_waited_for_no_longer_than_asked(begin: Begin) -> None:
    forked, pipe = begin("wait")
    with pytest.raises(subprocess.TimeoutExpired):
        forked.wait(0.01)
    pipe.send("enough")
    assert forked.wait(30) == 0


def test_its_traceback_goes_where_the_asker_writes(begin: Begin, capfd: pytest.CaptureFixture[str]) -> None:
    forked, _ = begin("fail")
    forked.wait(30)
    assert "ValueError: as told" in capfd.readouterr().err


def test_one_whose_asker_hangs_up_is_ended(begin: Begin) -> None:
    forked, pipe = begin("wait")
    assert forked.pid
    forked._line.close()  # as if the asker had died
    with pytest.raises((EOFError, ConnectionResetError)):
        pipe.recv()


def test_one_that_was_not_forked_yet_is_given_up_without_waiting(begin: Begin) -> None:
    _, pipe = begin("parent")
    server = pipe.recv()
    os.kill(server, signal.SIGSTOP)
    try:
        forked, pipe = begin("wait")
        forked.kill()
    finally:
        os.kill(server, signal.SIGCONT)
    assert forked.wait(30) is None
    with pytest.raises((EOFError, ConnectionResetError)):
        pipe.recv()


def test_an_order_that_makes_no_sense_harms_nobody_else(server: Path, begin: Begin) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(server))
        line.sendall(b"12345678")
        assert line.recv(1) == b""
    forked, _ = begin("exit")
    assert forked.wait(30) == 7


def test_one_that_cannot_say_why_it_ends_does_no_harm_either(server: Path, begin: Begin) -> None:
    """Nobody reads its standard error."""
    read, write = os.pipe()
    os.close(read)
    kept = os.dup(2)
    os.dup2(write, 2)
    try:
        forked, _ = begin("fail")
        assert forked.wait(30) == 1
    finally:
        os.dup2(kept, 2)
        for descriptor in (kept, write):
            os.close(descriptor)
    assert server.exists()


def test_one_that_outlives_the_server_can_be_waited_for_and_killed(programs: Path) -> None:
    server = own_server(programs)
    ours, theirs = socket.socketpair()
    with theirs:
        forked = fork(server, "programs", theirs, {}, 1)
    assert forked is not None
    assert forked.pid
    with Connection(ours.detach()) as pipe:
        pipe.send("parent, and wait")
        os.kill(pipe.recv(), signal.SIGKILL)
        with pytest.raises(subprocess.TimeoutExpired):
            forked.wait(0.01)
        forked.kill()
        assert forked.wait(30) is None
        with pytest.raises((EOFError, ConnectionResetError)):
            pipe.recv()


@pytest.mark.parametrize("folder", ["nowhere", "x" * 120])
def test_where_there_cannot_be_a_socket_there_is_no_server(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder for temporary files is missing, or has too long a name for a socket."""
    if folder != "nowhere":
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / folder))
    assert fork_server.__wrapped__() is None


def test_a_server_of_another_machine_is_let_be(tmp_path: Path) -> None:
    with socket.socket() as pipe:
        assert fork(tmp_path / "carsray-elsewhere-x/socket", "programs", pipe, {}, 1) is None


DRIVER = """
import sys, time
from carsray.training.forked import fork_server
print(fork_server(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def driver() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process with a fork server, and the server's socket."""
    with subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_a_server_ends_with_its_driver_and_leaves_nothing(driver: tuple[subprocess.Popen[str], Path]) -> None:
    process, path = driver
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        process.kill()
        with suppress(ConnectionResetError):
            assert line.recv(1) == b""  # the end of the server, which had never answered
    assert not path.parent.exists()
    with socket.socket() as pipe:
        assert fork(path, "programs", pipe, {}, 1) is None
