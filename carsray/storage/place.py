"""Objects at an address: read, write, list, delete. What goes wrong is one line.

By obstore, which has conditional writes. pyarrow.fs has none, and keeps a process from ending while a request is under
way: https://github.com/apache/arrow/issues/50188
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import GCSStore, LocalStore, ObjectStore, S3Store

from carsray.errors import StorageError
from carsray.storage.address import OPTIONS, Address, in_full

CLIENT: Any = {
    "connect_timeout": timedelta(seconds=5),
    "read_timeout": timedelta(seconds=20),
    "timeout": timedelta(minutes=10),  # of one request, or one part of a large file, however well it flows
}
RETRIES: Any = {"max_retries": 2, "retry_timeout": timedelta(seconds=30)}
CREDENTIALS = {
    "file": "Choose a folder that can be written",
    "s3": "Check the bucket, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the machine's role), AWS_REGION and, "
    "for a server of your own, AWS_ENDPOINT_URL",
    "gs": "Check the bucket, and GOOGLE_APPLICATION_CREDENTIALS (or the machine's service account)",
}

Version = dict[str, str]
"""Names the content of an object at a moment."""


class TakenError(StorageError):
    """Another has written the object meanwhile."""


@dataclass(frozen=True, slots=True)
class Found:
    """An object as the storage lists it."""

    name: str
    size: int
    modified: datetime
    """By the clock of the storage."""
    version: Version


class Place:
    """What lies under an address. All objects are written whole or not at all."""

    def __init__(self, address: Address) -> None:
        self.address = address
        with self._told("opened"):
            self._store = _open(address)

    def __truediv__(self, name: str) -> "Place":
        return Place(self.address / name)

    def read(self, name: str) -> bytes | None:
        """The content of an object; None where there is none."""
        try:
            with self._told("read"):
                return bytes(obstore.get(self._store, self._path(name)).bytes())
        except FileNotFoundError:
            return None

    def read_found(self, name: str) -> tuple[bytes, Found] | None:
        """An object's content, and what the storage says of it."""
        try:
            with self._told("read"):
                answer = obstore.get(self._store, self._path(name))
                return bytes(answer.bytes()), self._found(answer.meta)
        except FileNotFoundError:
            return None

    def fetch(self, name: str, target: Path) -> None:
        """Copy an object into a file, which is whole or not there, and as old; its folders are made.

        Raises FileNotFoundError where there is none.
        """
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._told("read"):
                answer = obstore.get(self._store, self._path(name))
            with partial.open("wb") as file:
                for part in _parts(answer.stream(), self._told):
                    file.write(part)
            modified = answer.meta["last_modified"].timestamp()
            os.utime(partial, (modified, modified))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def write(self, name: str, content: bytes | IO[bytes]) -> Version:
        """Create an object, or replace it."""
        with self._told("written"):
            return _version(obstore.put(self._store, self._path(name), content))

    def create(self, name: str, content: bytes) -> Version:
        """Create an object. Raises TakenError where it exists."""
        with self._told("written"):
            return _version(obstore.put(self._store, self._path(name), content, mode="create"))

    def replace(self, name: str, content: bytes, version: Version) -> Version:
        """Replace an object that is still as it was. Raises TakenError where it is not.

        In a folder this is a look and then a write: there, two processes at the same moment may both succeed.
        """
        try:
            with self._told("written"):
                return _version(obstore.put(self._store, self._path(name), content, mode=version))  # type: ignore[arg-type]
        except NotImplementedError:
            found = self.read_found(name)
            if found is None or found[1].version != version:
                raise TakenError(f"{self.address}/{name}: has changed") from None
            return self.write(name, content)

    def delete(self, name: str) -> None:
        """Delete an object, if it is there."""
        try:
            with self._told("deleted"):
                obstore.delete(self._store, self._path(name))
        except FileNotFoundError:
            return

    def objects(self) -> Iterator[Found]:
        """All objects, with their names relative to the address."""
        pages = obstore.list(self._store, prefix=self.address.path or None)
        for page in _parts(pages, self._told):
            yield from map(self._found, page)

    def folders(self) -> list[str]:
        """The first parts of the names that have several."""
        with self._told("listed"):
            found = obstore.list_with_delimiter(self._store, prefix=self.address.path or None)
        return sorted(str(prefix).rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"])

    def probe(self) -> datetime:
        """Write, read and delete an object: whether all that works, and what time it is by the storage's clock."""
        name, content = f".carsray-{uuid4().hex}", b"carsray"
        self.write(name, content)
        found = self.read_found(name)
        self.delete(name)
        if found is None or found[0] != content:
            raise StorageError(f"{self.address}: what is written there cannot be read. {self._remedy}")
        return found[1].modified

    @property
    def _remedy(self) -> str:
        return CREDENTIALS[self.address.scheme]

    def _path(self, name: str) -> str:
        return (self.address / name).path

    def _found(self, meta: Any) -> Found:
        name = str(meta["path"]).removeprefix(self.address.path).lstrip("/")
        return Found(name, int(meta["size"]), meta["last_modified"], _version(meta))

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if done == "written" or "NoSuchBucket" in str(error):
                raise StorageError(f"{self.address}: there is no such bucket or folder. Make it first") from None
            raise
        except NotImplementedError:
            raise
        except (AlreadyExistsError, PreconditionError):
            raise TakenError(f"{self.address}: another has written there meanwhile") from None
        except (BaseError, OSError, ValueError) as error:
            raise StorageError(f"{self.address}: cannot be {done} ({_said(error)}). {self._remedy}") from None


def _open(address: Address) -> ObjectStore:
    if address.scheme == "file":
        return LocalStore()
    if address.scheme == "gs":
        return GCSStore(address.bucket, client_options=CLIENT, retry_config=RETRIES)
    full = in_full(address)
    # Whoever writes http:// means it.
    client = CLIENT | {"allow_http": bool(full.endpoint and full.endpoint.startswith("http://"))}
    config = {name: value for name in OPTIONS if (value := getattr(full, name))}
    return S3Store(address.bucket, client_options=client, retry_config=RETRIES, **config)


def _parts(stream: Any, told: Any) -> Iterator[Any]:
    """The parts of a stream, whose errors come between them."""
    parts = iter(stream)
    while True:
        with told("read"):
            part = next(parts, None)
        if part is None:
            return
        yield part


def _version(answer: Any) -> Version:
    return {key: answer[key] for key in ("e_tag", "version") if answer.get(key)}


def _said(error: Exception) -> str:
    """The first line of an error, less what repeats the address or is XML."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return re.sub(r"^Generic \w+ error: |Error performing \w+ \S+ in .*? - |: <\?xml.*", "", line).strip()
