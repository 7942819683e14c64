import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_report import made_sweep

from carsray.cli import cli
from carsray.errors import ResultsError


def run(root: Path, *args: Any) -> str:
    command = ["report", *map(str, args), "--results", str(root / "results")]
    return CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False).output


def test_the_page_lies_in_the_sweep_s_folder_and_its_size_is_told(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    out = run(tmp_path, "made")
    path = folder.root / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert out.splitlines()[-1].startswith(f"{path}  {path.stat().st_size / 1000:.1f} kB")


def test_another_place_may_be_named_and_other_sweeps_stand_beside(tmp_path: Path) -> None:
    made_sweep(tmp_path, name="first")
    made_sweep(tmp_path, name="second")
    run(tmp_path, "second", "first", "second", "--output", tmp_path / "both.html")
    page = (tmp_path / "both.html").read_text(encoding="utf-8")
    assert "<h1>second</h1>" in page
    assert "Beside other sweeps" in page
    assert not (tmp_path / "results" / "second" / "report.html").exists()


def test_a_wrong_name_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    made_sweep(tmp_path)
    with pytest.raises(ResultsError, match=r"is no sweep\. Sweeps there: made"):
        run(tmp_path, "maid")


def test_sweeps_are_compared_in_the_terminal_too(tmp_path: Path) -> None:
    for name in ("first", "second"):
        made_sweep(tmp_path, name=name)
    words = ["compare", "first", "second", "--results", str(tmp_path / "results")]
    shown = CliRunner().invoke(cli, words)
    assert [line.split()[0] for line in shown.stdout.splitlines()[:3]] == ["sweep", "first", "second"]
    told = json.loads(CliRunner().invoke(cli, [*words, "--json"]).stdout)
    assert [sweep["sweep"] for sweep in told] == ["first", "second"]
    assert {"best on val", "test, 95 %", "GPU-hours"} <= told[0].keys()


def test_one_sweep_is_no_comparison() -> None:
    alone = CliRunner().invoke(cli, ["compare", "first"])
    assert alone.exit_code == 2
    assert "Name at least two sweeps." in alone.stderr
