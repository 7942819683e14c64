"""The chain: which command comes next, and what it is told. Each command is tested on its own."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from carsray.cli import cli
from carsray.cli import run as chain
from carsray.cli.options import asked_of
from carsray.errors import ConfigError
from carsray.final.confirm.record import progress
from carsray.final.package import onnx_file
from carsray.results import SweepFolder

SPACE = ["search_spaces/cnn.toml", "--data", "cars", "--name", "cars-1", "--trials", "4"]


def begin(folder: SweepFolder, words: list[str]) -> None:
    """Leave what a sweep writes first, called with these words."""
    own = words.index("--name"), words.index("--results")
    asked = asked_of([word for at, word in enumerate(words) if at - 1 not in own and at not in own][1:-1], "sweep")
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.space.write_text(asked.space.text)
    record = {"settings": asked.settings.model_dump(mode="json"), "pinned": asked.space.pinned}
    folder.settings.write_text(json.dumps(record | {"start": asked.space.start}))


def finish(folder: SweepFolder, words: list[str], package: Path) -> None:
    """Leave what a command leaves at its end."""
    match words[0]:
        case "sweep":
            begin(folder, words)
            folder.append_run("ended", why="complete")
        case "confirm":
            folder.winner.write_text("")
            found = {"chosen": WINNER[0], "statement": f"Trial {WINNER[0]} is better.", "among": progress(folder)}
            folder.finalists_json.write_text(json.dumps(found))
        case "retrieval":
            source = str(folder.trial(int(words[3])).checkpoint) if "--trial" in words else ""
            (folder.root / "retrieval.json").write_text(json.dumps({"source": source}))
        case "retrain":
            test = {"accuracy": 0.875, "accuracy_interval": [0.85, 0.9]}
            record = {"test": test, "pictures": {"test": 800}, "test_kind": "as given", "opening": 1, "retrieval": None}
            record["trial"] = WINNER[0]
            (folder.root / "retrain").mkdir(exist_ok=True)
            (folder.root / "retrain" / "retrain.json").write_text(json.dumps(record))
        case "export":
            (package / "record").mkdir(parents=True, exist_ok=True)
            (package / "export.json").write_text(json.dumps({"name": folder.name}))
            retrained = folder.root / "retrain" / "retrain.json"
            (package / "record" / "retrain.json").write_bytes(retrained.read_bytes())


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that are called; one whose name is put into `failing` ends with exit code 130."""
    (tmp_path / "search_spaces").mkdir()
    (tmp_path / SPACE[0]).write_text(Path(SPACE[0]).read_text())
    monkeypatch.chdir(tmp_path)
    called: list[list[str]] = []

    def call(words: list[str]) -> int:
        called.append(words)
        if words[0] in failing:
            return 130
        finish(SweepFolder(Path("results/cars-1")), words, Path("cars-1-model"))
        return 0

    failing.clear()
    WINNER[:] = [3]
    monkeypatch.setattr(chain, "_call", call)
    return called


failing: set[str] = set()
WINNER = [3]
"""The trial that `confirm` names."""


def invoke(*more: str) -> Any:
    return CliRunner().invoke(cli, ["run", *SPACE, *more])


def test_the_stages_come_in_their_order_and_the_answer_at_the_end(calls: list[list[str]]) -> None:
    done = invoke()
    assert done.exit_code == 0
    assert [words[0] for words in calls] == ["sweep", "confirm", "retrieval", "retrain", "export", "report"]
    assert "Trial 3 is better." in done.stdout
    assert "test accuracy 87.50% (95 %: 85.00% to 90.00%; 800 pictures, as given; opened 1 times)" in done.stdout


