"""One training step of every published experiment, and the same step written out in plain PyTorch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models

from carsray.config import RunConfig, TrialConfig
from carsray.data.batches import TrainingData, train_batches, training_data
from carsray.data.inspect import inspect
from carsray.data.sources.catalog import open_catalog
from carsray.data.splits import make_split
from carsray.models.build import build_network
from carsray.published.experiments_file import find_experiments, load_experiments
from carsray.seed import derive
from carsray.training import boundary, prefix_cache
from carsray.training.fit import EpochResult, fit

CLASSES, SIDE = 4, 32
FILES = {name: load_experiments(find_experiments(name)) for name in ("vizniuk2024", "almog2025")}


def small(file: str, name: str, **changes: Any) -> TrialConfig:
    """The experiment on small pictures, without downloads; one step an epoch."""
    config = FILES[file].all[name].config()
    stored = round(SIDE * config.packed_size / config.image_size)
    tiny = {"image_size": SIDE, "pack_size": stored, "weights": "none", "batch_size": 12, "split": "official"}
    return config.model_copy(update=tiny | {"epochs": 1} | changes)


def data_for(config: TrialConfig, tmp_path: Path, each: int = 5) -> TrainingData:
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        folder = tmp_path / "pictures" / f"class {label}"
        folder.mkdir(parents=True)
        for number in range(each):
            coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((48, 40)).save(folder / f"{number}.png")
    catalog = open_catalog(tmp_path / "pictures")
    split = make_split(catalog, inspect(catalog, tmp_path / "cache"), config)[0]
    return training_data(split, config, tmp_path / "cache")


def run_in(tmp_path: Path) -> RunConfig:
    return RunConfig(device="cpu", cache=tmp_path / "cache", progress_seconds=60)


# --- the networks, written out ----------------------------------------------------------------------------


def conv(entering: int, leaving: int) -> list[nn.Module]:
    return [nn.Conv2d(entering, leaving, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]


def norm_conv(entering: int, leaving: int, drop: float = 0) -> list[nn.Module]:
    # The bias is left out: BatchNorm takes it away again.
    layers = [nn.Conv2d(entering, leaving, 3, padding=1, bias=False), nn.BatchNorm2d(leaving), nn.ReLU()]
    return [*layers, nn.MaxPool2d(2), *([nn.Dropout2d(drop)] if drop else [])]


def vizniuk_base() -> nn.Module:
    blocks = [*conv(3, 64), *conv(64, 128), *conv(128, 256), nn.Flatten()]
    return nn.Sequential(*blocks, nn.Linear(256 * 4 * 4, 512), nn.ReLU(), nn.Linear(512, CLASSES))


def vizniuk_2() -> nn.Module:
    blocks = [*norm_conv(3, 32, 0.1), *norm_conv(32, 64, 0.1), *norm_conv(64, 128, 0.1), *norm_conv(128, 256)]
    hidden = [nn.Linear(256, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.5)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *hidden, nn.Linear(512, CLASSES))


def almog_1() -> nn.Module:
    blocks = [*conv(3, 32), *conv(32, 64), *conv(64, 128), nn.Flatten()]
    return nn.Sequential(*blocks, nn.Linear(128 * 4 * 4, 256), nn.ReLU(), nn.Linear(256, CLASSES))


def almog_2() -> nn.Module:
    blocks = [*norm_conv(3, 32), *norm_conv(32, 64), *norm_conv(64, 128), *norm_conv(128, 256), nn.Flatten()]
    head = [nn.Linear(256 * 2 * 2, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, CLASSES)]
    return nn.Sequential(*blocks, *head)


def resnet50(frozen: tuple[str, ...] = (), drop: float = 0) -> nn.Module:
    model = models.resnet50()
    model.fc = nn.Sequential(nn.Dropout(drop), nn.Linear(2048, CLASSES)) if drop else nn.Linear(2048, CLASSES)
    freeze(model, frozen)
    if frozen:
        rounded(model.fc if "layer4" in frozen else model.layer4)
    return model


def densenet121() -> nn.Module:
    model = models.densenet121()
    model.classifier = nn.Linear(1024, CLASSES)
    freeze(model, ("features",))
    rounded(model.classifier)
    return model


def freeze(model: nn.Module, names: tuple[str, ...]) -> None:
    model.train()
    for name in names:
        getattr(model, name).eval().requires_grad_(False)


def rounded(first_trained: nn.Module) -> None:
    """Where the frozen part ends, carsray stores activations in bfloat16."""
    first_trained.register_forward_pre_hook(lambda _, inputs: (inputs[0].to(torch.bfloat16).float(),))


STEM = ("conv1", "bn1", "layer1", "layer2", "layer3")
Adam, SGD, AdamW = torch.optim.Adam, torch.optim.SGD, torch.optim.AdamW
STEPS: list[tuple[str, str, Callable[[], nn.Module], Callable[[Any], torch.optim.Optimizer]]] = [
    ("vizniuk2024", "transfer-base", lambda: resnet50((*STEM, "layer4")), lambda p: Adam(p, lr=1e-3)),
    ("vizniuk2024", "transfer-1", lambda: resnet50(STEM), lambda p: Adam(p, lr=5e-3)),
    ("vizniuk2024", "transfer-2", resnet50, lambda p: SGD(p, lr=0.01, momentum=0.9)),
    ("vizniuk2024", "cnn-base", vizniuk_base, lambda p: Adam(p, lr=3e-4)),
    ("vizniuk2024", "cnn-1", vizniuk_base, lambda p: Adam(p, lr=5e-4)),
    ("vizniuk2024", "cnn-2", vizniuk_2, lambda p: AdamW(p, lr=1e-3, weight_decay=0.01)),
    ("almog2025", "transfer-1", lambda: resnet50((*STEM, "layer4")), lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "transfer-2", lambda: resnet50((*STEM, "layer4")), lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "transfer-3", lambda: resnet50(drop=0.5), lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "transfer-densenet", densenet121, lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "cnn-1", almog_1, lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "cnn-2", almog_2, lambda p: Adam(p, lr=1e-3)),
    ("almog2025", "cnn-3", almog_2, lambda p: Adam(p, lr=1e-3)),
]


@pytest.mark.parametrize(("file", "name", "make", "optimize"), STEPS, ids=[f"{f}/{n}" for f, n, *_ in STEPS])
def test_one_step_is_the_step_written_out(
    file: str,
    name: str,
    make: Callable[[], nn.Module],
    optimize: Callable[[Any], torch.optim.Optimizer],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Folding rounds otherwise: of gradients near zero, Adam makes whole steps to one side or the other.
    for module in (boundary, prefix_cache):
        monkeypatch.setattr(module, "folded", lambda network: network)
    config = small(file, name)
    data = data_for(config, tmp_path)
    start = build_network(config, CLASSES)
    model = make().to(memory_format=torch.channels_last)
    # Both list their layers in the order of running.
    with torch.no_grad():
        for ours, plain in zip(start.state_dict().values(), model.state_dict().values(), strict=True):
            plain.copy_(ours)
    optimizer = optimize([p for p in model.parameters() if p.requires_grad])
    (batch,) = train_batches(data.train, config, 1, torch.device("cpu"))
    torch.manual_seed(derive(config.seed, "dropout", 1))
    loss = nn.CrossEntropyLoss()(model(batch.images), batch.labels)
    loss.backward()
    optimizer.step()

    (result,) = [event for event in fit(config, data, run_in(tmp_path)) if isinstance(event, EpochResult)]
    assert result.metrics["train/loss"] == pytest.approx(loss.item(), rel=1e-4)
    moved = 0
    for ours, plain, before in zip(
        result.network.state_dict().values(), model.state_dict().values(), start.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-5)
        moved += int(not torch.equal(ours, before))
    assert moved >= 2


# --- can they learn at all ---------------------------------------------------------------------------------

ENOUGH = 0.95


CNNS = [(file, name) for file, name, *_ in STEPS if name.startswith("cnn")]


@pytest.mark.parametrize(("file", "name"), CNNS)
def test_a_cnn_learns_64_pictures_by_heart(file: str, name: str, tmp_path: Path) -> None:
    # Its own optimiser, rate, batch size and dropout; the schedules are made for as many steps in two epochs.
    batch = FILES[file].all[name].config().batch_size
    config = small(file, name, augment="none", eval_crop=1.0, schedule="none", epochs=60, batch_size=batch)
    data = data_for(config, tmp_path, each=26)
    best = 0.0
    for event in fit(config, TrainingData(data.train, data.train, data.classes), run_in(tmp_path)):
        if isinstance(event, EpochResult):
            best = event.metrics["val/accuracy_best"]
            if best >= ENOUGH:
                break
    assert len(data.train.labels) >= 64
    assert best >= ENOUGH
