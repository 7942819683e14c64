"""A sweep's record from storage into a results folder, as it was at the last round of mirroring."""

import json
import shutil
from pathlib import PurePosixPath
from typing import Any

from carsray.errors import ResultsError, StorageError
from carsray.files import write_text
from carsray.progress import Report, silent
from carsray.results import SweepFolder
from carsray.storage.lease import NAME as LEASE
from carsray.storage.place import Place
from carsray.storage.rounds import JOURNAL, read_journal


def has_record(place: Place) -> bool:
    """Whether a sweep has been mirrored there."""
    return read_journal(place) is not None


def require_record(place: Place) -> dict[str, Any]:
    """The journal of a sweep's mirror. Raises ResultsError where there is none, with the names that there are."""
    journal = read_journal(place)
    if journal is None:
        there = ", ".join(Place(place.address.parent).folders())
        known = f"Sweeps there: {there}" if there else "There are no sweeps"
        raise ResultsError(f"{place.address}: is no sweep. {known}")
    return journal


def fetch_record(place: Place, folder: SweepFolder, report: Report = silent) -> None:
    """Copy a record into a folder that is not there yet; it is whole or not there.

    Raises ResultsError where there is no record, or no room for it, and StorageError where it cannot be read.
    """
    journal = require_record(place)
    partial = SweepFolder(folder.root.with_name(f".{folder.name}.partial"))
    shutil.rmtree(partial.root, ignore_errors=True)
    # Those that wait for the lease try now and then whether they can write, under names that begin with a dot.
    names = [found.name for found in place.objects() if found.name not in (JOURNAL, LEASE) and found.name[0] != "."]
    try:
        for done, name in enumerate(names, start=1):
            place.fetch(name, partial.root / _safe(place, name))
            report(done, len(names))
        for name, text in journal["files"].items():
            path = partial.root / _safe(place, name)
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_text(path, text)
        partial.trials.mkdir(exist_ok=True)
        partial.root.rename(folder.root)
    except FileNotFoundError as error:
        raise StorageError(f"{place.address}: changed while it was read ({error}). Try again") from None
    except OSError as error:
        raise ResultsError(f"{folder.root}: cannot be written: {error.strerror}. Choose another --results") from None
    finally:
        shutil.rmtree(partial.root, ignore_errors=True)


def require_no_newer(place: Place, folder: SweepFolder) -> None:
    """Make sure that all that the storage has of a sweep is in its folder here, too.

    Raises ResultsError where it is another sweep, or a process elsewhere has gone on with this one.
    """
    journal = read_journal(place)
    if journal is None:
        return
    there = json.loads(journal["files"]["sweep.json"])
    if there.get("started") != folder.read_settings().get("started"):
        raise ResultsError(f"{place.address}: is another sweep of the same name. Choose another --name or --storage")
    for path in (folder.runs, folder.visits):
        here = path.read_text(encoding="utf-8") if path.exists() else ""
        if not here.startswith(journal["files"].get(path.name) or ""):
            raise ResultsError(
                f"{place.address}: has runs that {folder.root} does not know of. To go on from the storage, move the "
                f"folder away; to go on from the folder, delete what lies there"
            )


def _safe(place: Place, name: str) -> str:
    """A name within the folder: nothing from elsewhere may choose another place to write to."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise StorageError(f"{place.address}: contains {name!r}, which is outside of a results folder. Delete it")
    return name
