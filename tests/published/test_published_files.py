"""The nineteen experiments against their published descriptions: layers, sizes, optimiser, schedule, transforms."""

import csv
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models

from carsray.config import TrialConfig
from carsray.data.augment import AUGMENTATIONS
from carsray.models.build import build_network, depth_at
from carsray.published.experiments import Experiment
from carsray.published.experiments_file import checkout, find_experiments, load_experiments
from carsray.published.numbers import load_numbers
from carsray.training.optimizer import build_optimizer
from carsray.training.schedule import Schedule

FILES = {name: load_experiments(find_experiments(name)) for name in ("vizniuk2024", "almog2025")}
TRAININGS = [(f, e.id) for f, file in FILES.items() for e in file.all.values() if e.embeddings is None]
CNNS = [(f, name) for f, name in TRAININGS if name.startswith("cnn")]


def experiment(file: str, name: str) -> Experiment:
    return FILES[file].all[name]


def config(file: str, name: str, **changes: Any) -> TrialConfig:
    return experiment(file, name).config().model_copy(update=changes)


def network(file: str, name: str) -> Any:
    """On the meta device: shapes at no cost; weights are not what is asked here."""
    with torch.device("meta"):
        return build_network(config(file, name, weights="none"), 196)


def parameters(module: nn.Module, trained_only: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained_only)


def test_there_are_nineteen() -> None:
    assert [len(file.all) for file in FILES.values()] == [9, 10]


# --- layers ------------------------------------------------------------------------------------------


def plain_cnn(widths: list[int], norm: bool, drops: list[float], hidden: int, flat: int) -> list[str]:
    """What the description asks for, as (layer, its numbers), in the order of running."""
    layers, entering = [], 3
    for width, drop in zip(widths, drops, strict=True):
        layers += [f"Conv2d {entering}-{width} 3x3 pad 1"]
        layers += [f"BatchNorm2d {width}"] if norm else []
        layers += ["ReLU", "MaxPool2d 2"]
        layers += [f"Dropout2d {drop}"] if drop else []
        entering = width
    return [*layers, *(["AdaptiveAvgPool2d 1"] if flat == entering else []), "Flatten", f"Linear {flat}-{hidden}"]


def described(layer: nn.Module) -> str:
    match layer:
        case nn.Conv2d():
            kernel, pad = layer.kernel_size[0], layer.padding[0]
            assert layer.stride == (1, 1)
            return f"Conv2d {layer.in_channels}-{layer.out_channels} {kernel}x{kernel} pad {pad}"
        case nn.BatchNorm2d() | nn.BatchNorm1d():
            return f"{type(layer).__name__} {layer.num_features}"
        case nn.MaxPool2d():
            return f"MaxPool2d {layer.kernel_size}"
        case nn.AdaptiveAvgPool2d():
            return f"AdaptiveAvgPool2d {layer.output_size}"
        case nn.Linear():
            return f"Linear {layer.in_features}-{layer.out_features}"
        case nn.Dropout() | nn.Dropout2d():
            return f"{type(layer).__name__} {layer.p}"
    return type(layer).__name__


def running_order(net: Any) -> list[str]:
    parts = [*(block for _, block in net.blocks), net.neck, net.head]
    leaves = [leaf for part in parts for leaf in part.modules() if not list(leaf.children())]
    return [text for leaf in leaves if (text := described(leaf)) != "Dropout 0.0"]


VIZNIUK_BASE = [*plain_cnn([64, 128, 256], False, [0, 0, 0], 512, 256 * 28 * 28), "ReLU", "Linear 512-196"]
VIZNIUK_2 = [
    *plain_cnn([32, 64, 128, 256], True, [0.1, 0.1, 0.1, 0], 512, 256),
    *("BatchNorm1d 512", "ReLU", "Dropout 0.5", "Linear 512-196"),
]
ALMOG_1 = [*plain_cnn([32, 64, 128], False, [0, 0, 0], 256, 128 * 28 * 28), "ReLU", "Linear 256-196"]
ALMOG_2 = [
    *plain_cnn([32, 64, 128, 256], True, [0, 0, 0, 0], 512, 256 * 14 * 14),
    *("ReLU", "Dropout 0.5", "Linear 512-196"),
]


