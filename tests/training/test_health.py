import gc

import pytest
import torch

from carsray.training import health
from carsray.training.health import LEAK_BYTES, Health, heap_bytes, leak

MIB = 2**20
FIRST = {"memory": 200 * MIB, "GPU memory": 10 * MIB}

glibc = pytest.mark.skipif(not heap_bytes(), reason="no glibc here")


@pytest.fixture
def healthy() -> Health:
    """After a first trial that left nothing behind."""
    gc.collect()  # what other tests left, or it would make room while this one looks
    made = Health(torch.device("cpu"))
    assert made.problem() is None
    return made


def large() -> torch.Tensor:
    return torch.empty(LEAK_BYTES + 2 * MIB, dtype=torch.uint8)


def test_what_stays_within_the_margin_is_no_leak() -> None:
    assert leak(FIRST, {"memory": FIRST["memory"] + LEAK_BYTES, "GPU memory": 0}) is None


@pytest.mark.parametrize("kind", list(FIRST))
def test_what_grows_beyond_the_margin_is_named_with_its_size(kind: str) -> None:
    grown = FIRST | {kind: FIRST[kind] + LEAK_BYTES + MIB}
    assert leak(FIRST, grown) == f"{LEAK_BYTES // MIB + 1} MiB of {kind} were not given back between trials"


@glibc
def test_memory_in_use_is_counted_until_it_is_freed() -> None:
    before = heap_bytes()
    tensor = large()
    assert heap_bytes() - before > LEAK_BYTES
    del tensor
    assert heap_bytes() - before < MIB


@glibc
def test_memory_that_is_kept_is_a_problem(healthy: Health) -> None:
    kept = large()
    assert "not given back" in str(healthy.problem())
    del kept
    assert healthy.problem() is None


@glibc
def test_memory_in_a_cycle_is_collected_and_no_problem(healthy: Health) -> None:
    gc.disable()
    try:
        cycle = [large()]
        cycle.append(cycle)
        del cycle
        assert healthy.problem() is None
    finally:
        gc.enable()


def test_a_fault_of_the_device_is_a_problem_in_one_line(healthy: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault() -> int:
        raise RuntimeError("CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA")

    monkeypatch.setattr(health, "heap_bytes", fault)
    assert healthy.problem() == "RuntimeError: CUDA error: an illegal memory access was encountered"