def test_what_run_does_not_know_goes_to_the_sweep_and_the_rest_where_it_belongs(calls: list[list[str]]) -> None:
    invoke("--address", "auto", "--top", "5", "--seeds", "2", "--set", "lr=0.1")
    sweep, confirm, *_, export, _ = calls
    assert sweep[:4] == ["sweep", "search_spaces/cnn.toml", "--name", "cars-1"]
    for words in (["--address", "auto"], ["--data", "cars"], ["--trials", "4"], ["--set", "lr=0.1"]):
        assert any(sweep[at : at + 2] == words for at in range(len(sweep)))
    assert confirm[2:6] == ["--top", "5", "--seeds", "2"]
    assert export[:3] == ["export", "cars-1", "cars-1-model"]


@pytest.mark.parametrize("stage", ["sweep", "confirm", "retrieval", "retrain", "export"])
def test_a_stage_that_was_stopped_is_where_it_goes_on(calls: list[list[str]], stage: str) -> None:
    failing.add(stage)
    stopped = invoke()
    assert stopped.exit_code == 130
    assert "To go on, once that is seen to: carsray" in stopped.stderr
    failing.clear()
    del calls[:]
    assert invoke().exit_code == 0
    assert calls[0][0] == stage


def test_a_sweep_that_was_interrupted_goes_on(calls: list[list[str]]) -> None:
    assert invoke().exit_code == 0
    SweepFolder(Path("results/cars-1")).append_run("ended", why="interrupted")
    first = calls[0]
    del calls[:]
    assert invoke().exit_code == 0
    assert calls[0] == first
    assert first[-1] == "--or-resume"


def test_the_answer_of_another_sweep_is_not_given(calls: list[list[str]]) -> None:
    assert invoke().exit_code == 0
    del calls[:]
    refused = invoke("--trials", "80")
    assert isinstance(refused.exception, ConfigError)
    assert "trials: recorded 4, asked 80" in str(refused.exception)
    assert calls == []


def test_a_package_of_another_retrain_is_not_taken_for_this_one(calls: list[list[str]]) -> None:
    record = Path("cars-1-model/record")
    record.mkdir(parents=True)
    (record / "retrain.json").write_text("{}")
    assert invoke().exit_code == 0
    assert "export" in [words[0] for words in calls]
    assert "--force" not in calls[4]  # which is not ours to replace


def test_packages_that_the_export_will_need_are_missed_at_once(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "PACKAGES", ("no_such_package",))
    refused = CliRunner().invoke(cli, ["run", *SPACE])
    assert (type(refused.exception), calls) == (ConfigError, [])
    assert invoke("--no-onnx").exit_code == 0
    assert "--no-onnx" in calls[4]


def extend(winner: int) -> None:
    """The sweep gets a trial more, with which `confirm` names this winner."""
    folder = SweepFolder(Path("results/cars-1"))
    for trial in (3, winner):
        folder.trial(trial).root.mkdir(parents=True, exist_ok=True)
        folder.trial(trial).checkpoint.write_bytes(b"")
    folder.trial(winner).append({"epoch": 1})
    WINNER[:] = [winner]


def test_what_came_before_an_extension_is_done_anew(calls: list[list[str]]) -> None:
    assert invoke().exit_code == 0
    extend(winner=5)
    del calls[:]
    again = invoke()
    assert [words[0] for words in calls] == ["confirm", "retrieval", "retrain", "export", "report"]
    assert "--force" in calls[3]
    assert "Trial 5 is better." in again.stdout


def test_an_extension_that_leaves_the_winner_does_not_open_the_test_again(calls: list[list[str]]) -> None:
    assert invoke().exit_code == 0
    extend(winner=3)
    del calls[:]
    invoke()
    assert [words[0] for words in calls] == ["confirm", "retrieval", "report"]


def test_the_retrieval_is_over_the_winner_where_its_weights_were_kept(calls: list[list[str]]) -> None:
    weights = SweepFolder(Path("results/cars-1")).trial(3).checkpoint
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"")
    invoke()
    assert calls[2][2:4] == ["--trial", "3"]


def test_a_command_is_ended_by_its_own_exit_code() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert chain._call(["no-such-command"]) == 2
    assert signal.getsignal(signal.SIGTERM) == before
