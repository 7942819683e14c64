"""Wait until the Ray cluster at hand holds so much of a resource, and ask its autoscaler for it.

    python3 scripts/cluster/await_resources.py GPU 8

A sweep shares out what the cluster holds when it begins: with no worker up yet it would find no GPU, and those that
come later would stay idle.
"""

import logging
import sys
import time
from collections.abc import Callable

LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 15 * 60.0
"""How long the first of them wait for the rest; spot machines may be scarce."""


def wait(
    count: float,
    held: Callable[[], float],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> float:
    """Wait for so much, or for any of it and then PATIENCE_SECONDS; what there is then."""
    first = None
    while (there := held()) < count:
        if there and first is None:
            first = clock()
        if first is not None and clock() - first >= PATIENCE_SECONDS:
            break
        sleep(LOOK_SECONDS)
    return there


def main(kind: str, count: int) -> None:
    """Ask, wait, and let go of the request."""
    import ray
    from ray.autoscaler.sdk import request_resources

    ray.init("auto", log_to_driver=False, logging_level=logging.ERROR)
    print(f"waiting for {count} {kind}", file=sys.stderr)
    request_resources(bundles=[{kind: 1}] * count)
    try:
        there = wait(count, lambda: ray.cluster_resources().get(kind, 0.0))
    finally:
        # From here on the trials ask for themselves; a request that stands would keep idle workers, and their cost.
        request_resources(bundles=[])
    print(f"{there:g} of {count} {kind}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
