import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/cluster/sweep-or-resume"
OPTIONS = ["--data", "/pictures of cars", "--trials", "5"]


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stand-in for carsray was called with, a line an argument; it ends with the code in CODE."""
    calls = tmp_path / "calls"
    lines = ['printf "%s\\n" "$@" >"$CALLS"', 'echo "$$ $RAY_AUTH_MODE" >"$CALLS.process"', 'exit "${CODE:-0}"']
    executable(tmp_path / "bin/carsray", "\n".join(["#!/bin/sh", *lines, ""]))
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.delenv("CARSRAY_AWAIT", raising=False)
    monkeypatch.chdir(tmp_path)
    return calls


def begun(folder: Path) -> Path:
    """The folder of a sweep that has a record."""
    (folder / "trials/0000").mkdir(parents=True)
    (folder / "sweep.json").write_text("{}")
    return folder


def run(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True)


def test_a_new_name_begins_a_sweep_on_the_cluster_at_hand(calls: Path) -> None:
    assert run("cars-1", "cnn.toml", *OPTIONS).returncode == 0
    assert calls.read_text().splitlines() == ["sweep", "cnn.toml", "--address", "auto", *OPTIONS, "--name", "cars-1"]


def test_an_address_that_is_given_comes_after_the_default_and_so_counts(calls: Path) -> None:
    run("cars-1", "cnn.toml", "--address", "10.0.0.1:6379")
    words = calls.read_text().splitlines()
    assert words.index("10.0.0.1:6379") > words.index("auto")


def test_a_name_with_a_record_is_resumed(calls: Path, tmp_path: Path) -> None:
    begun(tmp_path / "results/cars-1")
    assert run("cars-1", "cnn.toml", *OPTIONS).returncode == 0
    assert calls.read_text().splitlines() == ["resume", "cars-1", "--results", "results"]


@pytest.mark.parametrize("form", ["--results {}", "--results={}"])
def test_the_record_is_looked_for_where_results_says(calls: Path, tmp_path: Path, form: str) -> None:
    begun(tmp_path / "shared/cars-1")
    begun(tmp_path / "results/cars-2")
    results = form.format(tmp_path / "shared").split()
    run("cars-1", "cnn.toml", *results, *OPTIONS)
    assert calls.read_text().splitlines() == ["resume", "cars-1", "--results", str(tmp_path / "shared")]
    run("cars-2", "cnn.toml", *results, *OPTIONS)
    assert calls.read_text().splitlines()[0] == "sweep"


@pytest.mark.parametrize("form", ["--storage {}", "--storage={}"])
def test_with_storage_the_sweep_goes_on_from_there_if_it_has_begun(calls: Path, tmp_path: Path, form: str) -> None:
    storage = form.format("s3://bucket/sweeps").split()
    assert run("cars-1", "cnn.toml", *storage, *OPTIONS).returncode == 0
    words = ["sweep", "cnn.toml", "--address", "auto", *storage, *OPTIONS, "--name", "cars-1", "--or-resume"]
    assert calls.read_text().splitlines() == words
    begun(tmp_path / "results/cars-1")
    run("cars-1", "cnn.toml", *storage, *OPTIONS)
    assert calls.read_text().splitlines() == ["resume", "cars-1", "--results", "results"]


@pytest.mark.parametrize("code", [1, 2, 130])
def test_the_exit_code_is_carsrays(calls: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setenv("CODE", str(code))
    assert run("cars-1", "cnn.toml").returncode == code


@pytest.mark.parametrize("record", [False, True])
def test_signals_reach_carsray_since_the_process_becomes_it(calls: Path, tmp_path: Path, record: bool) -> None:
    if record:
        begun(tmp_path / "results/cars-1")
    with subprocess.Popen([SCRIPT, "cars-1", "cnn.toml"]) as process:
        process.wait()
    assert calls.with_suffix(".process").read_text().split()[0] == str(process.pid)


@pytest.mark.parametrize(("mode", "seen"), [(None, "token"), ("disabled", "disabled")])
def test_the_token_is_asked_for_unless_told_otherwise(
    calls: Path, monkeypatch: pytest.MonkeyPatch, mode: str | None, seen: str
) -> None:
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    run("cars-1", "cnn.toml")
    assert calls.with_suffix(".process").read_text().split()[1] == seen


@pytest.mark.parametrize("code", [0, 3])
def test_it_waits_for_what_it_is_told_to_and_gives_up_with_it(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    executable(tmp_path / "bin/python3", f'#!/bin/sh\necho "$*" >"$CALLS.awaited"\nexit {code}\n')
    monkeypatch.setenv("CARSRAY_AWAIT", "GPU 8")
    with subprocess.Popen([SCRIPT, "cars-1", "cnn.toml"]) as process:
        assert process.wait() == code
    script = SCRIPT.with_name("await_resources.py")
    assert calls.with_suffix(".awaited").read_text() == f"{script} GPU 8 {process.pid}\n"
    assert calls.exists() is (code == 0)


@pytest.mark.parametrize("words", [[], ["--help"], ["cars-1"]])
def test_too_few_words_are_told(calls: Path, words: list[str]) -> None:
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "SPACE" in done.stderr
    assert not calls.exists()
