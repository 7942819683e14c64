import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from carsray.config import TrialConfig
from carsray.data.decode import decode
from carsray.data.pack import ensure_pack, pack_key
from carsray.data.records import Row
from carsray.errors import DataError

CONFIG = TrialConfig(image_size=16, pack_size=20)

BUILDER = """
import resource, sys
from pathlib import Path
from carsray.config import TrialConfig
from carsray.data.pack import ensure_pack
from carsray.data.records import Row

cache, stop, limit, *entries = sys.argv[1:]
rows = [Row(path, 0, digest) for path, digest in zip(entries[::2], entries[1::2])]
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))

def report(done, total):
    if done == int(stop):
        print("stopped", flush=True)
        sys.stdin.readline()

ensure_pack(rows, TrialConfig(image_size=16, pack_size=20), Path(cache), report)
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[Row]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    found = []
    for i in range(6):
        path = folder / f"{i}.png"
        Image.fromarray(rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)).save(path)
        found.append(Row(str(path), i % 3, hashlib.sha256(path.read_bytes()).hexdigest(), (i, 2, 20 + i, 20)))
    return found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def builder(rows: Sequence[Row], cache: Path, stop: int = 0, limit: int = 0) -> subprocess.Popen[str]:
    """Another process that builds the pack; it waits for a line of input once ``stop`` pictures are done."""
    entries = [text for row in rows for text in (row.path, row.digest)]
    command = [sys.executable, "-c", BUILDER, str(cache), str(stop), str(limit), *entries]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def names(cache: Path, suffix: str) -> list[str]:
    return [path.name for path in (cache / "packs").glob(f"*{suffix}")]


def test_a_pack_holds_every_picture_and_label_in_order(rows: list[Row], cache: Path) -> None:
    pack = ensure_pack(rows, CONFIG, cache)
    np.testing.assert_array_equal(pack.images, np.stack([decode(row, 20) for row in rows]))
    np.testing.assert_array_equal(pack.labels, [0, 1, 2, 0, 1, 2])
    assert pack.labels.dtype == np.int64


def test_pictures_are_cut_to_their_boxes_on_demand(rows: list[Row], cache: Path) -> None:
    config = CONFIG.model_copy(update={"crop_to_box": True, "box_margin": 0.1})
    expected = np.stack([decode(row, 20, margin=0.1) for row in rows])
    np.testing.assert_array_equal(ensure_pack(rows, config, cache).images, expected)


def test_many_pictures_keep_their_order(rows: list[Row], cache: Path) -> None:
    many = rows * 40
    np.testing.assert_array_equal(
        ensure_pack(many, CONFIG, cache).images, np.tile(ensure_pack(rows, CONFIG, cache).images, (40, 1, 1, 1))
    )


def test_a_pack_is_read_only_and_memory_mapped(rows: list[Row], cache: Path) -> None:
    images = ensure_pack(rows, CONFIG, cache).images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_the_second_time_no_picture_is_opened(rows: list[Row], cache: Path) -> None:
    first = ensure_pack(rows, CONFIG, cache)
    shutil.rmtree(Path(rows[0].path).parent)
    np.testing.assert_array_equal(ensure_pack(rows, CONFIG, cache).images, first.images)


def test_two_labelings_share_one_file(rows: list[Row], cache: Path) -> None:
    ensure_pack(rows, CONFIG, cache)
    other = ensure_pack([replace(row, label=row.label + 5) for row in rows], CONFIG, cache)
    assert other.labels.tolist() == [5, 6, 7, 5, 6, 7]
    assert len(names(cache, ".npy")) == 1


def test_the_key_follows_everything_that_changes_the_bytes(rows: list[Row]) -> None:
    boxed = CONFIG.model_copy(update={"crop_to_box": True})
    moved = [replace(rows[0], box=(0, 0, 9, 9)), *rows[1:]]
    keys = [
        pack_key(rows, CONFIG),
        pack_key(rows[::-1], CONFIG),
        pack_key(rows[1:], CONFIG),
        pack_key(rows, CONFIG.model_copy(update={"pack_size": 21})),
        pack_key(rows, boxed),
        pack_key(moved, boxed),
        pack_key(rows, boxed.model_copy(update={"box_margin": 0.1})),
    ]
    assert len(set(keys)) == len(keys)


def test_the_key_ignores_what_does_not(rows: list[Row]) -> None:
    moved = [replace(row, box=None, label=7, path="elsewhere") for row in rows]
    assert pack_key(moved, CONFIG) == pack_key(rows, CONFIG)
    changed = CONFIG.model_copy(update={"box_margin": 0.3, "lr": 0.5, "augment": "none"})
    assert pack_key(rows, changed) == pack_key(rows, CONFIG)


def test_progress_counts_up_to_all(rows: list[Row], cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    ensure_pack(rows, CONFIG, cache, lambda done, total: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]


def test_a_damaged_picture_stops_the_build_and_leaves_nothing(rows: list[Row], cache: Path) -> None:
    Path(rows[4].path).write_bytes(b"something else")
    with pytest.raises(DataError, match=r"4\.png: its bytes have changed"):
        ensure_pack(rows, CONFIG, cache)
    assert names(cache, ".npy") == names(cache, ".partial") == []


def test_a_pack_cut_short_is_built_anew(rows: list[Row], cache: Path) -> None:
    expected = ensure_pack(rows, CONFIG, cache).images.copy()
    path = cache / "packs" / f"{pack_key(rows, CONFIG)}.npy"
    for length in (0, 50, 1000):
        os.truncate(path, length)
        np.testing.assert_array_equal(ensure_pack(rows, CONFIG, cache).images, expected)


def test_a_killed_build_is_not_taken_for_finished(rows: list[Row], cache: Path) -> None:
    process = builder(rows, cache, stop=3)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stopped\n"
        process.send_signal(signal.SIGKILL)
    assert names(cache, ".npy") == []
    assert len(names(cache, ".partial")) == 1
    pack = ensure_pack(rows, CONFIG, cache)
    np.testing.assert_array_equal(pack.images, np.stack([decode(row, 20) for row in rows]))
    assert names(cache, ".partial") == []


def test_the_leftovers_of_another_killed_build_are_deleted(rows: list[Row], cache: Path) -> None:
    (cache / "packs").mkdir(parents=True)
    (cache / "packs" / "dead.npy.partial").write_bytes(b"half")
    ensure_pack(rows, CONFIG, cache)
    assert names(cache, ".partial") == []


def test_a_living_build_of_another_pack_is_left_alone(rows: list[Row], cache: Path) -> None:
    process = builder(rows, cache, stop=3)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        ensure_pack(rows[:2], CONFIG, cache)
        assert len(names(cache, ".partial")) == 1
        process.communicate("go on\n")
    assert process.returncode == 0
    assert len(names(cache, ".npy")) == 2


def test_of_two_processes_one_builds_and_the_other_waits(rows: list[Row], cache: Path) -> None:
    waiting = Event()
    process = builder(rows, cache, stop=len(rows))
    with process, ThreadPoolExecutor(1) as pool:
        assert process.stdout is not None
        process.stdout.readline()
        expected = np.stack([decode(row, 20) for row in rows])
        shutil.rmtree(Path(rows[0].path).parent)  # whoever decodes now fails
        second = pool.submit(ensure_pack, rows, CONFIG, cache, lambda done, total: waiting.set())
        assert waiting.wait(30)
        assert not second.done()
        process.communicate("go on\n")
        np.testing.assert_array_equal(second.result(30).images, expected)
    assert process.returncode == 0


def test_who_waits_for_one_that_has_built_nothing_yet_is_not_silent(rows: list[Row], cache: Path) -> None:
    """It fetches its pictures first, which takes as long as the network does."""
    waiting, seen = Event(), []

    def report(done: int, total: int) -> None:
        seen.append((done, total))
        waiting.set()

    (cache / "packs").mkdir(parents=True)
    with ThreadPoolExecutor(1) as pool:
        with FileLock(cache / "packs" / f"{pack_key(rows, CONFIG)}.npy.lock"):
            second = pool.submit(ensure_pack, rows, CONFIG, cache, report)
            assert waiting.wait(30)
        second.result(30)
    assert seen[0] == (0, len(rows))
    assert seen[-1] == (len(rows), len(rows))


def test_a_full_disk_is_told_before_the_work(
    rows: list[Row], cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DataError, match=r"packs: .*No space left.* needs 7\.2 kB, 1\.0 kB are free; make room"):
        ensure_pack(rows, CONFIG, cache)
    assert names(cache, ".npy") == names(cache, ".partial") == []


def test_a_write_that_fails_midway_leaves_nothing(rows: list[Row], cache: Path) -> None:
    process = builder(rows, cache, limit=3000)
    _, stderr = process.communicate(timeout=60)
    assert "DataError" in stderr
    assert "the pack cannot be written (File too large): it needs 7.2 kB" in stderr
    assert names(cache, ".npy") == names(cache, ".partial") == []


def test_a_cache_that_is_no_folder_is_named(rows: list[Row], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/packs: the pack cannot be written .*choose another cache folder"):
        ensure_pack(rows, CONFIG, tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_cache_serves_what_it_has_and_refuses_the_rest(rows: list[Row], cache: Path) -> None:
    ensure_pack(rows, CONFIG, cache)
    (cache / "packs").chmod(0o555)
    try:
        assert len(ensure_pack(rows, CONFIG, cache).images) == 6
        with pytest.raises(DataError, match="Permission denied"):
            ensure_pack(rows[:2], CONFIG, cache)
    finally:
        (cache / "packs").chmod(0o755)


def test_no_pictures_make_an_empty_pack(cache: Path) -> None:
    assert ensure_pack([], CONFIG, cache).images.shape == (0, 20, 20, 3)
