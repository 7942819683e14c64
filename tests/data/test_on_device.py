"""What a GPU would keep, kept on the processor."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from carsray.data import on_device
from carsray.data.on_device import keep, keep_only, kept_bytes, pictures, room, to_device
from carsray.data.pack import Pack

CPU = torch.device("cpu")
ROWS = np.array([1, 3, 4])


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    yield
    keep_only(())


def pack_of(key: str, count: int = 6) -> Pack:
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    images.setflags(write=False)
    return Pack(images, np.arange(count), key)


def test_on_the_processor_no_pack_is_kept_a_second_time() -> None:
    pictures(pack_of("a"), ROWS, CPU)
    assert room(CPU) == 0
    assert kept_bytes() == 0


def test_a_pack_that_is_kept_gives_the_same_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = pack_of("a")
    monkeypatch.setattr(on_device, "room", lambda device: pack.images.nbytes)
    assert torch.equal(pictures(pack, ROWS, CPU), torch.from_numpy(pack.images[ROWS]))
    assert kept_bytes() == pack.images.nbytes


def test_a_pack_without_room_is_read_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = pack_of("a")
    monkeypatch.setattr(on_device, "room", lambda device: pack.images.nbytes - 1)
    assert torch.equal(pictures(pack, ROWS, CPU), torch.from_numpy(pack.images[ROWS]))
    assert kept_bytes() == 0


def test_a_pack_larger_than_a_part_is_brought_whole() -> None:
    pack = pack_of("a", count=2500)
    assert torch.equal(keep(pack, CPU), torch.from_numpy(pack.images.copy()))


def test_packs_of_earlier_trials_make_way() -> None:
    for key in "abc":
        keep(pack_of(key), CPU)
    assert [key for key, _ in on_device._kept] == ["b", "c"]


def test_room_is_asked_for_once_a_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.device] = []
    monkeypatch.setattr(on_device, "room", lambda device: asked.append(device) or 0)
    pack = pack_of("a")
    for _ in range(3):
        pictures(pack, ROWS, CPU)
    assert len(asked) == 1
    keep_only(("a",))
    pictures(pack, ROWS, CPU)
    assert len(asked) == 2


def test_at_the_beginning_of_a_trial_other_packs_make_way() -> None:
    for key in "ab":
        keep(pack_of(key), CPU)
    keep_only(("b", "c"))
    assert [key for key, _ in on_device._kept] == ["b"]


def test_what_is_cut_from_a_pack_can_be_changed() -> None:
    pack = pack_of("a")
    keep(pack, CPU)
    pictures(pack, ROWS, CPU).zero_()
    assert torch.equal(pictures(pack, ROWS, CPU), torch.from_numpy(pack.images[ROWS]))


def test_the_processor_takes_an_array_as_it_is() -> None:
    array = np.arange(3)
    assert to_device(array, CPU).data_ptr() == array.ctypes.data
