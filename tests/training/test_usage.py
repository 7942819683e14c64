"""What a training process says of its use of the machine; the GPU's part with stand-ins for torch's calls."""

import time
from pathlib import Path

import pytest
import torch

from carsray.training import usage
from carsray.training.usage import Usage

CUDA = torch.device("cuda")


def test_a_process_that_computes_uses_a_processor_and_holds_memory(tmp_path: Path) -> None:
    used, until = Usage(torch.device("cpu"), tmp_path), time.process_time() + 0.05
    while time.process_time() < until:
        pass
    found = used.epoch()
    assert found.keys() == {"system/processors", "system/memory_gb", "system/cache_gb"}
    assert 0 < found["system/processors"] <= torch.get_num_threads() + 1
    assert 0.01 < found["system/memory_gb"] < 1000


def test_a_new_trial_does_not_count_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 104.0, 104.0])
    processor = iter([0.0, 50.0, 53.0, 53.0])
    monkeypatch.setattr(usage.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(usage.time, "process_time", lambda: next(processor))
    used = Usage(torch.device("cpu"), tmp_path)
    used.begin()
    assert used.epoch()["system/processors"] == 0.75


def test_of_a_gpu_the_mean_share_of_its_time_and_the_most_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = iter([80, 40, 60])
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: next(shares))
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 3 * 2**30)
    used = Usage(CUDA, tmp_path)
    used.look()
    used.look()
    found = used.epoch()
    assert (found["system/gpu"], found["system/gpu_memory_gb"]) == (0.6, 3.0)


def test_where_nvml_does_not_answer_the_rest_is_still_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(device: torch.device) -> int:
        asked.append(device)
        raise RuntimeError("Driver Not Loaded")

    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda device: 0)
    used = Usage(CUDA, tmp_path)
    used.look()
    assert "system/gpu" not in used.epoch()
    assert len(asked) == 1


def test_cached_activations_are_those_of_the_machine(tmp_path: Path) -> None:
    used = Usage(torch.device("cpu"), tmp_path / "activations")
    assert "system/cache_gb" not in used.epoch()
    (tmp_path / "activations").mkdir()
    with (tmp_path / "activations/view.npy").open("wb") as file:
        file.truncate(3 * 2**30)
    assert used.epoch()["system/cache_gb"] == 3.0