def convolutions(widths: list[int], norm: bool) -> int:
    """Weights, and a bias or BatchNorm's two values for each channel: a bias before BatchNorm would be taken away."""
    return sum(9 * a * b + (2 if norm else 1) * b for a, b in zip([3, *widths], widths, strict=False))


def linear(entering: int, leaving: int) -> int:
    return entering * leaving + leaving


FOUR = convolutions([32, 64, 128, 256], norm=True)


@pytest.mark.parametrize(
    ("file", "name", "layers", "count"),
    [
        ("vizniuk2024", "cnn-base", VIZNIUK_BASE, 103_232_324),  # 103.2 million, as published
        ("vizniuk2024", "cnn-1", VIZNIUK_BASE, 103_232_324),
        ("vizniuk2024", "cnn-2", VIZNIUK_2, FOUR + 256 * 512 + 2 * 512 + linear(512, 196)),
        (
            *("almog2025", "cnn-1", ALMOG_1),
            convolutions([32, 64, 128], norm=False) + linear(128 * 28 * 28, 256) + linear(256, 196),
        ),
        ("almog2025", "cnn-2", ALMOG_2, FOUR + linear(256 * 14 * 14, 512) + linear(512, 196)),
        ("almog2025", "cnn-3", ALMOG_2, FOUR + linear(256 * 14 * 14, 512) + linear(512, 196)),
    ],
)
def test_a_cnn_has_the_layers_and_the_size_of_its_description(
    file: str, name: str, layers: list[str], count: int
) -> None:
    net = network(file, name)
    assert running_order(net) == layers
    assert parameters(net) == count
    assert net(torch.empty(2, 3, 224, 224, device="meta")).shape == (2, 196)


def test_padding_decides_the_size_of_the_first_cnn() -> None:
    # Without padding the published alternative, 89.1 million: 256 channels of 26 x 26 pixels are left.
    unpadded = convolutions([64, 128, 256], norm=False) + linear(256 * 26 * 26, 512) + linear(512, 196)
    assert round(unpadded / 1e6, 1) == 89.1


@pytest.mark.parametrize(("file", "name"), CNNS)
def test_initial_values_are_those_of_the_description(file: str, name: str) -> None:
    small = config(file, name, image_size=32, pack_size=32)
    conv = next(layer for layer in build_network(small, 7).modules() if isinstance(layer, nn.Conv2d))
    he, default = (2 / 27) ** 0.5, (1 / 27 / 3) ** 0.5
    assert conv.weight.std().item() == pytest.approx(he if file == "almog2025" else default, rel=0.1)


@pytest.mark.parametrize(
    ("file", "name", "torchvisions", "trained"),
    [
        ("vizniuk2024", "transfer-base", "resnet50", ["head"]),
        ("vizniuk2024", "transfer-1", "resnet50", ["layer4", "head"]),
        ("vizniuk2024", "transfer-2", "resnet50", ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "head"]),
        ("almog2025", "transfer-1", "resnet50", ["head"]),
        ("almog2025", "transfer-2", "resnet50", ["head"]),
        ("almog2025", "transfer-3", "resnet50", ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "head"]),
        ("almog2025", "transfer-densenet", "densenet121", ["head"]),
    ],
)
def test_a_transfer_network_is_torchvisions_and_trains_what_it_says(
    file: str, name: str, torchvisions: str, trained: list[str]
) -> None:
    net = network(file, name)
    with torch.device("meta"):
        whole = models.get_model(torchvisions, num_classes=196)
    assert parameters(net) == parameters(whole)
    ours = [n.removeprefix("backbone.").split(".")[0] for n, p in net.named_parameters() if p.requires_grad]
    assert list(dict.fromkeys(ours)) == trained
    rate = 0.5 if (file, name) == ("almog2025", "transfer-3") else 0.0
    assert net.head.dropout.p == rate
    assert config(file, name).weights == "imagenet"


