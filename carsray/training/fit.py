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
from carsray.models.build import build_network, depth_at
from carsray.models.network import Network
from carsray.seed import derive
from carsray.training.ahead import meanwhile, wanted_later
from carsray.training.average import Averaged
from carsray.training.boundary import at_boundary
from carsray.training.device import compute_dtype, resolve_device
from carsray.training.evaluate import Answered, predict_each, together
from carsray.training.gradients import gradients_of
from carsray.training.hopeless import Hopeless
from carsray.training.memory import for_lack_of_memory
from carsray.training.messages import Progress
from carsray.training.metrics import classification_metrics
from carsray.training.optimizer import build_optimizer, take_up
from carsray.training.prefix_cache import EVAL_BATCH, PrefixCache, Steps, View
from carsray.training.recorded import Work, recorded
from carsray.training.refusals import check_finite, check_trainable
from carsray.training.schedule import Schedule
from carsray.training.snapshot import snapshot_bytes, take_up_snapshot
from carsray.training.standing import snapshot_standing
from carsray.training.team import ALONE, Team

__all__ = ["EpochResult", "Progress", "fit"]

LOSS_CHECK_STEPS = 16
"""Steps between two looks at the loss; each look waits for the device."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch's end. The network is the live one: use it before asking for the next epoch."""

    epoch: int
    metrics: dict[str, float]
    """Keys are split/name; val/accuracy_best is the best epoch so far. Without a val there are none of val/."""
    seconds: dict[str, float]
    """Where the time went: start (first epoch only), prefix (building views), data, compute, validation."""
    improved: bool
    """Whether this epoch is the best so far."""
    predicted: np.ndarray
    """int64 (N,): the class that each picture of val was taken for."""
    network: Network
    snapshot: Callable[[], bytes]
    """Makes what `fit` takes to go on after this epoch; to be called before the next is asked for."""
    averaged: Network | None = None
    """The average of the weights, live as well, where one is kept."""


def fit(
    config: TrialConfig,
    data: TrainingData,
    run: RunConfig,
    snapshot: bytes | None = None,
    micro_batches: int = 1,
    decay: float = 0.0,
    team: Team = ALONE,
    to_pass: float | None = None,
) -> Iterator[Progress | EpochResult]:
    """Train to the end of config.epochs, from the start or from a snapshot. To stop early, stop iterating.

    A trial taken up from a snapshot gives the numbers that it would have given without the break. More micro_batches
    than one cut each batch into parts whose gradients add up: less memory, and BatchNorm sees the parts; validation
    goes in smaller portions, too. A team cuts batches side by side, each worker takes a part; its first one alone
    measures and has a snapshot worth keeping. A decay above 0 keeps an exponential average of the weights beside them,
    which nothing else depends on. Where to_pass is given, the accuracy that is asked for after the first epoch, that
    epoch ends early if the trial has lost already.
    Raises TrialFailed when the loss is no longer finite, ResultsError for a snapshot that does not fit, ConfigError
    where the schedule has no validation loss to look at, or a batch is too small for the team.
    """
    check_trainable(config, data, team)
    started = time.perf_counter()
    device = resolve_device(run)
    if device.type == "cpu":
        torch.set_num_threads(run.threads)
    network = build_network(config, len(data.classes)).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = _Trainer(config, network, data, compute_dtype(device, config), run, micro_batches, decay, team, to_pass)
    done, best = trainer.take_up(snapshot) if snapshot else (0, -math.inf)
    seconds = {"start": time.perf_counter() - started}
    for epoch in range(done + 1, config.epochs + 1):
        trainer.unfreeze(epoch)
        train = yield from trainer.train(epoch)
        lr = trainer.schedule.lr  # a plateau changes it for the next epoch
        val, predicted = yield from trainer.judge(epoch)
        improved = val.get("accuracy", -math.inf) > best
        if val:
            best = val["accuracy_best"] = max(best, val["accuracy"])
        yield EpochResult(
            epoch,
            {f"train/{k}": v for k, v in train.items()} | {f"val/{k}": v for k, v in val.items()} | {"train/lr": lr},
            seconds | trainer.seconds,
            improved,
            predicted,
            network,
            partial(trainer.snapshot, epoch, best),
            trainer.averaged.module if trainer.averaged else None,
        )
        seconds = {}


