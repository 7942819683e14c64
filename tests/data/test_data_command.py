import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_sources import class_folders

from carsray.cli.data import data
from carsray.data.mirror.fetch import fetch
from carsray.errors import DataError


def test_info_prints_text_on_stdout(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "in", {"a": 2, "b": 3})
    result = CliRunner().invoke(data, ["info", str(root), "--cache", str(tmp_path / "cache")], catch_exceptions=False)
    assert "images       5" in result.stdout
    assert result.stderr == ""


def test_info_prints_json_for_the_first_classes(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "in", {"a": 2, "b": 3, "c": 4})
    arguments = ["info", str(root), "--json", "--classes", "2", "--cache", str(tmp_path / "cache")]
    found = json.loads(CliRunner().invoke(data, arguments, catch_exceptions=False).stdout)
    assert found["class_counts"] == {"a": 2, "b": 3}


def test_info_on_nothing_raises_what_the_command_line_prints(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["info", str(tmp_path / "nowhere")])
    assert isinstance(result.exception, DataError)


def test_fetch_takes_another_source(tmp_path: Path) -> None:
    result = CliRunner().invoke(data, ["fetch", str(tmp_path / "cars"), "--from", str(tmp_path / "no.zip")])
    assert isinstance(result.exception, DataError)
    assert "no.zip: neither a URL nor an archive" in str(result.exception)


def test_draw_makes_a_data_set(tmp_path: Path) -> None:
    arguments = ["draw", str(tmp_path / "cars"), "--models", "2", "--per-model", "3", "--size", "32"]
    CliRunner().invoke(data, arguments, catch_exceptions=False)
    result = CliRunner().invoke(
        data, ["info", str(tmp_path / "cars"), "--cache", str(tmp_path)], catch_exceptions=False
    )
    assert "images       6" in result.stdout


@pytest.mark.parametrize("command", ["info", "fetch", "draw"])
def test_every_help_shows_an_example(command: str) -> None:
    assert f"Example: carsray data {command}" in CliRunner().invoke(data, [command, "--help"]).stdout


def test_help_loads_nothing_heavy() -> None:
    code = "import carsray.cli.data, sys; sys.exit(any(m in sys.modules for m in ('numpy', 'PIL', 'scipy', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fetch_by_default_wants_the_whole_data_set(tmp_path: Path) -> None:
    root = class_folders(tmp_path / "in", {"a": 2, "b": 3})
    with pytest.raises(DataError, match="196 classes, 8144 train and 8041 labelled test pictures"):
        fetch(root)
