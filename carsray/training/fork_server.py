"""The process of which training processes are forked: ``python -m carsray.training.fork_server``. See forked.py.

It imports what they all need, once, and waits. It has no other threads and never touches a GPU: either would be broken
in whatever is forked.
"""

import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import traceback
from contextlib import suppress
from pathlib import Path

import torch

import carsray.training.child  # noqa: F401 - the imports are what this process is for
from carsray.training.forked import LENGTH, NUMBER, Order, receive

ORDER_SECONDS = 10.0


def main() -> None:
    """Serve until the driver is gone."""
    _call_oneself("carsray.fork")
    listener, owner, folder = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]), sys.argv[3]
    try:
        _Server(listener, owner).serve()
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a killed driver does not come to it
        os._exit(0)


class _Server:
    def __init__(self, listener: socket.socket, owner: int) -> None:
        self._listener, self._owner = listener, owner
        self._lines: dict[int, socket.socket] = {}
        """By process id, who waits for its end."""
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        while True:
            lines = {line.fileno(): pid for pid, line in self._lines.items()}
            ready, _, _ = select.select([self._listener.fileno(), self._owner, self._woken, *lines], [], [])
            for told in lines.keys() & ready:  # nothing is sent there: whoever asked has hung up
                self._give_up(lines[told])
            if self._woken in ready:
                os.read(self._woken, 4096)
                self._tell_of_ends()
            if self._owner in ready:
                return
            if self._listener.fileno() in ready:
                line, _ = self._listener.accept()
                try:
                    self._fork(line)
                except OSError:  # whoever asked is gone
                    line.close()

    def _fork(self, line: socket.socket) -> None:
        line.settimeout(ORDER_SECONDS)
        size, descriptors, *_ = socket.recv_fds(line, LENGTH.size, 3)
        if len(descriptors) < 3:
            raise OSError("no order")
        try:
            order = Order(**json.loads(receive(line, LENGTH.unpack(size)[0])))
            pid = os.fork()
            if not pid:
                self._become(order, line, *descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._lines[pid] = line
        try:
            line.sendall(NUMBER.pack(pid))
        except OSError:
            self._give_up(pid)

    def _give_up(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self._lines.pop(pid).close()

    def _become(self, order: Order, line: socket.socket, pipe: int, out: int, err: int) -> None:
        """In the new process: hold nothing of the server's, and run what was ordered."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for held in (self._listener, line, *self._lines.values()):
                held.close()
            for descriptor in (self._owner, self._woken, self._wakes):
                os.close(descriptor)
            os.setsid()
            _call_oneself("carsray." + order.module.rpartition(".")[2])
            os.dup2(out, 1)
            os.dup2(err, 2)
            os.environ.clear()
            os.environ.update(order.environment)
            torch.set_num_threads(order.threads)
            importlib.import_module(order.module).main(pipe)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _tell_of_ends(self) -> None:
        with suppress(ChildProcessError):  # no more of them
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if line := self._lines.pop(pid, None):
                    with suppress(OSError):  # nobody waits any more
                        line.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
                    line.close()


def _call_oneself(name: str) -> None:
    """What `top` and `ps -c` show, at most 15 letters; the command line is the server's for all of them."""
    with suppress(OSError):  # not on Linux
        Path("/proc/self/comm").write_text(name)


if __name__ == "__main__":
    main()