def test_the_densenet_is_unfrozen_a_dense_block_every_two_epochs_from_the_end() -> None:
    settings = config("almog2025", "transfer-densenet")
    assert [depth_at(settings, epoch) for epoch in range(1, 11)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    net = network("almog2025", "transfer-densenet")
    assert [name for name, _ in net.blocks] == ["stem", *(f"denseblock{n}" for n in (1, 2, 3, 4))]


# --- optimiser and schedule ------------------------------------------------------------------------------

PLATEAU = [1.0] * 30
"""Validation losses that never get better after the first."""


@pytest.mark.parametrize(
    ("file", "name", "kind", "epochs", "batch", "rates"),
    [
        ("vizniuk2024", "transfer-base", torch.optim.Adam, 10, 32, [1e-3] * 10),
        # Losses that stand still: the first counts as better, then 3 are borne and the fourth brings the drop.
        ("vizniuk2024", "transfer-1", torch.optim.Adam, 10, 16, [5e-3] * 5 + [5e-4] * 4 + [5e-5]),
        ("vizniuk2024", "transfer-2", torch.optim.SGD, 10, 32, [1e-2] * 5 + [1e-3] * 4 + [1e-4]),
        ("vizniuk2024", "cnn-base", torch.optim.Adam, 10, 32, [3e-4] * 5 + [1.5e-4] * 5),
        ("vizniuk2024", "cnn-1", torch.optim.Adam, 20, 64, [r for n in range(4) for r in [5e-4 / 2**n] * 5]),
        ("vizniuk2024", "cnn-2", torch.optim.AdamW, 100, 64, [1e-3] * 12 + [1e-4] * 11 + [1e-5] * 7),
        *(
            ("almog2025", f"transfer-{n}", torch.optim.Adam, 10, 32, [1e-3] * 7 + [1e-4] * 3)
            for n in (1, 2, 3, "densenet")
        ),
        ("almog2025", "cnn-1", torch.optim.Adam, 10, 64, [1e-3] * 10),
        ("almog2025", "cnn-2", torch.optim.Adam, 15, 64, [1e-3] * 15),
        ("almog2025", "cnn-3", torch.optim.Adam, 40, 64, [1e-3] * 30),
    ],
)
def test_optimizer_and_rates_epoch_by_epoch(
    file: str, name: str, kind: type, epochs: int, batch: int, rates: list[float]
) -> None:
    settings = config(file, name)
    optimizer = build_optimizer(network(file, name), settings)
    schedule = Schedule(optimizer, settings)
    found = []
    for epoch, loss in zip(range(1, epochs + 1), PLATEAU, strict=False):
        schedule.before_step(epoch, 0, 10)
        found.append(schedule.lr)
        schedule.after_epoch(loss)
    assert type(optimizer) is kind
    assert (settings.epochs, settings.batch_size) == (epochs, batch)
    assert found == pytest.approx(rates)
    decay = 0.01 if (file, name) == ("vizniuk2024", "cnn-2") else 0
    assert {group["weight_decay"] for group in optimizer.param_groups} == {decay}
    assert all(group.get("momentum", 0.9) == 0.9 for group in optimizer.param_groups)
    assert settings.label_smoothing == 0


def test_the_plateau_of_transfer_2_wants_losses_nine_tenths_smaller() -> None:
    settings = config("vizniuk2024", "transfer-2")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=settings.lr)
    plain = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, threshold=0.9, patience=3)
    ours = build_optimizer(network("vizniuk2024", "transfer-2"), settings)
    schedule = Schedule(ours, settings)
    for loss in (3.0, 2.0, 1.0, 0.5, 0.29, 0.29, 0.28, 0.27, 0.26, 0.25):
        schedule.after_epoch(loss)
        plain.step(loss)
        assert schedule.lr == pytest.approx(optimizer.param_groups[0]["lr"])
    assert schedule.lr < settings.lr


