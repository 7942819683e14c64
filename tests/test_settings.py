import pytest

from carsray.config import TrialConfig
from carsray.settings import DERIVED, KNOWN_AS, is_integer, not_allowed, unknown_setting


def test_every_setting_is_known_but_the_derived_ones() -> None:
    assert {name for name in TrialConfig.model_fields if unknown_setting(name)} == set(DERIVED)
    assert unknown_setting("seed") == "is derived from --seed. Remove it"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("batchsize", "batch_size"),
        ("optimiser", "optimizer"),
        ("unfreeze_depht", "unfreeze_depth"),
        ("learning_rate", "lr"),
        ("learningrate", "lr"),
        ("model", "backbone"),
    ],
)
def test_a_typo_or_a_rivals_word_gets_the_nearest_name(typed: str, meant: str) -> None:
    assert unknown_setting(typed) == f"is no setting. Did you mean {meant!r}?"


def test_a_name_near_nothing_gets_no_suggestion() -> None:
    assert unknown_setting("zzzz") == "is no setting"


def test_every_rivals_word_leads_to_a_setting() -> None:
    assert set(KNOWN_AS.values()) <= TrialConfig.model_fields.keys()
    assert not KNOWN_AS.keys() & TrialConfig.model_fields.keys()


@pytest.mark.parametrize(
    ("name", "value"),
    [("lr", 1), ("lr", 0.5), ("unfreeze_depth", 0), ("unfreeze_depth", "all"), ("classes", 5), ("weights", "a.pth")],
)
def test_an_allowed_value_passes(name: str, value: object) -> None:
    assert not_allowed(name, value) is None


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("lr", 0, "greater than 0"),
        ("lr", True, "valid number"),
        ("lr", float("nan"), "finite"),
        ("batch_size", True, "valid integer"),
        ("batch_size", 16.0, "valid integer"),
        ("unfreeze_depth", "most", "integer or Input should be 'all'"),
        ("augment", ["none"], "should be 'none', "),
    ],
)
def test_a_value_that_is_not_allowed_says_what_is(name: str, value: object, reason: str) -> None:
    assert reason in str(not_allowed(name, value))


def test_settings_that_count_are_integers() -> None:
    counting = {name for name in TrialConfig.model_fields if is_integer(name)}
    assert counting >= {"batch_size", "classes", "pack_size", "unfreeze_depth", "spatial_dropout_blocks", "hidden"}
    assert not counting & {"lr", "dropout", "momentum", "batchnorm", "optimizer", "weights", "holdout"}
