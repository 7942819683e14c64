"""A training process that keeps memory of every trial; test_process.py starts it."""

import sys
from collections.abc import Iterator
from typing import Any

import torch

from carsray.training import child
from carsray.training.health import LEAK_BYTES

train = child.fit
kept = []


def leaky_fit(*arguments: Any, to_pass: float | None) -> Iterator[Any]:
    kept.append(torch.empty(LEAK_BYTES + 2**20, dtype=torch.uint8))  # never written to, so it takes no real memory
    yield from train(*arguments)


if __name__ == "__main__":
    child.fit = leaky_fit
    child.main(int(sys.argv[1]))