# --- pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "names", "split", "stored", "seen", "recipe", "centre", "normalized"),
    [
        (
            "vizniuk2024",
            ["transfer-base", "transfer-1", "transfer-2"],
            "test-halved",
            400,
            400,
            "flip-rotate",
            1,
            "half",
        ),
        (
            *("vizniuk2024", ["cnn-base", "cnn-1", "cnn-2"], "70/15/15", 256, 224),
            *("rescale-flip-rotate-jitter", 224 / 256, "half"),
        ),
        ("almog2025", ["transfer-1", "cnn-1", "cnn-2"], "official", 224, 224, "none", 1, "imagenet"),
        (
            *("almog2025", ["transfer-2", "transfer-3", "transfer-densenet"], "official", 256, 224),
            *("crop-flip-rotate", 1, "imagenet"),
        ),
        ("almog2025", ["cnn-3"], "official", 256, 224, "crop-flip-jitter", 1, "imagenet"),
    ],
)
def test_pictures_are_split_sized_and_normalised_as_described(
    file: str, names: list[str], split: str, stored: int, seen: int, recipe: str, centre: float, normalized: str
) -> None:
    for name in names:
        c = config(file, name)
        assert (c.split, c.packed_size, c.image_size) == (split, stored, seen)
        assert (c.augment, c.eval_crop, c.normalize) == (recipe, centre, normalized)
        assert c.crop_to_box == (file == "almog2025")
        assert (c.holdout, c.split_seed, c.precision) == (0.2, 0, "float32")
        assert AUGMENTATIONS[c.augment].rotation == (15 if "rotate" in recipe else 0)


# --- retrieval and reporting -------------------------------------------------------------------------------


def test_the_retrievals_are_those_of_the_tables() -> None:
    found = {
        (file, e.id): (e.embeddings, *e.retrieval().model_dump().values())
        for file, experiments in FILES.items()
        for e in experiments.all.values()
        if e.embeddings
    }
    assert found == {
        ("vizniuk2024", "retrieval-base"): ("transfer-2", 3, "manhattan", "none", "majority"),
        ("vizniuk2024", "retrieval-1"): ("transfer-2", 3, "manhattan", "l2", "majority"),
        ("vizniuk2024", "retrieval-2"): ("transfer-2", 13, "manhattan", "l2", "majority"),
        ("almog2025", "retrieval-1"): ("transfer-3", 3, "euclidean", "none", "majority"),
        ("almog2025", "retrieval-2"): ("transfer-3", 10, "euclidean", "none", "majority"),
        ("almog2025", "retrieval-3"): ("transfer-densenet", 7, "cosine", "none", "majority"),
    }


def test_embeddings_have_their_published_length() -> None:
    assert network("vizniuk2024", "transfer-2").embedding_size == 2048
    assert network("almog2025", "transfer-3").embedding_size == 2048
    assert network("almog2025", "transfer-densenet").embedding_size == 1024


def test_each_table_has_its_average_and_its_pictures() -> None:
    averages = {e.id: e.reporting.average for e in FILES["vizniuk2024"].all.values()}
    assert averages == {name: "weighted" if name.startswith("transfer") else "macro" for name in averages}
    assert {e.reporting.average for e in FILES["almog2025"].all.values()} == {"weighted"}
    assert {e.splits for e in FILES["vizniuk2024"].all.values()} == {("test",)}
    assert {e.splits for e in FILES["almog2025"].all.values()} == {("test", "val")}


def test_the_published_numbers_belong_to_experiments_that_exist() -> None:
    numbers = load_numbers(checkout() / "results" / "published.csv")
    assert {(n.report, n.experiment) for n in numbers} == {
        (file, name) for file, experiments in FILES.items() for name in experiments.all
    } - {("almog2025", "transfer-2")}  # not tabulated
    assert all(0 <= n.value <= 1 for n in numbers if n.metric in ("accuracy", "precision", "recall", "f1"))
    by_place = {(n.report, n.experiment, n.split, n.metric) for n in numbers}
    assert len(by_place) == len(numbers)
    assert all(n.source for n in numbers)


def test_the_published_numbers_stand_nowhere_else() -> None:
    with (checkout() / "results" / "published.csv").open(newline="") as file:
        values = {row["value"] for row in csv.DictReader(file) if len(row["value"]) >= 6}
    texts = [
        p
        for folder in ("carsray", "search_spaces")
        for p in (checkout() / folder).rglob("*.*")
        if p.suffix in (".py", ".toml")
    ]
    assert len(values) > 20
    assert [(str(p), v) for p in texts for v in values if v in p.read_text(encoding="utf-8")] == []
