"""Working on a sweep: its folder, locked, and where it has storage, leased, fetched and mirrored."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from carsray.errors import ConfigError, ResultsError
from carsray.files import append_line, write_json
from carsray.progress import bar
from carsray.results import SweepFolder, open_sweep
from carsray.storage.address import Address, parse_address
from carsray.storage.fetch import fetch_record, has_record, require_no_newer, require_record
from carsray.storage.lease import NAME as LEASE
from carsray.storage.lease import Owner, take_lease
from carsray.storage.mirror import mirrored
from carsray.storage.place import Place
from carsray.storage.watch import Watch


def require_free(storage: str, results: Path, name: str) -> None:
    """Make sure that a new sweep of this name can be mirrored.

    Raises StorageError where nothing can be written there, ResultsError where a sweep of this name is there.
    """
    place = Place(_apart(storage, results)) / name
    place.probe()
    if has_record(place):
        raise ResultsError(
            f"{place.address}: exists already. Choose another --name, or go on with: "
            f"carsray resume {name} --storage '{storage}'"
        )


def is_in(storage: str, name: str) -> bool:
    """Whether a sweep of this name has been mirrored there."""
    return has_record(Place(parse_address(storage)) / name)


def names_in(storage: str) -> list[str]:
    """What lies in storage by name, sweeps among it."""
    return Place(parse_address(storage)).folders()


@contextmanager
def at_work(
    results: Path, name: str, storage: str | None, tell: Callable[[str], None]
) -> Iterator[tuple[SweepFolder, Watch]]:
    """The folder of an earlier sweep, which nobody else works on for the time of the with-block.

    With storage, named here or in sweep.json: fetched where there is no folder, and mirrored. Raises ResultsError or
    StorageError where there is no such sweep, or another works on it, or both places went on apart.
    """
    if storage:
        _make(results)
    folder = SweepFolder(results / name) if storage else open_sweep(results, name)
    with folder.alone():
        storage = storage or folder.read_settings()["settings"].get("storage")
        if not storage:
            yield folder, Watch()
            return
        place = Place(_apart(storage, results)) / name
        if not folder.settings.is_file() and place.read(LEASE) is None:
            require_record(place)  # before the lease, which would leave a trace of a name that is no sweep's
        owner = Owner.of(folder.root)
        lease = take_lease(place, owner, tell)
        try:
            if folder.settings.is_file():
                require_no_newer(place, folder)
            else:
                with bar(f"Fetching {name}") as report:
                    fetch_record(place, folder, report)
            _note(folder, str(parse_address(storage)))
            append_line(folder.visits, json.dumps({"host": owner.host, "token": owner.token, "time": time.time()}))
            with mirrored(folder, place, lease, tell) as watch:
                yield folder, watch
        finally:
            lease.release()


def _make(results: Path) -> None:
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultsError(f"{results}: cannot be written: {error.strerror}. Choose another --results") from None


def _apart(storage: str, results: Path) -> Address:
    address = parse_address(storage)
    if address == parse_address(str(results)):
        raise ConfigError(f"--storage {storage}: is the results folder itself. Choose another place")
    return address


def _note(folder: SweepFolder, storage: str) -> None:
    record = folder.read_settings()
    if record["settings"].get("storage") != storage:
        record["settings"]["storage"] = storage
        write_json(folder.settings, record)
