from dataclasses import replace

import pytest

from carsray.errors import ConfigError
from carsray.published.experiments_file import find_experiments, load_experiments
from carsray.published.pins import check_pins, pin, without_effect
from carsray.space import Value

ALMOG = load_experiments(find_experiments("almog2025")).all
VIZNIUK = load_experiments(find_experiments("vizniuk2024")).all


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("epoch", 2, "--set epoch=2: is no setting. Did you mean 'epochs'?"),
        ("epochs", 0, "--set epochs=0: Input should be greater than or equal to 1"),
        ("k", 0, "--set k=0: Input should be greater than or equal to 1"),
        ("average", "mean", "--set average=mean: Input should be 'macro' or 'weighted'"),
        ("backbone", "cnn", "--set backbone=cnn: replaces one torchvision backbone by another"),
        ("seed", 1, "--set seed=1: is derived from --seed"),
    ],
)
def test_a_wrong_pin_is_refused(name: str, value: Value, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem.replace("?", r"\?")):
        check_pins({name: value})


def test_right_pins_pass() -> None:
    check_pins({"epochs": 2, "k": 5, "report": "test,val", "evaluate": "best", "backbone": "mobilenet_v2"})


def test_a_backbone_and_its_weights_reach_only_those_that_have_one() -> None:
    pins: dict[str, Value] = {"backbone": "mobilenet_v2", "weights": "file.pth", "epochs": 2}
    transfer, cnn, search = (pin(ALMOG[name], pins)[0] for name in ("transfer-1", "cnn-1", "retrieval-1"))
    assert (transfer.settings["backbone"], transfer.settings["weights"]) == ("mobilenet_v2", "file.pth")
    assert (cnn.settings["backbone"], cnn.config().weights, cnn.settings["epochs"]) == ("cnn", "none", 2)
    assert search.settings == ALMOG["retrieval-1"].settings


@pytest.mark.parametrize(
    ("name", "backbone", "depth"),
    [
        ("transfer-base", "mobilenet_v2", 0),
        ("transfer-1", "mobilenet_v2", 3),  # 3 of 17 blocks are 3.4 of 19
        ("transfer-1", "densenet121", 1),
        ("transfer-1", "resnet101", 6),
        ("transfer-2", "mobilenet_v2", "all"),
        ("transfer-1", "resnet50", 3),
    ],
)
def test_another_backbone_is_unfrozen_to_the_same_share(name: str, backbone: str, depth: Value) -> None:
    assert pin(VIZNIUK[name], {"backbone": backbone})[0].settings["unfreeze_depth"] == depth


def test_a_depth_given_with_the_backbone_stays() -> None:
    changed, notes = pin(VIZNIUK["transfer-1"], {"backbone": "mobilenet_v2", "unfreeze_depth": 7})
    assert (changed.settings["unfreeze_depth"], notes) == (7, [])


def test_a_changed_depth_is_said() -> None:
    changed, notes = pin(ALMOG["transfer-densenet"], {"backbone": "mobilenet_v2"})
    assert notes == [
        "transfer-densenet: the last 15 of mobilenet_v2's 19 blocks, as 4 of 5",
        "transfer-densenet: one block more every 1 epochs instead of 2: 9 by the last one",
    ]
    assert changed.settings["unfreeze_every"] == 1


def test_what_an_experiment_leaves_out_is_as_usual() -> None:
    bare = replace(ALMOG["transfer-1"], settings={"unfreeze_depth": 9, "pack_size": 256})
    assert pin(bare, {"backbone": "resnet101"})[0].settings["unfreeze_depth"] == 18  # of a ResNet-50
    assert pin(bare, {"image_size": 112})[0].settings["pack_size"] == 128  # of 224


def test_the_stored_picture_keeps_its_proportion_to_the_seen_one() -> None:
    sizes = {name: pin(VIZNIUK[name], {"image_size": 96})[0].settings["pack_size"] for name in ("transfer-1", "cnn-1")}
    assert sizes == {"transfer-1": 96, "cnn-1": 110}
    assert pin(VIZNIUK["cnn-1"], {"image_size": 96, "pack_size": 100})[0].settings["pack_size"] == 100


def test_settings_of_retrieval_and_reporting_reach_theirs() -> None:
    pins: dict[str, Value] = {"k": 9, "average": "macro", "report": "val"}
    search, cnn = pin(ALMOG["retrieval-1"], pins)[0], pin(ALMOG["cnn-1"], pins)[0]
    assert (search.retrieval().k, search.reporting.average, search.splits) == (9, "macro", ("val",))
    assert "k" not in cnn.settings


def test_a_pin_without_use_is_found() -> None:
    chosen = [ALMOG["cnn-1"], ALMOG["retrieval-1"]]
    assert without_effect(chosen, {"epochs": 2, "k": 3, "average": "macro", "weights": "x"}) == ["weights"]
