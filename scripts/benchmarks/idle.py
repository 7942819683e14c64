"""A training process that trains nothing: it answers every request at once.

For the benchmark `overhead`; and for `soak`, which lets a share of its epochs go wrong.
"""

import json
import math
import os
import random
import signal
import sys
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import safetensors.numpy

from carsray.config import TrialConfig
from carsray.training.digest import KEY, UNKNOWN, with_digest
from carsray.training.messages import Begin, Epoch, Failed, LetGo, NextEpoch, Released

METRICS = (
    *("train/loss", "train/accuracy", "train/lr", "val/loss", "val/accuracy", "val/accuracy_best"),
    *("val/precision_macro", "val/recall_macro", "val/f1_macro"),
)
SECONDS = dict.fromkeys(("start", "prefix", "data", "compute", "validation", "checkpoint"), 0.0)


def score(config: dict[str, Any], epoch: int) -> float:
    """An accuracy that rises with the epochs and prefers some configs."""
    distance = abs(math.log10(config["lr"]) + 2.5) + config["dropout"]
    return float((1 - math.exp(-epoch / 3)) / (1 + distance))


def snapshot(config: TrialConfig, epoch: int) -> bytes:
    """One that the driver can read, and that holds nothing."""
    standing = {"config": config.key(), "epoch": epoch, "best": score(config.model_dump(), epoch), "schedule": {}}
    metadata = {"format": sys.argv[1], "standing": json.dumps(standing), KEY: UNKNOWN}
    return with_digest(safetensors.numpy.save({"nothing": np.zeros(1)}, metadata))


def mishap(share: float) -> Failed | None:
    """A share of the calls goes wrong: this process dies, alone or with its owner, or memory or a finite loss lacks."""
    kind = random.random()
    if random.random() >= share:
        return None
    if kind < 0.3:
        os._exit(1)
    if kind < 0.4:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
    return Failed("out of memory", "memory") if kind < 0.8 else Failed("loss became nan in epoch 1", "trial")


def main() -> None:
    """Serve until the owner hangs up."""
    share, connection = float(sys.argv[2]), Connection(int(sys.argv[3]))
    connection.recv()  # the data, which nobody reads
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        match request:
            case LetGo():
                connection.send(Released(None))
            case Begin():
                config, epoch = request.config, standing_of(request.snapshot)
            case NextEpoch() if failed := mishap(share):
                connection.send(failed)
            case NextEpoch():
                epoch += 1
                metrics = dict.fromkeys(METRICS, score(config.model_dump(), epoch))
                taken = snapshot(config, epoch) if request.snapshot else None
                connection.send(Epoch(epoch, metrics, SECONDS, checkpoint=None, snapshot=taken))


def standing_of(snapshot: bytes | None) -> int:
    """The epoch after which a trial goes on."""
    if snapshot is None:
        return 0
    header = json.loads(snapshot[8 : 8 + int.from_bytes(snapshot[:8], "little")])
    return int(json.loads(header["__metadata__"]["standing"])["epoch"])


if __name__ == "__main__":
    main()