class _Trainer:
    """What lives from step to step: network, optimiser, schedule."""

    def __init__(
        self,
        config: TrialConfig,
        network: Network,
        data: TrainingData,
        dtype: torch.dtype,
        run: RunConfig,
        micro_batches: int,
        decay: float,
        team: Team,
        to_pass: float | None,
    ) -> None:
        self.config, self.network, self.dtype, self.micro_batches = config, network, dtype, micro_batches
        self.data, self.team = data, team
        self.averaged = Averaged(network, decay) if decay else None
        self.device = next(network.parameters()).device
        self.batch_size = min(config.batch_size, len(data.train.labels))
        """Pictures in a batch, over all workers."""
        self.optimizer = build_optimizer(network, config)
        self.schedule = Schedule(self.optimizer, config)
        # The threads with which workers talk to each other would break a recording.
        self.records = self.device.type == "cuda" and team.size == 1
        self.gradients = self.new_gradients()
        cache = run.activations, run.prefix_cache_bytes
        self.views = PrefixCache(*cache, network, config, dtype, run.depths, micro_batches)
        self.progress_seconds, self.to_pass = run.progress_seconds, to_pass
        self.seconds: dict[str, float] = {}

    def unfreeze(self, epoch: int) -> None:
        """Train as many blocks as this epoch is to train."""
        if not self.config.unfreeze_every:
            return
        frozen = len(self.network.prefix)
        for network in (self.network, *([self.averaged.module] if self.averaged else [])):
            network.unfreeze(depth_at(self.config, epoch))
        take_up(self.optimizer, self.network)
        if len(self.network.prefix) != frozen:
            self.gradients = self.new_gradients()

    def new_gradients(self) -> Work:
        """A step up to the optimiser, for the blocks that are trained now."""
        work = gradients_of(self.network, self.config, self.dtype, self.batch_size, self.micro_batches)
        return recorded(work, self.device, partial(self.network.zero_grad, set_to_none=True)) if self.records else work

    def stop_recording(self) -> None:
        """A recording keeps the memory of its step, which validation may need."""
        self.records = False
        self.gradients = self.new_gradients()
        self.network.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()

    def snapshot(self, epoch: int, best: float) -> bytes:
        """What `take_up` takes."""
        return snapshot_bytes(self.config, self.network, self.optimizer, self.schedule, epoch, best, self.averaged)

    def take_up(self, snapshot: bytes) -> tuple[int, float]:
        """Go back to where a snapshot was made; the epochs done and the best score by then."""
        done, best = snapshot_standing(snapshot, self.config)
        for epoch in range(1, done + 1):
            self.unfreeze(epoch)  # in the same order, which is that of the optimiser's memory
        take_up_snapshot(snapshot, self.network, self.optimizer, self.schedule, self.averaged)
        return done, best

    def train(self, epoch: int) -> Generator[Progress, None, dict[str, float]]:
        """One pass over train; returns its mean loss and accuracy."""
        pack = self.data.train
        view = yield from self.prepare(epoch, self.views.train_view(pack, epoch))
        rows = (self.team.part(batch) for batch in train_rows(pack, self.config, epoch))
        if view:
            batches = view.batches(pack, rows)
        else:
            pictures = train_batches(pack, self.config, epoch, self.device, rows)
            batches = at_boundary(self.network, pictures, self.dtype, self.micro_batches)
        return (yield from self.steps(epoch, batches, batch_count(pack, self.config)))

    def steps(self, epoch: int, batches: Iterator[Batch], steps: int) -> Generator[Progress, None, dict[str, float]]:
        """An optimiser step for each batch of activations at the boundary.

        The first epoch of a trial that has something to pass ends early if it is hopeless; "cut_after_step" says so.
        """
        # Dropout draws from here: a trial gives the same numbers whatever the process did before.
        torch.manual_seed(derive(self.config.seed, "dropout", epoch, *([] if self.team.leads else [self.team.rank])))
        self.network.train()
        totals = torch.zeros(2, device=self.device, dtype=torch.float64)  # loss sum, right answers
        pictures, cut = 0, 0
        watch = None
        if self.to_pass is not None and epoch == 1:
            watch = Hopeless(steps, len(self.data.classes), self.to_pass)
        shown = began = time.perf_counter()
        waited = 0.0
        for step in range(steps):
            asked = time.perf_counter()
            batch = next(batches)
            waited += time.perf_counter() - asked
            self.schedule.before_step(epoch, step, steps)
            self.step(batch, totals)
            pictures += self.batch_size
            if step % LOSS_CHECK_STEPS == 0 or step == steps - 1:
                check_finite(float(totals[0]), "loss", epoch, self.schedule.lr, step)
            done = step + 1
            # An end after the last step would save nothing.
            if watch and done < steps and done in watch.looks and watch.found(done, totals.tolist(), pictures):
                cut = done
                break
            if time.perf_counter() - shown >= self.progress_seconds:
                shown = time.perf_counter()
                yield Progress(epoch, step + 1, steps)
        self.seconds |= {"data": waited, "compute": time.perf_counter() - began - waited}
        loss, right = totals.tolist()
        means = {"loss": loss / pictures, "accuracy": right / pictures}
        return means | ({"cut_after_step": cut} if cut else {})

    def judge(self, epoch: int) -> Generator[Progress, None, tuple[dict[str, float], np.ndarray]]:
        """The metrics of val, where there is one, from the first worker; the schedule then knows its loss."""
        self.team.follow(self.network.buffers())
        val: dict[str, float] = {}
        predicted = np.empty(0, np.int64)
        if self.data.val and self.team.leads:
            try:
                val, predicted = yield from self.validate(epoch, self.data.val)
            except RuntimeError as error:
                if not (self.records and for_lack_of_memory(error)):
                    raise
            if not val:
                self.stop_recording()
                val, predicted = yield from self.validate(epoch, self.data.val)
        if self.data.val:
            # Found by all workers alike, or the others would wait for the one that fails.
            loss = self.team.agree(val.get("loss", math.nan), self.device)
            check_finite(loss, "validation loss", epoch, self.schedule.lr)
            self.schedule.after_epoch(self.data.val_losses[epoch - 1] if self.data.val_losses else loss)
        elif self.data.val_losses:
            self.schedule.after_epoch(self.data.val_losses[epoch - 1])
        return val, predicted

    def validate(self, epoch: int, pack: Pack) -> Generator[Progress, None, tuple[dict[str, float], np.ndarray]]:
        """The metrics of val, and the class that each of its pictures was taken for."""
        building = self.seconds.get("prefix", 0.0)
        view = yield from self.prepare(epoch, self.views.eval_view(pack))
        self.seconds["prefix"] += building
        began = time.perf_counter()
        if view:
            batches = view.batches(pack, view.portions(self.micro_batches))
        else:
            size = max(1, EVAL_BATCH // self.micro_batches)
            batches = at_boundary(self.network, eval_batches(pack, self.config, self.device, size), self.dtype)
        answered: list[Answered] = []
        shown = began
        for some in predict_each(self.network, batches, self.dtype):
            answered.append(some)
            if time.perf_counter() - shown >= self.progress_seconds:
                shown = time.perf_counter()
                yield Progress(epoch, sum(len(labels) for _, labels in answered), len(pack.labels))
        logits, labels = together(answered)
        self.seconds["validation"] = time.perf_counter() - began
        return classification_metrics(logits, labels), logits.argmax(dim=1).numpy()

    def prepare(self, epoch: int, building: Steps) -> Generator[Progress, None, View | None]:
        """See a view built, or found; the seconds it took are booked as prefix."""
        began = shown = time.perf_counter()
        building = meanwhile(building, wanted_later(self.views, self.config, self.data, epoch, self.team))
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

    def step(self, batch: Batch, totals: torch.Tensor) -> None:
        """One optimiser step; adds its loss sum and right answers to totals (2,), float64."""
        sums = self.gradients(batch.images, batch.labels)
        totals += sums if self.team.size == 1 else self.team.add_up(self.network.parameters(), sums)
        if self.config.grad_clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.config.grad_clip)
        self.optimizer.step()
        if self.averaged:
            self.averaged.follow()
