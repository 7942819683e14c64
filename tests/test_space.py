from typing import Any

import pytest

from carsray.config import TrialConfig
from carsray.space import Objective, Parameter, Space, Value, Values

OPTIMIZER = Parameter("optimizer", choices=("sgd", "adamw"), default="sgd")
MOMENTUM = Parameter("momentum", low=0.8, high=0.98, when={"optimizer": ("sgd", "rmsprop")})


def space(*parameters: Parameter, fixed: Values | None = None, **objective: Any) -> Space:
    return Space("cars", "", Objective(**objective), fixed or {}, {p.name: p for p in parameters}, ())


@pytest.mark.parametrize("value", [1e-4, 0.1, 0.01, 1e-4 + 1e-9])
def test_a_range_contains_its_bounds(value: float) -> None:
    assert Parameter("lr", low=1e-4, high=0.1).contains(value)


@pytest.mark.parametrize("value", [0.99e-4, 2.01, float("nan"), "0.01", True, None, [0.01]])
def test_a_range_contains_no_more_than_that(value: object) -> None:
    assert not Parameter("lr", low=1e-4, high=2).contains(value)


@pytest.mark.parametrize(("value", "contained"), [(16, True), (64, True), (32.0, False), (32.5, False), (True, False)])
def test_a_range_of_whole_numbers_contains_whole_numbers(value: float, contained: bool) -> None:
    assert Parameter("batch_size", low=1, high=64, integer=True).contains(value) is contained


@pytest.mark.parametrize(("value", "contained"), [(0, True), ("all", True), (False, False), ("0", False), (2, False)])
def test_a_choice_contains_its_values_and_no_look_alikes(value: Value, contained: bool) -> None:
    assert Parameter("unfreeze_depth", choices=(0, 3, "all")).contains(value) is contained


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (Parameter("lr", low=1e-4, high=0.1, log=True), "0.0001 to 0.1, log scale"),
        (OPTIMIZER, "one of sgd, adamw"),
        (MOMENTUM, "0.8 to 0.98, when optimizer is sgd or rmsprop"),
    ],
)
def test_a_parameter_says_what_it_may_be(parameter: Parameter, text: str) -> None:
    assert space(parameter).describe() == [(parameter.name, text)]


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.85), ("adamw", TrialConfig().momentum)])
def test_a_conditional_value_counts_only_where_it_exists(optimizer: str, momentum: float) -> None:
    config = space(OPTIMIZER, MOMENTUM).config({"optimizer": optimizer, "momentum": 0.85})
    assert (config.optimizer, config.momentum) == (optimizer, momentum)


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.85), ("adamw", TrialConfig().momentum)])
def test_a_condition_may_name_a_fixed_setting(optimizer: str, momentum: float) -> None:
    assert space(MOMENTUM, fixed={"optimizer": optimizer}).config({"momentum": 0.85}).momentum == momentum


def test_active_values_come_in_the_order_of_the_file() -> None:
    values = {"momentum": 0.9, "lr": 0.1, "optimizer": "sgd", "stranger": 1}
    assert list(space(OPTIMIZER, MOMENTUM, Parameter("lr", high=1)).only_active(values)) == [
        "optimizer",
        "momentum",
        "lr",
    ]


def test_derived_values_go_into_the_config() -> None:
    config = space(OPTIMIZER, fixed={"epochs": 3}).config({"optimizer": "adamw"}, seed=5, view_seed=6)
    assert (config.epochs, config.seed, config.view_seed) == (3, 5, 6)


@pytest.mark.parametrize(
    ("rungs", "epochs", "kept"), [([1, 3, 9], 9, (1, 3)), ([9, 1, 3, 3], 10, (1, 3, 9)), ([5], 5, ()), ([], 5, ())]
)
def test_rungs_are_the_epochs_before_the_last(rungs: list[int], epochs: int, kept: tuple[int, ...]) -> None:
    assert space(OPTIMIZER, fixed={"epochs": epochs}, rungs=rungs).rungs == kept


def test_without_epochs_the_default_is_the_full_length() -> None:
    assert space(OPTIMIZER).epochs == TrialConfig().epochs
