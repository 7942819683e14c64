"""Work that is recorded on a GPU and started as a whole."""

import pytest
import torch
from torch import Tensor

from carsray.training.health import Health
from carsray.training.recorded import WARM_UP, broke_off, recorded

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def _nothing_broke_off_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carsray.training.recorded._broken", [])


def product(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


def test_on_the_processor_work_stays_as_it_is() -> None:
    assert recorded(product, torch.device("cpu")) is product


def numbers(seed: int, size: int = 4) -> Tensor:
    return torch.randn(size, size, generator=torch.Generator().manual_seed(seed)).cuda()


@on_gpu
def test_each_call_gives_the_result_for_its_own_arguments() -> None:
    work = recorded(product, torch.device("cuda"))
    for call in range(2 * WARM_UP + 2):
        left, right = numbers(call), numbers(call + 100)
        torch.testing.assert_close(work(left, right), left @ right)


@on_gpu
def test_from_the_fourth_call_on_nothing_but_the_recording_runs() -> None:
    ran = []

    def noted(left: Tensor, right: Tensor) -> Tensor:
        ran.append(len(ran))
        return left @ right

    work = recorded(noted, torch.device("cuda"))
    for call in range(10):
        work(numbers(call), numbers(call))
    assert len(ran) == WARM_UP + 1


@on_gpu
def test_arguments_of_another_shape_are_recorded_anew() -> None:
    work = recorded(product, torch.device("cuda"))
    for size in (4, 8, 4):
        for call in range(WARM_UP + 2):
            left, right = numbers(call, size), numbers(call + 100, size)
            torch.testing.assert_close(work(left, right), left @ right)


@on_gpu
def test_work_that_waits_for_the_gpu_runs_as_it_is_and_the_process_is_replaced_afterwards() -> None:
    def waits(left: Tensor, right: Tensor) -> Tensor:
        drawn = torch.rand_like(left)
        return left * float(right.sum()) + 0 * drawn

    work = recorded(waits, torch.device("cuda"))
    for call in range(WARM_UP + 3):
        left, right = numbers(call), numbers(call + 100)
        torch.testing.assert_close(work(left, right), left * right.sum())
    torch.cuda.empty_cache()
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert broke_off()
    assert "could not be recorded" in str(Health(torch.device("cuda")).problem())
    kept = torch.nn.functional.dropout(torch.ones(1000, device="cuda"))  # draws random numbers
    assert 300 < float(kept.count_nonzero()) < 700


@on_gpu
def test_what_is_random_differs_from_call_to_call_and_follows_the_seed() -> None:
    def dropped(left: Tensor, right: Tensor) -> Tensor:
        return torch.nn.functional.dropout(left + right)

    work, ones = recorded(dropped, torch.device("cuda")), torch.ones(64, 64, device="cuda")
    for _ in range(WARM_UP + 1):
        work(ones, ones)
    torch.manual_seed(7)
    first, second = work(ones, ones).clone(), work(ones, ones).clone()
    torch.manual_seed(7)
    assert not torch.equal(first, second)
    assert torch.equal(work(ones, ones), first)
    torch.manual_seed(7)
    assert torch.equal(dropped(ones, ones), first)
