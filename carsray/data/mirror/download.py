"""One file over HTTP, resumed where it stopped.

urllib does redirects, ranges and timeouts, which is all that is needed; a further dependency would add nothing.
"""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from carsray.errors import DataError
from carsray.progress import Report, silent

CHUNK = 1 << 20
TIMEOUT_SECONDS = 60
TRIES = 5
"""In a row without one new byte; as long as bytes come, a bad line is only slow."""
BUSY = (http.client.REQUEST_TIMEOUT, http.client.TOO_MANY_REQUESTS)
_BROKEN = (OSError, http.client.HTTPException)


def download(url: str, target: Path, report: Report = silent, pause: float = 2.0) -> None:
    """Fetch url to target; a .part file beside it keeps what came, for the next try or the next call.

    Reports in megabytes. Raises DataError where the server refuses, or no byte comes in several tries.
    """
    part = target.with_name(target.name + ".part")
    idle = 0
    while True:
        before = _size(part)
        try:
            _receive(url, part, report)
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code not in BUSY:
                raise DataError(f"{url}: the server says {error.code} {error.reason}") from None
            reason = f"{error.code} {error.reason}"
        except _BROKEN as error:
            reason = str(error) or type(error).__name__
        idle = idle + 1 if _size(part) <= before else 0
        if idle >= TRIES:
            raise DataError(f"{url}: {reason}, {TRIES} times without a new byte; run the command again to resume")
        time.sleep(pause)
    part.replace(target)


def _receive(url: str, part: Path, report: Report) -> None:
    """Append what part still lacks. Raises where the connection ends early."""
    tag = part.with_name(part.name + ".etag")
    have = _size(part)
    request = urllib.request.Request(url, headers={"User-Agent": "carsray"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        # The rest of another version would make a file that is neither.
        if known := tag.read_text() if tag.is_file() else "":
            request.add_header("If-Range", known)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            have = have if answer.status == http.client.PARTIAL_CONTENT else 0
            tag.write_text(_strong(answer.headers.get("ETag", "")))
            _copy(answer, part, have, report)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        # Nothing lies past what we have: it is whole, or of another version.
        if error.headers.get("Content-Range", "") != f"bytes */{have}":
            part.unlink()
            raise OSError("the file on the server has changed") from None
    tag.unlink(missing_ok=True)


def _copy(answer: http.client.HTTPResponse, part: Path, have: int, report: Report) -> None:
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length else 0
    with part.open("ab" if have else "wb") as file:
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            have += len(chunk)
            report(have >> 20, max(total, have) >> 20)
    if length and have < total:  # read() with a size does not say so itself
        raise OSError(f"the connection ended at byte {have} of {total}")


def _strong(tag: str) -> str:
    return "" if tag.startswith("W/") else tag  # If-Range takes strong tags only


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
