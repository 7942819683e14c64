import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from carsray.data.mirror.download import download
from carsray.errors import DataError


class Shelf(BaseHTTPRequestHandler):
    """Serves bytes; hangs up after so many of them, as often as told."""

    protocol_version = "HTTP/1.1"
    content = b""
    tag = '"one"'
    ranges = True
    cuts: ClassVar[list[int]] = []
    refusals: ClassVar[list[int]] = []
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if self.refusals:
            self.send_error(self.refusals.pop(0))
            return
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        if self.headers.get("If-Range", self.tag) != self.tag:
            first = 0
        if first and first >= len(self.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.tag)
        self.end_headers()
        self.close_connection = True
        self.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shelf() -> Iterator[type[Shelf]]:
    class Own(Shelf):
        content = bytes(range(256)) * 400
        cuts: ClassVar[list[int]] = []
        refusals: ClassVar[list[int]] = []
        asked: ClassVar[list[str | None]] = []
        url = ""

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        Own.url = f"http://127.0.0.1:{server.server_port}/cars.zip"
        yield Own
        server.shutdown()


def test_a_file_arrives_whole_and_leaves_no_part(shelf: type[Shelf], tmp_path: Path) -> None:
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_cut_connection_is_resumed_where_it_stopped(shelf: type[Shelf], tmp_path: Path) -> None:
    shelf.cuts = [50_000, 20_000]
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content
    assert shelf.asked == [None, "bytes=50000-", "bytes=70000-"]


def test_a_server_without_ranges_is_asked_from_the_start(shelf: type[Shelf], tmp_path: Path) -> None:
    shelf.ranges = False
    shelf.cuts = [50_000]
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content


def test_a_file_that_changed_meanwhile_is_not_glued_together(shelf: type[Shelf], tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(b"of another version")
    (tmp_path / "f.part.etag").write_text('"zero"')
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content


def test_a_part_that_is_whole_already_is_taken(shelf: type[Shelf], tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(shelf.content)
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content


def test_a_part_that_is_too_long_is_fetched_anew(shelf: type[Shelf], tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(shelf.content + b"more")
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content


def test_a_busy_server_is_asked_again(shelf: type[Shelf], tmp_path: Path) -> None:
    shelf.refusals = [503, 429]
    download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f").read_bytes() == shelf.content


def test_a_missing_file_is_said_at_once(shelf: type[Shelf], tmp_path: Path) -> None:
    shelf.refusals = [404] * 9
    with pytest.raises(DataError, match="the server says 404"):
        download(shelf.url, tmp_path / "f", pause=0)
    assert len(shelf.asked) == 1


def test_a_server_that_gives_nothing_is_left_and_what_came_is_kept(shelf: type[Shelf], tmp_path: Path) -> None:
    shelf.cuts = [1000, *[0] * 9]
    with pytest.raises(DataError, match="5 times without a new byte"):
        download(shelf.url, tmp_path / "f", pause=0)
    assert (tmp_path / "f.part").stat().st_size == 1000
    assert not (tmp_path / "f").exists()


def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="refused"):
        download("http://127.0.0.1:9/x", tmp_path / "f", pause=0)
