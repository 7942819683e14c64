"""The weights files that a sweep began with: whatever is trained for it later begins with the same, or not at all."""

from collections.abc import Iterator
from pathlib import Path

from carsray.errors import ResultsError
from carsray.files import sha256_of
from carsray.results import SweepFolder
from carsray.space import Space


def weights_given(space: Space) -> dict[str, str]:
    """SHA-256 of each weights file that trials may begin with, by its path; of those that this machine has."""
    found = {str(path): _digest(path) for path in sorted(_named(space))}
    return {name: digest for name, digest in found.items() if digest}


def require_same_weights(folder: SweepFolder) -> None:
    """For who is to train. Raises ResultsError where a file has changed since the sweep began.

    Snapshots do not hold the frozen part, and what is repeated or retrained would be something else.
    """
    for name, digest in folder.read_settings().get("weights", {}).items():
        if _digest(Path(name)) not in (None, digest):
            raise ResultsError(
                f"{name}: is not the weights file that the sweep began with. Put that back, or begin a new sweep: in "
                f"{folder.root} trials of two starts could not be compared"
            )


def _named(space: Space) -> Iterator[Path]:
    """What a space names by its whole path: names of published weights are none."""
    searched = space.parameters.get("weights")
    choices = searched.choices if searched else ()
    started = (point.get("weights") for point in space.start)
    for name in {space.fixed.get("weights"), *choices, *started}:
        if isinstance(name, str) and Path(name).is_absolute():
            yield Path(name)


def _digest(path: Path) -> str | None:
    """None for what is not here, or not for this user: the machines that train may have it."""
    try:
        return sha256_of(path)
    except OSError:
        return None
