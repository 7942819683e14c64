import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

SCRIPTS = Path(__file__).parents[2] / "scripts/benchmarks"
sys.path.insert(0, str(SCRIPTS))

import harness  # noqa: E402
import idle  # noqa: E402
import loader  # noqa: E402

from carsray.config import TrialConfig  # noqa: E402
from carsray.data.records import Row  # noqa: E402
from carsray.training.standing import FORMAT, snapshot_standing  # noqa: E402


@pytest.mark.parametrize(
    ("found", "at_most", "met"), [(4, False, True), (3.9, False, False), (4, True, True), (4.1, True, False)]
)
def test_a_condition_is_met_at_its_bound_and_beyond(found: float, at_most: bool, met: bool) -> None:
    assert harness.Condition("rate", found, 4, at_most).met is met


def test_works_take_turns_so_that_a_slow_minute_is_slow_for_all() -> None:
    calls: list[str] = []

    def work(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    found = harness.in_turn({"one": lambda: work("one"), "other": lambda: work("other")}, 2)
    assert calls == ["one", "other", "one", "other"]
    assert found == {"one": [1, 3], "other": [2, 4]}


def test_a_spread_has_median_extremes_and_number() -> None:
    assert harness.spread([3, 1.00004, 10, 2, 4]) == {"median": 3, "low": 1, "high": 10, "repeats": 5}


def test_figures_are_kept_with_command_commit_machine_and_conditions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "OUT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["scripts/benchmarks/loader.py", "--repeats", "3"])
    harness.publish("loader", lambda: ({"rate": 5.0}, [harness.Condition("rate", 5, 4)]))
    kept = json.loads((tmp_path / "loader.json").read_text())
    assert kept["command"] == "scripts/bench loader --repeats 3"
    assert kept["conditions"] == [{"what": "rate", "found": 5, "asked": "at least 4", "met": True}]
    assert kept["rate"] == 5
    assert {"commit", "load_before", "load_after", "machine", "versions"} <= kept.keys()


def test_a_smoke_run_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "OUT", tmp_path)
    harness.publish("loader", lambda: ({}, []), keep=False)
    assert list(tmp_path.iterdir()) == []


def test_the_driver_can_read_the_snapshot_of_an_idle_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["idle.py", FORMAT, "0.0", "3"])
    config = TrialConfig()
    taken = idle.snapshot(config, 4)
    assert snapshot_standing(taken, config) == (4, idle.score(config.model_dump(), 4))
    assert idle.standing_of(taken) == 4


def test_an_idle_trial_gets_better_with_its_epochs() -> None:
    scores = [idle.score({"lr": 0.01, "dropout": 0.1}, epoch) for epoch in range(1, 10)]
    assert scores == sorted(set(scores))
    assert 0 < scores[0] < scores[-1] < 1


def test_the_plain_loader_makes_batches_of_the_same_kind_as_ours(tmp_path: Path) -> None:
    for number in range(4):
        Image.new("RGB", (70, 48), (124, 116, 104)).save(tmp_path / f"{number}.png")
    rows = [Row(str(tmp_path / f"{number}.png"), number, "") for number in range(4)]
    config = TrialConfig(image_size=16, batch_size=4, augment="light")
    ((images, labels),) = loader.plain_loader(rows, config)
    assert images.shape == (4, 3, 16, 16)
    assert images.dtype == torch.float32
    # ImageNet's mean grey.
    torch.testing.assert_close(images, torch.zeros_like(images), atol=0.02, rtol=0)
    assert sorted(labels.tolist()) == [0, 1, 2, 3]
