"""From the processor's memory to the device that computes; nothing here waits for a GPU, so that it never idles."""

from collections import OrderedDict
from collections.abc import Container

import numpy as np
import torch
from torch import Tensor

from carsray.data.pack import Pack

SHARE_OF_FREE = 0.25
"""A pack that takes no more than this of a GPU's free memory is kept there."""
KEPT = 2
"""Packs: those of train and val."""

_kept: OrderedDict[tuple[str, str], Tensor] = OrderedDict()
"""By the key of the pack and the type of the device; a process uses one of a type."""
_too_large: set[tuple[str, str]] = set()
"""Packs that found no room; asking costs up to milliseconds."""


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The same values on a device; on the processor, the same memory.

    A copy from ordinary memory waits until a GPU has done all its work; one from pinned memory queues behind it.
    """
    values = torch.from_numpy(array)
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


def pictures(pack: Pack, rows: np.ndarray, device: torch.device) -> Tensor:
    """Copies of these pictures of a pack on the device, uint8 (B, S, S, 3)."""
    name = pack.key, device.type
    kept = _kept.get(name)
    if kept is None and name not in _too_large:
        if 0 < pack.images.nbytes <= room(device):
            kept = keep(pack, device)
        else:
            _too_large.add(name)
    if kept is None:
        return to_device(np.asarray(pack.images[rows]), device)
    return kept.index_select(0, to_device(rows, device))


def keep_only(keys: Container[str]) -> None:
    """Let go of all packs but these; those that found no room may find it now. For the beginning of a trial."""
    for name in [name for name in _kept if name[0] not in keys]:
        del _kept[name]
    _too_large.clear()


def room(device: torch.device) -> int:
    """Bytes that a pack may take on a device; none on the processor, where the packs are in memory already."""
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(free * SHARE_OF_FREE)


def keep(pack: Pack, device: torch.device) -> Tensor:
    """Bring a whole pack to a device, where it stays for the trials to come; the one kept longest makes way."""
    while len(_kept) >= KEPT:
        _kept.popitem(last=False)
    kept = torch.empty(pack.images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(pack.images), 1024):  # in parts, since a copy of all would double the memory here
        kept[start : start + 1024] = torch.from_numpy(np.array(pack.images[start : start + 1024]))
    _kept[pack.key, device.type] = kept
    return kept


def kept_bytes() -> int:
    """What the packs on devices take of their memory."""
    return sum(kept.nbytes for kept in _kept.values())
