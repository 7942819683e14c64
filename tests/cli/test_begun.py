"""The same name is the same sweep: what is asked for again is what was recorded."""

import json
from pathlib import Path

import pytest

from carsray.cli.begun import address_of, require_same
from carsray.cli.options import Asked, asked_of
from carsray.errors import ConfigError
from carsray.results import SweepFolder
from carsray.tuning.sweep import extend_record

SPACE = """
# A comment.
[fixed]
backbone = "cnn"
depth = 3

[search]
lr = { low = 1e-3, high = 1e-1, log = true, default = 0.01 }
optimizer = { choices = ["sgd", "adam"], default = "sgd" }
"""
FIRST = ("--trials", "40", "--set", "image_size=32", "--budget-hours", "6", "--concurrent", "2")


def asked(folder: SweepFolder, *words: str, space: str = SPACE) -> Asked:
    path = folder.root.parent / "cnn.toml"
    path.write_text(space)
    return asked_of([str(path), "--data", "cars", *words], "carsray sweep")


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """The record of a sweep that was begun with FIRST."""
    made = SweepFolder(tmp_path / "cars-1")
    made.root.mkdir()
    first = asked(made, *FIRST)
    made.space.write_text(first.space.text)
    record = {"settings": first.settings.model_dump(mode="json"), "pinned": first.space.pinned}
    made.settings.write_text(json.dumps(record | {"start": first.space.start}))
    return made


def test_the_same_command_is_for_the_same_sweep(folder: SweepFolder) -> None:
    require_same(folder, asked(folder, *FIRST))


def test_where_it_runs_may_change_and_comments_of_the_space(folder: SweepFolder) -> None:
    where = ("--address", "auto", "--cache", "/elsewhere", "--storage", "s3://bucket/sweeps")
    require_same(folder, asked(folder, *FIRST, *where, space=SPACE.replace("A comment", "Another")))


def test_limits_that_are_left_out_stay_as_they_are(folder: SweepFolder) -> None:
    require_same(folder, asked(folder, *FIRST[:4]))


@pytest.mark.parametrize("more", [(), ("--trials", "60"), ("--budget-hours", "12")])
def test_an_extended_sweep_is_what_was_asked_first_and_what_it_is_now(
    folder: SweepFolder, more: tuple[str, ...]
) -> None:
    extend_record(folder, 20, {"budget_hours": 12.0})
    extend_record(folder, 20, {})
    require_same(folder, asked(folder, *FIRST, *more))


@pytest.mark.parametrize(
    ("more", "differs"),
    [
        (("--trials", "80"), "(trials: recorded 40, asked 80)"),
        (("--seed", "1"), "(seed: recorded 0, asked 1)"),
        (("--concurrent", "4"), "(concurrent: recorded 2, asked 4)"),
        (("--target", "0.9"), "(target: recorded not named, asked 0.9)"),
        (("--data", "others"), "others)"),
        (("--set", "depth=4"), "(depth: recorded 3, asked 4)"),
        (("--set", "lr=0.1"), "lr: recorded 0.001 to 0.1, log scale, asked 0.1;"),
    ],
)
def test_what_differs_is_told_with_what_to_do(folder: SweepFolder, more: tuple[str, ...], differs: str) -> None:
    with pytest.raises(ConfigError) as refused:
        require_same(folder, asked(folder, *FIRST, *more))
    assert differs in str(refused.value)
    assert "carsray extend cars-1" in str(refused.value)
    assert "choose another --name" in str(refused.value)


def test_a_pin_that_is_left_out_is_another_sweep(folder: SweepFolder) -> None:
    with pytest.raises(ConfigError, match="image_size: recorded 32, asked not named"):
        require_same(folder, asked(folder, "--trials", "40"))


def test_another_space_is_another_sweep(folder: SweepFolder) -> None:
    other = "[objective]\nreduction = 2\n" + SPACE.replace("depth = 3", "depth = 4").replace("low = 1e-3", "low = 1e-4")
    with pytest.raises(ConfigError, match=r"reduction: recorded 3.*; depth: .*; lr: .*asked 0.0001 to "):
        require_same(folder, asked(folder, *FIRST, space=other))


def test_another_default_is_another_start_point(folder: SweepFolder) -> None:
    with pytest.raises(ConfigError, match=r"\(start points: others are recorded than asked\)"):
        require_same(folder, asked(folder, *FIRST, space=SPACE.replace("0.01 }", "0.02 }")))


@pytest.mark.parametrize(
    ("recorded", "told", "where"),
    [(None, None, None), ("auto", None, "auto"), ("auto", "host:1", "host:1"), ("auto", "local", "local")],
)
def test_later_commands_run_where_the_sweep_ran_unless_told(
    folder: SweepFolder, recorded: str | None, told: str | None, where: str | None
) -> None:
    record = folder.read_settings()
    folder.settings.write_text(json.dumps(record | {"settings": record["settings"] | {"address": recorded}}))
    assert address_of(folder, told) == where
