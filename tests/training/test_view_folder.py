"""The folder of views: what has room in it, and what of it holds after a crash."""

import os
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock, Timeout
from tiny_views import settle

from carsray import files
from carsray.training import view_folder
from carsray.training.view_folder import ON_DISK, RESERVE, Made, ViewFolder

SIZE = 64 * 1024


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "activations"
    folder.mkdir()
    return folder


def build(folder: ViewFolder, key: str, size: int = SIZE) -> bool:
    """Build a view as the cache does."""
    unfinished = folder.root / f"{key}.partial"
    unfinished.write_bytes(b"header")
    with FileLock(folder.root / f"{key}.lock"):
        if not folder.claim(unfinished, size):
            unfinished.unlink()
            return False
        unfinished.write_bytes(os.urandom(size))
        folder.publish(unfinished, folder.path(key), Made(1.0, exact=True))
    settle()
    return True


def there(root: Path) -> set[str]:
    return {path.stem for path in root.glob("*.npy")}


def test_what_does_not_fit_makes_nothing_go(root: Path) -> None:
    folder = ViewFolder(root, limit=3 * SIZE)
    assert build(folder, "a")
    assert build(folder, "b")
    assert not build(folder, "c", 4 * SIZE)
    assert there(root) == {"a", "b"}
    assert build(folder, "d", 2 * SIZE)
    assert there(root) in ({"a", "d"}, {"b", "d"})


def test_views_leave_the_disk_a_reserve(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room = RESERVE + 2 * SIZE + SIZE // 2
    held = lambda: sum(path.stat().st_blocks * 512 for path in root.iterdir())  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(room, held(), room - held()))
    folder = ViewFolder(root, limit=100 * SIZE)
    assert all(build(folder, key) for key in "abc")
    assert len(there(root)) == 2
    assert "c" in there(root)
    assert not build(folder, "d", 3 * SIZE)


@pytest.mark.parametrize("read", ["a", "ab", "abc"])
def test_room_that_readers_hold_is_not_given_twice(root: Path, monkeypatch: pytest.MonkeyPatch, read: str) -> None:
    """A view that is evicted while it is read takes its room on the disk until the reader lets go."""
    folder = ViewFolder(root, limit=100 * SIZE)
    for key in read:
        build(folder, key)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(RESERVE, 0, RESERVE))
    assert not build(folder, "new")


def test_only_one_makes_room_at_a_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_folder, "CLAIM_SECONDS", 0.01)
    folder = ViewFolder(root, limit=SIZE)
    with FileLock(root / "room.lock"), pytest.raises(Timeout):
        build(folder, "a")
    assert build(folder, "a")


def test_what_a_killed_process_left_goes_and_what_a_living_one_builds_stays(root: Path) -> None:
    dead, living = root / "dead.partial", root / "living.partial"
    for path in (dead, living):
        path.write_bytes(b"half")
    with FileLock(living.with_suffix(".lock")):
        assert build(ViewFolder(root, limit=2 * SIZE), "a")
    assert (dead.exists(), living.exists()) == (False, True)


@pytest.mark.skipif(not files.BOOT.exists(), reason="only Linux names its boots")
def test_a_view_that_was_not_on_the_disk_when_the_machine_went_down_is_not_sound(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(descriptor: int) -> None:
        raise OSError

    folder = ViewFolder(root, limit=2 * SIZE)
    build(folder, "written")
    monkeypatch.setattr(os, "fsync", cut_off)
    build(folder, "unwritten")
    written, unwritten = folder.path("written"), folder.path("unwritten")
    assert folder.notes(written) == {"seconds": 1.0, "exact": True, "safe": ON_DISK}
    assert folder.sound(written)
    assert folder.sound(unwritten)
    another = tmp_path / "boot_id"
    another.write_text("another\n")
    monkeypatch.setattr(files, "BOOT", another)
    assert folder.sound(written)
    assert not folder.sound(unwritten)
