import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from carsray.config import BACKBONES, RunConfig, SweepSettings, TrialConfig, trial_config
from carsray.errors import ConfigError


def test_the_defaults_are_valid() -> None:
    assert TrialConfig().backbone in BACKBONES


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": 0.0}, "lr = 0.0: Input should be greater than 0"),
        ({"lr": "0.1"}, "lr = '0.1': Input should be a valid number"),
        ({"lr": float("nan")}, "lr = nan: Input should be"),
        ({"grad_clip": float("inf")}, "grad_clip = inf: Input should be a finite number"),
        ({"batch_size": 32.0}, "batch_size = 32.0: Input should be a valid integer"),
        ({"batchnorm": 1}, "batchnorm = 1: Input should be a valid boolean"),
        ({"optimizer": "lion"}, "optimizer = 'lion': Input should be 'adam', 'adamw', 'sgd' or 'rmsprop'"),
        ({"backbone": "alexnet"}, "backbone = 'alexnet': Input should be 'cnn', 'resnet18'"),
        ({"unfreeze_depth": "most"}, "unfreeze_depth = 'most': Input should be 'all'"),
        ({"unfreeze_depth": -1}, "unfreeze_depth = -1: Input should be greater than or equal to 0"),
        ({"learning_rate": 0.1}, "learning_rate = 0.1: Extra inputs are not permitted"),
        ({"epochs": 3, "warmup_epochs": 3}, "warmup_epochs 3 must be below epochs 3"),
        ({"image_size": 224, "pack_size": 128}, "pack_size 128 must be at least image_size 224"),
        ({"backbone": "cnn", "image_size": 16, "depth": 5}, "depth 5 halves the picture to nothing at image_size 16"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        trial_config(values, "here")
    assert str(caught.value).startswith("here: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ConfigError, match=r"dropout = 1\.0: .*; lr = -1\.0: .*; seed = -1: "):
        trial_config({"lr": -1.0, "dropout": 1.0, "seed": -1})


def test_a_picture_may_halve_down_to_one_pixel() -> None:
    assert TrialConfig(backbone="cnn", image_size=16, depth=4).depth == 4


def test_warmup_may_last_until_the_last_epoch() -> None:
    assert TrialConfig(epochs=3, warmup_epochs=2).warmup_epochs == 2
    assert TrialConfig(epochs=1, warmup_epochs=0).epochs == 1


def test_the_stored_picture_leaves_room_for_random_crops() -> None:
    assert TrialConfig(image_size=224).packed_size == 280
    assert TrialConfig(image_size=224, pack_size=224).packed_size == 224


def test_the_key_is_the_same_for_the_same_values() -> None:
    config = TrialConfig(lr=1, unfreeze_depth=3)
    again = TrialConfig.model_validate(json.loads(config.model_dump_json()))
    assert again.key() == config.key() == TrialConfig(unfreeze_depth=3, lr=1.0).key()
    assert len(config.key()) == 12


def another_value(name: str) -> TrialConfig:
    """A valid config that differs from the default one in this field."""
    annotation = TrialConfig.model_fields[name].annotation
    named = [value for kind in (annotation, *get_args(annotation)) for value in get_args(kind)]
    for value in [True, False, 2, 1, 0.5, 0.05, 64, 288, *named, "other"]:
        with suppress(ValidationError):
            config = TrialConfig(**{name: value})
            if getattr(config, name) != TrialConfig.model_fields[name].default:
                return config
    raise AssertionError(f"no other value of {name} found")


@pytest.mark.parametrize("name", TrialConfig.model_fields)
def test_every_field_changes_the_key(name: str) -> None:
    assert another_value(name).key() != TrialConfig().key()


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        TrialConfig().lr = 0.5  # type: ignore[misc]


def test_where_a_trial_runs_is_no_part_of_its_config() -> None:
    assert not RunConfig.model_fields.keys() & TrialConfig.model_fields.keys()


def test_sweep_settings_survive_the_record() -> None:
    settings = SweepSettings(data="/cars", cache="/cache", trials=3, gpus_per_trial=0.5)
    assert SweepSettings.model_validate(json.loads(json.dumps(settings.model_dump(mode="json")))) == settings
