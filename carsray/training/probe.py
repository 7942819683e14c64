"""What one config costs on this machine: a few steps on pictures made of noise."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from carsray.config import RunConfig, TrialConfig
from carsray.data.augment import normalize
from carsray.models.build import build_network
from carsray.models.state import trainable_state
from carsray.training.device import autocast, compute_dtype, resolve_device
from carsray.training.memory import for_lack_of_memory
from carsray.training.optimizer import build_optimizer
from carsray.training.prefix_cache import EVAL_BATCH
from carsray.training.recorded import WARM_UP as RECORDING
from carsray.training.recorded import recorded

WARM_UP, STEPS = 1, 2
"""Calls that do not count, beside those that a recording takes on a GPU; and those that do."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Measured on one device, with nothing else running there."""

    device: str
    train_seconds: float
    """For one picture, forward and backward."""
    eval_seconds: float
    """For one picture, forward only."""
    checkpoint_bytes: int
    snapshot_bytes: int
    """Weights, and what the optimiser remembers."""
    device_bytes: int
    """GPU memory that a process needs for it, context and fragments included; 0 on a processor."""
    device_total_bytes: int
    """GPU memory that there is; 0 on a processor."""


def probe(config: TrialConfig, classes: int, run: RunConfig) -> Cost:
    """Build the network, take a few steps, validate once. Some seconds; nothing is kept."""
    device = resolve_device(run)
    if device.type == "cpu":
        torch.set_num_threads(run.threads)
    else:
        torch.cuda.empty_cache()  # of a probe before this one
        torch.cuda.reset_peak_memory_stats(device)
    # The numbers do not matter here; and of a network that is trained block by block the last epochs cost most.
    config = config.model_copy(update={"weights": "none", "unfreeze_every": 0})
    network = build_network(config, classes).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = build_optimizer(network, config)
    dtype = compute_dtype(device, config)
    side, batch = config.image_size, config.batch_size
    images = normalize(torch.rand(batch, 3, side, side, device=device), config.normalize)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.arange(batch, device=device) % classes

    def backward(entering: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        network.zero_grad(set_to_none=True)
        with autocast(device, dtype):
            logits = network.forward_from(entering)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    let_go = partial(network.zero_grad, set_to_none=True)
    gradients = recorded(backward, device, let_go)

    def step() -> None:
        with autocast(device, dtype):
            entering = network.boundary(images)
        gradients(entering, labels)
        optimizer.step()

    # Validation is of this many pictures, and may need the most memory; a processor would take its time over them.
    seen = images.repeat(-(-EVAL_BATCH // batch), 1, 1, 1)[:EVAL_BATCH] if device.type == "cuda" else images

    def look() -> None:
        with torch.inference_mode(), autocast(device, dtype):
            network(seen)

    network.train()
    train = _seconds(step, device)
    network.eval()
    evaluate = _seconds_if_it_fits(look, device)
    if not evaluate:  # a training goes on without its recording then
        del gradients
        let_go()
        torch.cuda.empty_cache()
        evaluate = _seconds(look, device)
    size = sum(tensor.nbytes for tensor in trainable_state(network).values())
    remembered = sum(_bytes(value) for state in optimizer.state.values() for value in state.values())
    return Cost(_name(device), train / batch, evaluate / len(seen), size, size + remembered, *_memory(device))


def _bytes(value: object) -> int:
    return value.nbytes if isinstance(value, torch.Tensor) else 0


def _memory(device: torch.device) -> tuple[int, int]:
    """GPU memory that this process has needed, and what there is; zeros on a processor."""
    if device.type != "cuda":
        return 0, 0
    free, total = torch.cuda.mem_get_info(device)
    # The context, and what other processes hold, if any: that is missing to every trial alike.
    beside = total - free - torch.cuda.memory_reserved(device)
    return torch.cuda.max_memory_reserved(device) + beside, total


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Seconds of one call, after a warm-up."""
    for _ in range(WARM_UP + RECORDING if device.type == "cuda" else WARM_UP):
        work()
    _wait(device)
    began = time.perf_counter()
    for _ in range(STEPS):
        work()
    _wait(device)
    return (time.perf_counter() - began) / STEPS


def _seconds_if_it_fits(work: Callable[[], None], device: torch.device) -> float | None:
    try:
        return _seconds(work, device)
    except RuntimeError as error:
        if not for_lack_of_memory(error):
            raise
        return None


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
