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
    code = 1
    try:
        _Server(listener, owner).serve()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # a killed driver does not come to it
        os._exit(code)


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
                self._take_order()

    def _take_order(self) -> None:
        """Whatever is wrong with one order, or with whoever gave it: others are to come."""
        line, _ = self._listener.accept()
        try:
            self._fork(line)
        except OSError:  # whoever asked is gone
            line.close()
        except Exception:
            traceback.print_exc()
            line.close()

    def _fork(self, line: socket.socket) -> None:
        line.settimeout(ORDER_SECONDS)
        size, descriptors, *_ = socket.recv_fds(line, LENGTH.size, 3)
        try:
            order = Order(**json.loads(receive(line, LENGTH.unpack(size)[0])))
            if select.select([line], [], [], 0)[0]:
                raise OSError("hung up")
            pid = os.fork()
            if not pid:
                self._become(order, line, *descriptors)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._lines[pid] = line
        handle = os.pidfd_open(pid)
        try:
            socket.send_fds(line, [NUMBER.pack(pid)], [handle])
        except OSError:
            self._give_up(pid)
        finally:
            os.close(handle)

    def _give_up(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self._lines.pop(pid).close()

    def _become(self, order: Order, line: socket.socket, pipe: int, out: int, err: int) -> None:
        """In the new process: hold nothing of the server's, and run what was ordered. Does not return."""
        code = 1
        try:
            try:
                self._part(line, out, err)
                _take_after(order)
                importlib.import_module(order.module).main(pipe)
                code = 0
            except BaseException:
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _part(self, line: socket.socket, out: int, err: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for held in (self._listener, line, *self._lines.values()):
            held.close()
        for descriptor in (self._owner, self._woken, self._wakes, out, err):
            os.close(descriptor)
        os.setsid()

    def _tell_of_ends(self) -> None:
        with suppress(ChildProcessError):  # no more of them
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if line := self._lines.pop(pid, None):
                    with suppress(OSError):  # nobody waits any more
                        line.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
                    line.close()


def _take_after(order: Order) -> None:
    _call_oneself("carsray." + order.module.rpartition(".")[2])
    os.environ.clear()
    os.environ.update(order.environment)
    torch.set_num_threads(order.threads)
    with suppress(OSError):  # to be less nice, or safer, than the server takes rights
        os.setpriority(os.PRIO_PROCESS, 0, order.niceness)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(order.oom_score))
    with suppress(OSError):
        os.sched_setaffinity(0, order.processors)


def _call_oneself(name: str) -> None:
    """What `top` and `ps -c` show, at most 15 letters; the command line is the server's for all of them."""
    with suppress(OSError):  # not on Linux
        Path("/proc/self/comm").write_text(name)


if __name__ == "__main__":
    main()
