"""Training one config. ``fit`` is a generator: one EpochResult an epoch, and signs of progress in between."""

import math
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import Batch, TrainingData, batch_count, eval_batches, train_batches, train_rows
from carsray.data.pack import Pack
from carsray.errors import TrialFailed
from carsray.models.build import build_network, depth_at
from carsray.models.network import Network
from carsray.seed import derive
from carsray.training.boundary import at_boundary, logits_from
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.divergence import Divergence
from carsray.training.evaluate import predict, predict_from
from carsray.training.messages import Progress
from carsray.training.metrics import classification_metrics
from carsray.training.optimizer import build_optimizer, take_up
from carsray.training.prefix_cache import PrefixCache, Steps, View
from carsray.training.schedule import Schedule
from carsray.training.snapshot import snapshot_bytes, take_up_snapshot
from carsray.training.standing import snapshot_standing

__all__ = ["EpochResult", "Progress", "fit"]

LOSS_CHECK_STEPS = 16
"""Steps between two looks at the loss; each look waits for the device."""

EVAL_ROWS = 512
"""Pictures in a batch of cached activations, when validating."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch's end. The network is the live one: use it before asking for the next epoch."""

    epoch: int
    metrics: dict[str, float]
    """Keys are split/name; val/accuracy_best is the best epoch so far."""
    seconds: dict[str, float]
    """Where the time went: start (first epoch only), prefix (building views), data, compute, validation."""
    improved: bool
    """Whether this epoch is the best so far."""
    predicted: np.ndarray
    """int64 (N,): the class that each picture of val was taken for."""
    network: Network
    snapshot: Callable[[], bytes]
    """Makes what `fit` takes to go on after this epoch; to be called before the next is asked for."""


