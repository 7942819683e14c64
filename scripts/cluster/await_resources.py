"""Wait until the Ray cluster at hand holds so much of a resource, and ask its autoscaler for it.

    python3 scripts/cluster/await_resources.py GPU 8 PID

A sweep shares out what the cluster holds when it begins: with no worker up yet it would find no GPU. What has not come
after a while is asked for on and on beside the sweep, which is the process PID, and takes what joins it.
"""

import logging
import os
import select
import subprocess
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


def stand(count: float, held: Callable[[], float], over: Callable[[], bool]) -> None:
    """Wait until so much has come, or the sweep is ``over``, which takes a while to say that it is not."""
    while held() < count and not over():
        pass


def main(kind: str, count: int, process: int, begun: bool) -> None:
    """Ask for it and wait; once the sweep has ``begun``, for what has not come by then. ``process`` is its pidfd."""
    import ray
    from ray.autoscaler.sdk import request_resources

    def held() -> float:
        return float(ray.cluster_resources().get(kind, 0.0))

    ray.init("auto", log_to_driver=False, logging_level=logging.ERROR)
    lacks = False
    try:
        request_resources(bundles=[{kind: 1}] * count)  # it stands until another takes its place, whoever asked
        if begun:
            stand(count, held, lambda: bool(select.select([process], [], [], LOOK_SECONDS)[0]))
            return
        print(f"waiting for {count} {kind}", file=sys.stderr)
        there = wait(count, held)
        print(f"{there:g} of {count} {kind}", file=sys.stderr)
        lacks = there < count
    finally:
        # Once all have come the trials ask for themselves; a request that stands would keep idle workers, and their
        # cost. Those that have not come nobody else asks for: a sweep begins no trials that have no place.
        if not lacks:
            request_resources(bundles=[])
    if lacks:
        beside, null = [sys.executable, __file__, kind, str(count), str(process), "begun"], subprocess.DEVNULL
        subprocess.Popen(beside, stdin=null, stdout=null, stderr=null, pass_fds=[process])


if __name__ == "__main__":
    has_begun, number = sys.argv[4:] == ["begun"], int(sys.argv[3])
    main(sys.argv[1], int(sys.argv[2]), number if has_begun else os.pidfd_open(number), has_begun)
