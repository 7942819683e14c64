"""The data set that carsray draws itself: toy cars, a folder per model, the same bytes for the same arguments.

It needs no download, is learnable in a minute on a laptop, and is fine-grained: its models are near-siblings that
differ in wheelbase, roofline, lamps, grille and wheels, never in paint, place or light.
"""

import json
import random
import shutil
from pathlib import Path

from filelock import FileLock

from carsray.data.drawn.models import MODELS
from carsray.data.drawn.scene import picture
from carsray.errors import DataError
from carsray.progress import Report, silent
from carsray.seed import derive

MARKER = "drawn_cars.json"
"""Written last; says which arguments made the folder."""
_FORMAT = 1
"""Goes up whenever the same arguments give other pictures."""
_LIMITS = {"models": (2, len(MODELS)), "per_model": (1, 9999), "size": (16, 1024), "seed": (0, 2**63 - 1)}


def draw_cars(
    folder: Path, models: int = 20, per_model: int = 60, size: int = 96, seed: int = 0, report: Report = silent
) -> None:
    """Draw folder/<model name>/0001.jpg ...: RGB, size x size pixels, per_model pictures of each of the first models.

    Returns at once where the folder already holds just these; draws anew where an earlier call wrote it with other
    arguments. Pictures depend on the seed, their model, number and size only.

    Raises DataError for arguments out of range, and for a folder that holds anything else.
    """
    wanted = {"format": _FORMAT, "models": models, "per_model": per_model, "size": size, "seed": seed}
    _check(wanted)
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if _needs_drawing(folder, wanted):
                _draw_and_swap(folder, wanted, report)
    except OSError as error:
        raise DataError(f"{folder}: cannot draw here ({error.strerror}); choose another folder") from None


def _check(wanted: dict[str, int]) -> None:
    for name, (low, high) in _LIMITS.items():
        if not low <= wanted[name] <= high:
            raise DataError(
                f"drawn cars: {name} = {wanted[name]}: allowed is {low} to {high}; choose one in that range"
            )


def _files(wanted: dict[str, int]) -> set[str]:
    """Every file that these arguments give, relative to the folder."""
    numbers = range(1, wanted["per_model"] + 1)
    pictures = {f"{model.name}/{number:04d}.jpg" for model in MODELS[: wanted["models"]] for number in numbers}
    return {MARKER, *pictures}


def _needs_drawing(folder: Path, wanted: dict[str, int]) -> bool:
    """False where all is there. Raises DataError where drawing would destroy what is not ours."""
    if not folder.is_dir():
        if folder.exists():
            raise DataError(f"{folder}: is a file; choose a folder that is new or empty")
        return True
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    written = _marked(folder)
    if written == wanted and _files(wanted) <= found:
        return False
    foreign = sorted(found - _files(written)) if written else sorted(found)
    if foreign:
        raise DataError(
            f"{folder}: holds {foreign[0]!r}, which carsray did not draw; choose a folder that is new or empty"
        )
    return True


def _marked(folder: Path) -> dict[str, int] | None:
    """What the folder's marker says; none where there is no marker that can be read."""
    try:
        marker = json.loads((folder / MARKER).read_text())
        return {name: int(marker[name]) for name in ("format", *_LIMITS)}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _draw_and_swap(folder: Path, wanted: dict[str, int], report: Report) -> None:
    """Draw beside the folder, then put the new one in its place: a killed run leaves no half of it."""
    part, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for leftover in (part, old):
        shutil.rmtree(leftover, ignore_errors=True)
    _draw(part, wanted, report)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _draw(part: Path, wanted: dict[str, int], report: Report) -> None:
    total = wanted["models"] * wanted["per_model"]
    for index, model in enumerate(MODELS[: wanted["models"]]):
        (part / model.name).mkdir(parents=True)
        for number in range(1, wanted["per_model"] + 1):
            rng = random.Random(derive(wanted["seed"], "drawn", model.name, number))
            image = picture(model, wanted["size"], rng)
            image.save(part / model.name / f"{number:04d}.jpg", quality=92)
            report(index * wanted["per_model"] + number, total)
    (part / MARKER).write_text(json.dumps(wanted) + "\n")
