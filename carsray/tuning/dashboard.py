"""optuna-dashboard on a sweep's study.db: live, on loopback, and without a way to change the file."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import quote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna

from carsray.errors import ResultsError
from carsray.results import SweepFolder

HOST = "127.0.0.1"
"""Whoever reaches the port can read the study; nobody but this machine's people is to."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Not a line a request: the page asks every few seconds."""


@contextmanager
def dashboard_server(folder: SweepFolder, port: int) -> Iterator[WSGIServer]:
    """The server; call its serve_forever. Port 0 is any free one.

    Raises ResultsError where there is no study, no optuna-dashboard, or the port is taken.
    """
    try:
        from optuna_dashboard import wsgi
    except ImportError:
        raise ResultsError("carsray dashboard needs optuna-dashboard: pip install optuna-dashboard") from None
    app = wsgi(_read_only(folder))
    try:
        server = make_server(HOST, port, app, server_class=_Server, handler_class=_Silent)
    except OSError as error:
        raise ResultsError(f"--port {port}: {error.strerror}. Choose another one; 0 takes any that is free") from None
    with server:
        yield server


def _read_only(folder: SweepFolder) -> optuna.storages.RDBStorage:
    """The study, without a lock that a sweep would wait for longer than a moment."""
    try:
        with sqlite3.connect(f"file:{quote(str(folder.study.absolute()))}?mode=ro", uri=True) as file:
            file.execute("SELECT COUNT(*) FROM studies").fetchone()
        file.close()
    except sqlite3.Error as error:
        raise ResultsError(
            f"{folder.study}: cannot be opened ({error}). A sweep writes it with its first trial; "
            f"carsray resume {folder.arguments} makes a lost one anew"
        ) from None
    path = quote(str(folder.study.absolute()))
    return optuna.storages.RDBStorage(f"sqlite:///file:{path}?mode=ro&uri=true")
