"""Activations at the boundary, computed once for all trials of a machine that share a frozen prefix.

View e serves epoch e of every trial with the same view_seed: exactly on-line augmentation, not an approximation. A view
is one memory-mapped file, built by the trial that first needs it; others that ask meanwhile wait for it (what they do
then, ahead.py says). It is built on the same view at an earlier boundary, where trials with other depths share one, so
that no block is run twice.
"""

import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from carsray.config import Depth, TrialConfig
from carsray.data.augment import AUGMENTATIONS
from carsray.data.batches import Batch, all_batches, eval_batches
from carsray.data.on_device import to_device
from carsray.data.pack import Pack
from carsray.models.folding import folded
from carsray.models.network import Network
from carsray.training.boundary import STORED
from carsray.training.device import autocast
from carsray.training.view_folder import PARTIAL, Made, ViewFolder

FORMAT = 4
TRAIN_BATCH, EVAL_BATCH = 64, 128
"""Pictures at a time; views built on one another are cut alike, since a batch's size can show in the last bit."""
READ_BYTES_PER_SECOND = 1e9
"""A cached view is worth having only where reading it is faster than computing it."""
EVAL_ROWS, EVAL_BYTES = 512, 2**27
"""Of a view at most so many pictures, and so much of it, are validated at a time: this takes no more memory than
EVAL_BATCH pictures of 224 pixels from the start, which a probe has tried."""
LOOK_SECONDS = 0.1
"""Between two tries at a lock that another process holds."""

Steps = Generator[tuple[int, int], None, "View | None"]
"""Yields (done, total) pictures while a view is built, (0, total) while another process builds it; returns it, or None
where it is not worth having.
"""
Batches = Callable[[], Iterator[Batch]]


