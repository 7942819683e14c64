"""Notices that `carsray index add` has changed the package that is served."""

import logging
import threading
import time
from collections.abc import Callable

from carsray.final.package.folder import Package, open_package

LOOK_SECONDS = 2.0
"""Between two looks: one stat of one file, which may lie on a network share."""

logger = logging.getLogger("ray.serve")

Stamp = tuple[int, int] | None


def stamp_of(package: Package) -> Stamp:
    """What changes with every change of a package; none in the moment in which one takes the place of another."""
    try:
        found = package.sums.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


def follow(package: Package, read: Stamp, changed: Callable[[], None]) -> None:
    """Call ``changed``, in a thread that lives as long as the process, whenever the package is not as it was ``read``.

    It is checked first. Where it is no package any more, or has another model, what was read goes on to be served.
    """
    threading.Thread(target=_follow, args=(package, read, _model(package), changed), daemon=True).start()


def _follow(package: Package, stamp: Stamp, model: str, changed: Callable[[], None]) -> None:
    told: Stamp = None
    while True:
        time.sleep(LOOK_SECONDS)
        now = stamp_of(package)
        if now is None or now == stamp:
            continue
        try:
            if _model(open_package(package.root)) == model:
                changed()
            else:
                logger.warning("%s: holds another model now; start carsray serve again to serve it", package.root)
            stamp = now
        except Exception as error:  # half of it may be there, while it is copied: it is looked at again
            if now != told:
                logger.warning("%s", error)
            told = now


def _model(package: Package) -> str:
    return package.digests()[package.name(package.weights)]