def fit(
    config: TrialConfig, data: TrainingData, run: RunConfig, snapshot: bytes | None = None, micro_batches: int = 1
) -> Iterator[Progress | EpochResult]:
    """Train to the end of config.epochs, from the start or from a snapshot. To stop early, stop iterating.

    A trial taken up from a snapshot gives the numbers that it would have given without the break. More micro_batches
    than one cut each batch into parts whose gradients add up: less memory, and BatchNorm sees the parts.
    Raises TrialFailed when the loss is no longer finite, ResultsError for a snapshot that does not fit.
    """
    started = time.perf_counter()
    device = resolve_device(run)
    if device.type == "cpu":
        torch.set_num_threads(run.threads)
    network = build_network(config, len(data.classes)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = _Trainer(config, network, len(data.classes), compute_dtype(device, config), run, micro_batches)
    done, best = trainer.take_up(snapshot) if snapshot else (0, -math.inf)
    seconds = {"start": time.perf_counter() - started}
    for epoch in range(done + 1, config.epochs + 1):
        trainer.unfreeze(epoch)
        train = yield from trainer.train(epoch, data.train)
        val, predicted = yield from trainer.validate(epoch, data.val)
        _finite(val["loss"], "validation loss", epoch, trainer.schedule.lr)
        trainer.schedule.after_epoch(val["loss"])
        improved, best = val["accuracy"] > best, max(best, val["accuracy"])
        yield EpochResult(
            epoch,
            {f"train/{k}": v for k, v in train.items()}
            | {f"val/{k}": v for k, v in val.items()}
            | {"val/accuracy_best": best, "train/lr": trainer.schedule.lr},
            seconds | trainer.seconds,
            improved,
            predicted,
            network,
            partial(trainer.snapshot, epoch, best),
        )
        seconds = {}


class _Trainer:
    """What lives from step to step: network, optimiser, schedule."""

    def __init__(
        self,
        config: TrialConfig,
        network: Network,
        classes: int,
        dtype: torch.dtype,
        run: RunConfig,
        micro_batches: int,
    ) -> None:
        self.config, self.network, self.dtype, self.micro_batches = config, network, dtype, micro_batches
        self.classes = classes
        self.device = next(network.parameters()).device
        self.optimizer = build_optimizer(network, config)
        self.schedule = Schedule(self.optimizer, config)
        self.loss = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
        folder, limit = run.cache / "activations", run.prefix_cache_bytes
        self.views = PrefixCache(folder, limit, network, config, dtype, run.depths)
        self.progress_seconds, self.stop_diverged = run.progress_seconds, run.stop_diverged
        self.seconds: dict[str, float] = {}

    def unfreeze(self, epoch: int) -> None:
        """Train as many blocks as this epoch is to train."""
        if self.config.unfreeze_every:
            self.network.unfreeze(depth_at(self.config, epoch))
            take_up(self.optimizer, self.network)

    def snapshot(self, epoch: int, best: float) -> bytes:
        """What `take_up` takes."""
        return snapshot_bytes(self.config, self.network, self.optimizer, self.schedule, epoch, best)

    def take_up(self, snapshot: bytes) -> tuple[int, float]:
        """Go back to where a snapshot was made; the epochs done and the best score by then."""
        done, best = snapshot_standing(snapshot, self.config)
        for epoch in range(1, done + 1):
            self.unfreeze(epoch)  # in the same order, which is that of the optimiser's memory
        take_up_snapshot(snapshot, self.network, self.optimizer, self.schedule)
        return done, best

    def train(self, epoch: int, pack: Pack) -> Generator[Progress, None, dict[str, float]]:
        """One pass over train; returns its mean loss and accuracy."""
        view = yield from self.prepare(epoch, self.views.train_view(pack, epoch))
        if view:
            batches = view.batches(pack, train_rows(pack, self.config, epoch))
        else:
            batches = at_boundary(self.network, train_batches(pack, self.config, epoch, self.device), self.dtype)
        return (yield from self.steps(epoch, batches, batch_count(pack, self.config)))

    def steps(self, epoch: int, batches: Iterator[Batch], steps: int) -> Generator[Progress, None, dict[str, float]]:
        """An optimiser step for each batch of activations at the boundary.

        The first epoch of a trial that diverges ends early where the run allows that; "cut_after_step" says so.
        """
        # Dropout draws from here: a trial gives the same numbers whatever the process did before.
        torch.manual_seed(derive(self.config.seed, "dropout", epoch))
        self.network.train()
        totals = torch.zeros(2, device=self.device, dtype=torch.float64)  # loss sum, right answers
        pictures, cut = 0, 0
        watch = Divergence(steps, self.classes) if self.stop_diverged and epoch == 1 else None
        shown = began = time.perf_counter()
        waited = 0.0
        for step in range(steps):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            self.schedule.before_step(epoch, step, steps)
            totals += self.step(batch)
            pictures += len(batch.labels)
            if step % LOSS_CHECK_STEPS == 0 or step == steps - 1:
                _finite(float(totals[0]), "loss", epoch, self.schedule.lr, step)
            if watch and step + 1 in watch.looks and watch.diverged(totals.tolist(), pictures):
                cut = step + 1
                break
            if time.perf_counter() - shown >= self.progress_seconds:
                shown = time.perf_counter()
                yield Progress(epoch, step + 1, steps)
        self.seconds |= {"data": waited, "compute": time.perf_counter() - began - waited}
        loss, right = totals.tolist()
        means = {"loss": loss / pictures, "accuracy": right / pictures}
        return means | ({"cut_after_step": cut} if cut else {})

    def validate(self, epoch: int, pack: Pack) -> Generator[Progress, None, tuple[dict[str, float], np.ndarray]]:
        """The metrics of val, and the class that each of its pictures was taken for."""
        building = self.seconds.get("prefix", 0.0)
        view = yield from self.prepare(epoch, self.views.eval_view(pack))
        self.seconds["prefix"] += building
        began = time.perf_counter()
        if view:
            rows = np.array_split(np.arange(len(pack.labels)), max(1, len(pack.labels) // EVAL_ROWS))
            logits, labels = predict_from(self.network, view.batches(pack, rows), self.dtype)
        else:
            logits, labels = predict(self.network, eval_batches(pack, self.config, self.device), self.dtype)
        self.seconds["validation"] = time.perf_counter() - began
        return classification_metrics(logits, labels), logits.argmax(dim=1).numpy()

    def prepare(self, epoch: int, building: Steps) -> Generator[Progress, None, View | None]:
        """See a view built, or found; the seconds it took are booked as prefix."""
        began = shown = time.perf_counter()
        while True:
            try:
                done, total = next(building)
            except StopIteration as end:
                self.seconds["prefix"] = time.perf_counter() - began
                view: View | None = end.value
                return view
            if time.perf_counter() - shown >= self.progress_seconds:
                shown = time.perf_counter()
                yield Progress(epoch, done, total)

    def step(self, batch: Batch) -> torch.Tensor:
        """One optimiser step; returns (loss sum, right answers), float64."""
        self.optimizer.zero_grad(set_to_none=True)
        # At least two pictures in a part: BatchNorm cannot train on one.
        parts = max(1, min(self.micro_batches, len(batch.labels) // 2))
        pairs = zip(batch.images.tensor_split(parts), batch.labels.tensor_split(parts), strict=True)
        sums = torch.stack([self.backward(images, labels, len(batch.labels)) for images, labels in pairs]).sum(dim=0)
        if self.config.grad_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.grad_clip)
        self.optimizer.step()
        return sums

    def backward(self, images: torch.Tensor, labels: torch.Tensor, of: int) -> torch.Tensor:
        """Add the gradients of some of a batch ``of`` so many pictures; returns as step does, of these."""
        logits = logits_from(self.network.forward_from, images, self.dtype)
        loss = self.loss(logits, labels)
        (loss * (len(labels) / of) if len(labels) < of else loss).backward()
        right = (logits.detach().argmax(dim=1) == labels).sum()
        return torch.stack([loss.detach().double() * len(labels), right.double()])


def _finite(value: float, name: str, epoch: int, lr: float, step: int | None = None) -> None:
    if not math.isfinite(value):
        where = f"epoch {epoch}" + (f", step {step + 1}" if step is not None else "")
        raise TrialFailed(f"{name} became {value} in {where} (lr {lr:.2g})")
