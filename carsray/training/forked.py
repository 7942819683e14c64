"""Processes forked of one that has torch imported: four CPU-seconds less for each. See fork_server.py for that one.

It is started by the driver and serves the machine that the driver is on. Elsewhere, and where it is gone, training
processes are started anew (process.py).
"""

import atexit
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path

PYTHON = (sys.executable, "-P", "-m")
"""To run a module: none of the folder that we happen to be in may stand in for one of Python's own."""
ANSWER_SECONDS = 120.0
"""The first to ask waits for the imports, which a busy machine draws out."""
KEEP_HEAP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""glibc gives large activations back to the system as they are freed, and has every page zeroed anew a step later."""
SHORT_SPIN = {"GOMP_SPINCOUNT": "5000"}
"""How often a thread looks whether the others have come, before it sleeps. GNU OpenMP's 300,000 times is longer than a
time slice where other processes run: two sweeps at once on two cores took 91 s each, and 35 s with this; one alone 20 s
with either (https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html).
"""
NUMBER = struct.Struct("!i")
LENGTH = struct.Struct("!Q")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be forked: ``main(fd)`` of a module, with this environment and so many threads for torch.

    It takes after who asks for it: Ray lets its workers give way to others, and die first where memory lacks. With it
    come the descriptors of its end of a pipe, of its standard output and of its standard error.
    """

    module: str
    environment: dict[str, str]
    threads: int
    niceness: int
    oom_score: int
    processors: list[int]


class Forked:
    """A process that is the fork server's child; what is asked of it, subprocess.Popen answers by the same names."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._handle: int | None = None
        """Of the process, not of its number, which may be another's once it has ended."""
        self._ended = False
        self._code: int | None = None

    @cached_property
    def pid(self) -> int | None:
        """Its process id, once the server has come to fork it; None where the server is gone."""
        if not self._ended:
            self._line.settimeout(ANSWER_SECONDS)
            with suppress(OSError):
                told, handles, *_ = socket.recv_fds(self._line, NUMBER.size, 1)
                if handles:
                    self._handle = handles[0]
                    return int(NUMBER.unpack(told)[0])
            self._let_go()
        return None

    def wait(self, timeout: float) -> int | None:
        """Its exit code; None where the fork server, which alone would know it, is gone.

        Raises subprocess.TimeoutExpired where it has not ended by then.
        """
        if not self._ended and self.pid:
            self._line.settimeout(timeout)
            try:
                self._code = _number(self._line)
            except TimeoutError:
                raise subprocess.TimeoutExpired("a forked process", timeout) from None
            assert self._handle is not None
            if self._code is None and not select.select([self._handle], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a forked process", timeout)
            self._let_go()
        return self._code

    def kill(self) -> None:
        """End it at once. Where the server has not come to fork it, it is not waited for: hung up on, it ends it."""
        if self._ended:
            return
        if "pid" not in self.__dict__ and not select.select([self._line], [], [], 0)[0]:
            self._let_go()
        elif self.pid:
            assert self._handle is not None
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _let_go(self) -> None:
        self._ended = True
        self._line.close()
        if self._handle is not None:
            os.close(self._handle)


def fork(server: Path, module: str, pipe: socket.socket, environment: Mapping[str, str], threads: int) -> Forked | None:
    """A process that runs the module's ``main`` with its end of the pipe, as soon as the server comes to it.

    None where the server is on another machine, or gone.
    """
    if _place() not in server.parent.name:
        return None
    oom_score = int(Path("/proc/self/oom_score_adj").read_text())
    niceness, processors = os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0))
    order = Order(module, dict(environment), threads, niceness, oom_score, processors)
    content = json.dumps(asdict(order)).encode()
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(ANSWER_SECONDS)
    try:
        line.connect(str(server))
        socket.send_fds(line, [LENGTH.pack(len(content))], [pipe.fileno(), 1, 2])
        line.sendall(content)
    except OSError:
        line.close()
        return None
    return Forked(line)


def start_anew(command: Sequence[str], environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A process of its own imports, which gets the number of its end of a pipe as its last argument, and our end.

    It has a session of its own: Ctrl-C in the terminal is the driver's business.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        fd = theirs.fileno()
        process = subprocess.Popen([*command, str(fd)], pass_fds=[fd], env=environment, start_new_session=True)
    return process, ours


@cache
def fork_server() -> Path | None:
    """The socket of this process's fork server, which the first call starts; it ends with this process.

    None where there cannot be one: processes are started anew then.
    """
    if sys.platform != "linux":
        return None
    listener = socket.socket(socket.AF_UNIX)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"carsray-{_place()}-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        listener.bind(str(folder / "socket"))
    except OSError:  # the folder for temporary files is full, not to be written to, or has too long a name
        listener.close()
        return None
    listener.listen(64)
    theirs, ours = os.pipe()  # that nobody holds the other end any more, tells the server that this process is gone
    process = subprocess.Popen(
        [*PYTHON, "carsray.training.fork_server", str(listener.fileno()), str(theirs), str(folder)],
        pass_fds=[listener.fileno(), theirs],
        env={**heap_and_threads(os.environ), "OMP_NUM_THREADS": "1"},  # a pool of threads would not survive a fork
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    listener.close()
    os.close(theirs)

    def end() -> None:
        os.close(ours)
        process.kill()  # it may be at its imports still
        process.wait()

    atexit.register(end)
    return folder / "socket"


def heap_and_threads(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, with what a training process wants of its heap and its threads where it says nothing of them."""
    spin = {} if "OMP_WAIT_POLICY" in environment else SHORT_SPIN
    return {**KEEP_HEAP, **spin, **environment}


def receive(line: socket.socket, size: int) -> bytes:
    """So many bytes; fewer where the other end is gone."""
    found = b""
    while len(found) < size and (part := line.recv(size - len(found))):
        found += part
    return found


def _number(line: socket.socket) -> int | None:
    found = receive(line, NUMBER.size)
    return int(NUMBER.unpack(found)[0]) if len(found) == NUMBER.size else None


def _place() -> str:
    """Whose processes can be seen and killed from here: a socket may be seen from another container, too."""
    namespace = Path("/proc/self/ns/pid")
    seen = namespace.readlink() if namespace.exists() else ""
    return hashlib.sha256(f"{socket.gethostname()} {os.getuid()} {seen}".encode()).hexdigest()[:12]
