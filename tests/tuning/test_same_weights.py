"""A sweep goes on with the weights files that it began with."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tiny_sweeps import draw_folders

from carsray.cli import cli
from carsray.cli.options import split_data
from carsray.config import SweepSettings
from carsray.errors import ResultsError
from carsray.files import write_json
from carsray.results import SweepFolder, create_sweep
from carsray.space_file import load_space, parse_space
from carsray.tuning.same_weights import require_same_weights, weights_given
from carsray.tuning.sweep import begin_record

SPACE = """
[fixed]
backbone = "mobilenet_v2"
image_size = 32
[search]
lr = { low = 1e-3, high = 1e-1, log = true, default = 0.01 }
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("one.pth", "two.pth")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


def recorded(results: Path, record: dict[str, Any]) -> SweepFolder:
    folder = create_sweep(results, "cars-1")
    write_json(folder.settings, record)
    return folder


def test_files_are_known_by_what_they_hold_and_published_names_are_none(files: list[Path]) -> None:
    choices = ", ".join(f'"{name}"' for name in ("imagenet", "/nowhere.pth", *files))
    searched = f'weights = {{ choices = [{choices}], default = "imagenet" }}'
    space = parse_space(SPACE + searched, "space.toml", {})
    assert sorted(weights_given(space)) == sorted(map(str, files))
    assert len(set(weights_given(space).values())) == 2


@pytest.mark.parametrize("pinned", [{}, {"weights": "none"}, {"weights": "imagenet"}])
def test_without_a_file_there_is_nothing_to_know(pinned: dict[str, Any]) -> None:
    assert weights_given(parse_space(SPACE, "space.toml", pinned)) == {}


def test_a_file_that_is_on_another_machine_only_bars_nothing(files: list[Path], tmp_path: Path) -> None:
    given = weights_given(parse_space(SPACE, "space.toml", {"weights": str(files[0])}))
    files[0].unlink()
    require_same_weights(recorded(tmp_path, {"weights": given}))


def test_a_sweep_of_before_bars_nothing(tmp_path: Path) -> None:
    require_same_weights(recorded(tmp_path, {}))


def test_a_sweep_does_not_go_on_from_a_file_that_has_changed(files: list[Path], tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    pictures, cache = draw_folders(tmp_path / "pictures"), tmp_path / "cache"
    space = load_space(tmp_path / "space.toml", {"weights": str(files[0])})
    split = split_data(pictures, space.config(space.start[0]), cache)
    begin_record(create_sweep(tmp_path, "cars-1"), space, split, SweepSettings(data=pictures, cache=cache, wandb="off"))
    files[0].write_bytes(b"other weights")
    found = CliRunner().invoke(cli, ["resume", "cars-1", "--results", str(tmp_path)])
    assert isinstance(found.exception, ResultsError)
    assert str(found.exception).startswith(f"{files[0]}: is not the weights file that the sweep began with")