@dataclass(frozen=True, slots=True)
class View:
    """Activations of every picture of a pack, in its order."""

    stored: np.ndarray
    """uint16, the bits of bfloat16: (N, H, W, C) or (N, D)."""
    device: torch.device

    def rows(self, rows: np.ndarray) -> Tensor:
        """Activations (B, C, H, W), channels last in memory, or (B, D), on the device."""
        values = to_device(self.stored[rows].view(np.int16), self.device).view(STORED)
        return values.permute(0, 3, 1, 2) if values.ndim == 4 else values

    def portions(self, parts: int) -> list[np.ndarray]:
        """All rows in their order, as many at a time as there is memory for, or one of so many ``parts`` of these."""
        count, size = len(self.stored), max(1, self.stored[0].nbytes)
        most = max(1, min(EVAL_ROWS, EVAL_BYTES // size) // parts)
        return np.array_split(np.arange(count), -(-count // most))

    def batches(self, pack: Pack, rows: Iterable[np.ndarray]) -> Iterator[Batch]:
        """Batches with activations for pictures."""
        for chosen in rows:
            yield Batch(self.rows(chosen), to_device(pack.labels[chosen], self.device), chosen)


class PrefixCache:
    """The views of one network's prefix. The folder is shared by all trials of a machine and bounded in bytes."""

    def __init__(
        self,
        folder: Path,
        limit: int,
        network: Network,
        config: TrialConfig,
        dtype: torch.dtype,
        depths: Sequence[Depth] = (),
        parts: int = 1,
    ) -> None:
        """``depths`` are the values of unfreeze_depth that trials of this machine may have.

        Views are built from one of so many ``parts`` of the usual batches, where memory is short.
        """
        self._folder = ViewFolder(folder, limit)
        # Depth 0 has its boundary behind the pool, where nobody goes on.
        cuts = {len(network.blocks) - depth for depth in depths if depth and depth != "all"}
        # Where rounding loses something, a view cannot be built on another.
        self._cuts = cuts if dtype == STORED else set()
        self._network, self._config, self._dtype = network, config, dtype
        self._device = next(network.parameters()).device
        self._parts = parts
        self._blocks: dict[str, bytes] = {}
        self._folded: dict[str, nn.Module] = {}

    def train_view(self, pack: Pack, epoch: int) -> Steps:
        """Every picture as augmented in this epoch."""
        config = self._config
        plain = config.augment == "none"  # then every epoch sees the same
        keys = self._keys(pack, AUGMENTATIONS[config.augment], None if plain else (config.view_seed, epoch))
        size = max(1, TRAIN_BATCH // self._parts)
        return self._view(keys, pack, partial(all_batches, pack, config, epoch, self._device, size), size)

    def eval_view(self, pack: Pack) -> Steps:
        """Every picture as evaluation sees it."""
        keys = self._keys(pack, "eval", self._config.eval_crop)
        size = max(1, EVAL_BATCH // self._parts)
        return self._view(keys, pack, partial(eval_batches, pack, self._config, self._device, size), size)

    def roomy(self) -> bool:
        """Whether views may be built before they are asked for."""
        return self._folder.roomy()

    def _view(self, keys: Sequence[str], pack: Pack, batches: Batches, size: int) -> Steps:
        """The view after so many blocks, batches of ``size`` at a time."""
        if not keys or not self._folder.limit:
            return None
        path = self._folder.path(keys[-1])
        view = self._open(path)
        if view is None:
            earlier = max((cut for cut in self._cuts if cut < len(keys)), default=0)
            yield from self._view(keys[:earlier], pack, batches, size)
            if earlier and self._folder.notes(self._folder.path(keys[earlier - 1])).get("exact") is False:
                self._cuts.discard(earlier)  # nothing can be built on this one, nor on those of other epochs
            view = yield from self._build_once(path, len(pack.labels), self._computed(keys, pack, batches, size))
        return view

    def _computed(self, keys: Sequence[str], pack: Pack, batches: Batches, size: int) -> Iterator[Tensor]:
        """Activations after so many blocks, batch by batch, from as far along as there is a view."""
        for done in range(len(keys) - 1, 0, -1):
            path = self._folder.path(keys[done - 1])
            view = self._open(path) if self._folder.notes(path).get("exact") else None
            if view is not None:
                rows = np.arange(len(pack.labels))
                for at in range(0, len(rows), size):
                    yield self._run(view.rows(rows[at : at + size]), done, len(keys))
                return
        for batch in batches():
            yield self._run(batch.images, 0, len(keys))

    @torch.no_grad()
    def _run(self, values: Tensor, done: int, upto: int) -> Tensor:
        """What the blocks of the prefix after the first ``done``, up to so many, make of values; not rounded."""
        with autocast(self._device, self._dtype):
            for name, block in self._network.prefix[done:upto].named_children():
                if name not in self._folded:
                    self._folded[name] = folded(block)
                values = self._folded[name](values)
        return values

    def _open(self, path: Path) -> View | None:
        try:
            stored: np.ndarray = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError):
            return None
        if not self._folder.sound(path):
            return None
        with suppress(OSError):
            path.touch()  # eviction goes by last use
        return View(stored, self._device)

    def _build_once(self, path: Path, total: int, computed: Iterator[Tensor]) -> Steps:
        lock = FileLock(path.with_suffix(".lock"))
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=LOOK_SECONDS)
                break
            except Timeout:
                yield 0, total
            except OSError:
                return None  # a full disk costs time, not the trial
        try:
            view = self._open(path)  # another process may have built it meanwhile
            if view is None and not self._folder.rejected(path):
                view = yield from self._build(path, total, computed)
            return view
        finally:
            lock.release()

    def _build(self, path: Path, total: int, computed: Iterator[Tensor]) -> Steps:
        unfinished, done, exact = path.with_suffix(PARTIAL), 0, True
        began = time.perf_counter()
        warm = 0  # pictures of the first batch of several, which also pays for what the device has not loaded yet
        try:
            with unfinished.open("wb") as file:
                for values in computed:
                    # Nothing is lost by rounding what has this type already; deeper views may be built on it.
                    exact = exact and values.dtype == STORED
                    bits = _bits(values.to(STORED))
                    if not done:
                        header = {"descr": "<u2", "fortran_order": False, "shape": (total, *bits.shape[1:])}
                        np.lib.format.write_array_header_1_0(file, header)
                    if done == warm:  # the first batch, and the second
                        size = bits.nbytes // len(bits) * total
                        if not self._worth(path, bits, size, time.perf_counter() - began if warm else math.inf):
                            return None
                        whole = file.tell() + size - done * (size // total)
                        if (warm or len(bits) == total) and not self._folder.claim(unfinished, whole):
                            return None
                    file.write(bits.tobytes())
                    done += len(bits)
                    yield done, total
                    if not warm and done < total:
                        began, warm = time.perf_counter(), done
            seconds = (time.perf_counter() - began) * total / (total - warm)
            self._folder.publish(unfinished, path, Made(seconds, exact))
        except OSError:
            return None
        finally:
            unfinished.unlink(missing_ok=True)
        return self._open(path)

    def _worth(self, path: Path, batch: np.ndarray, size: int, seconds: float) -> bool:
        """Whether a view of so many bytes fits and pays, judged by a batch that took so long to compute."""
        if size > self._folder.limit or batch.nbytes / READ_BYTES_PER_SECOND > seconds:
            self._folder.reject(path)
            return False
        return True

    def _keys(self, pack: Pack, *view: object) -> list[str]:
        """The names of a view after each block of the prefix; a block's name stands for all before it as well."""
        config = self._config
        digest = hashlib.blake2b(digest_size=16)
        for part in (FORMAT, pack.key, config.image_size, config.normalize, self._dtype, self._device.type, view):
            digest.update(f"{part}\n".encode())
        keys = []
        for name, block in self._network.prefix.named_children():
            digest.update(self._fingerprint(name, block))
            keys.append(digest.hexdigest())
        return keys

    def _fingerprint(self, name: str, block: nn.Module) -> bytes:
        """A block's structure and weights."""
        if name not in self._blocks:
            self._blocks[name] = f"{name} {block}\n".encode() + self._network.block_digest(name)
        return self._blocks[name]


def _bits(values: Tensor) -> np.ndarray:
    """The bits of two-byte values, channels last."""
    values = values.permute(0, 2, 3, 1) if values.ndim == 4 else values
    bits: np.ndarray = values.contiguous().view(torch.int16).cpu().numpy().view(np.uint16)
    return bits
