import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_sources import picture

from carsray.data.seal import sealed
from carsray.errors import SealedTestError


@pytest.mark.parametrize(
    "opener",
    [
        lambda path: Image.open(path),
        lambda path: open(path, "rb"),  # noqa: PTH123, SIM115
        lambda path: path.read_bytes(),
        lambda path: os.open(path, os.O_RDONLY),
        lambda path: os.open(os.fsencode(path), os.O_RDONLY),
        lambda path: np.fromfile(path, np.uint8),
        lambda path: np.memmap(path, np.uint8, "r"),
    ],
)
def test_a_sealed_picture_opens_by_no_way(tmp_path: Path, opener) -> None:
    path = picture(tmp_path / "test.png")
    with sealed([str(path)]), pytest.raises(SealedTestError, match=r"test\.png"):
        opener(path)


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_another_name_of_a_sealed_picture_does_not_open_it(tmp_path: Path, link: str) -> None:
    path = picture(tmp_path / "test.png")
    getattr(tmp_path / "other.png", link)(path)
    with sealed([str(path)]), pytest.raises(SealedTestError):
        (tmp_path / "other.png").read_bytes()


def test_a_relative_path_is_seen_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = picture(tmp_path / "test.png")
    monkeypatch.chdir(tmp_path)
    with sealed([str(path)]), pytest.raises(SealedTestError):
        Path("test.png").read_bytes()


def test_other_files_and_descriptors_open_as_ever(tmp_path: Path) -> None:
    path, other = picture(tmp_path / "test.png"), picture(tmp_path / "train.png", seed=1)
    with path.open("rb") as early, sealed([str(path)]):
        assert other.read_bytes() != b""
        with open(os.dup(early.fileno()), "rb") as again:  # noqa: PTH123
            assert again.read(4) == b"\x89PNG"
        with pytest.raises(FileNotFoundError):
            (tmp_path / "nowhere.png").read_bytes()


def test_the_seal_ends_with_its_block_and_only_the_last_of_two(tmp_path: Path) -> None:
    path = picture(tmp_path / "test.png")
    with sealed([str(path)]):
        with sealed([str(path)]):
            pass
        with pytest.raises(SealedTestError):
            path.read_bytes()
    assert path.read_bytes()


def test_a_file_that_takes_a_sealed_place_is_sealed_too(tmp_path: Path) -> None:
    path = picture(tmp_path / "test.png")
    with sealed([str(path)]):
        picture(tmp_path / "new.png").replace(path)
        with pytest.raises(SealedTestError):
            path.read_bytes()
