import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from tiny_sources import stanford_cars

from carsray.data.mirror.fetch import Expected, fetch
from carsray.data.mirror.unpack import official_place
from carsray.data.sources.catalog import open_catalog
from carsray.errors import DataError

TINY = Expected(classes=3, train=12, test=12)


def packed(tree: Path, kind: str, prefix: str = "some-repository-main/stanford_cars") -> str:
    """An archive of a tree, as mirrors pack it: below folders of their own. kind: zip or gztar."""
    box = tree.with_name("box")
    shutil.copytree(tree, box / prefix)
    return shutil.make_archive(str(tree.with_name("cars")), kind, box)


@pytest.mark.parametrize("kind", ["zip", "gztar", "tar"])
def test_an_archive_becomes_the_official_layout(tmp_path: Path, kind: str) -> None:
    source = packed(stanford_cars(tmp_path / "tree"), kind)
    warnings = fetch(tmp_path / "cars", [source], expected=TINY)
    catalog = open_catalog(tmp_path / "cars")
    assert (len(catalog.pictures), catalog.official_test) == (24, True)
    assert sorted(path.name for path in (tmp_path / "cars").iterdir()) == sorted(
        path.name for path in (tmp_path / "tree").iterdir()
    )
    assert len(warnings) == 3  # the tiny labels are not the published ones
    assert not (tmp_path / "cars.fetch").exists()


def test_an_address_is_downloaded(tmp_path: Path) -> None:
    source = Path(packed(stanford_cars(tmp_path / "tree"), "zip")).as_uri()
    fetch(tmp_path / "cars", [source], expected=TINY)
    assert open_catalog(tmp_path / "cars").official_test


def test_too_few_pictures_leave_no_folder(tmp_path: Path) -> None:
    source = packed(stanford_cars(tmp_path / "tree", per_class=2), "zip")
    with pytest.raises(DataError, match="3 classes, 6 train and 6 labelled test pictures; Stanford Cars has"):
        fetch(tmp_path / "cars", [source], expected=TINY)
    assert not (tmp_path / "cars").exists()


def test_a_missing_label_file_is_not_complete(tmp_path: Path) -> None:
    source = packed(stanford_cars(tmp_path / "tree", labels_in=None), "zip")
    with pytest.raises(DataError, match="0 labelled test pictures"):
        fetch(tmp_path / "cars", [source], expected=TINY)


def test_an_empty_picture_is_not_complete(tmp_path: Path) -> None:
    tree = stanford_cars(tmp_path / "tree")
    (tree / "cars_test/00001.jpg").write_bytes(b"")
    with pytest.raises(DataError, match="1 pictures are empty files"):
        fetch(tmp_path / "cars", [packed(tree, "zip")], expected=TINY)


@pytest.mark.parametrize("kind", ["zip", "gztar"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_cut_archive_leaves_no_folder(tmp_path: Path, kind: str, share: float) -> None:
    source = Path(packed(stanford_cars(tmp_path / "tree"), kind))
    source.write_bytes(source.read_bytes()[: int(source.stat().st_size * share)])
    with pytest.raises(DataError):
        fetch(tmp_path / "cars", [str(source)], expected=TINY)
    assert not (tmp_path / "cars").exists()


@pytest.mark.parametrize("kind", ["zip", "gztar"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_a_flipped_bit_is_noticed(tmp_path: Path, kind: str, share: float) -> None:
    source = Path(packed(stanford_cars(tmp_path / "tree"), kind))
    content = bytearray(source.read_bytes())
    content[int(len(content) * share)] ^= 0x10
    source.write_bytes(content)
    with pytest.raises(DataError):
        fetch(tmp_path / "cars", [str(source)], expected=TINY)
    assert not (tmp_path / "cars").exists()


def test_the_next_mirror_is_tried_and_a_wrong_file_not_resumed(tmp_path: Path) -> None:
    (tmp_path / "login.html").write_text("<html>please log in</html>")
    good = packed(stanford_cars(tmp_path / "tree"), "gztar")
    fetch(tmp_path / "cars", [(tmp_path / "login.html").as_uri(), good], expected=TINY)
    assert open_catalog(tmp_path / "cars").official_test


def test_all_that_failed_is_said(tmp_path: Path) -> None:
    (tmp_path / "login.html").write_text("<html>please log in</html>")
    with pytest.raises(
        DataError, match=r"login.html: .*neither a whole zip nor a tar.*nowhere.zip: neither a URL.*--from"
    ):
        fetch(tmp_path / "cars", [(tmp_path / "login.html").as_uri(), str(tmp_path / "nowhere.zip")], expected=TINY)


def test_a_complete_folder_is_left_as_it_is(tmp_path: Path) -> None:
    tree = stanford_cars(tmp_path / "cars")
    fetch(tree, ["http://never.asked/"], expected=TINY)
    (tree / "cars_test/00001.jpg").unlink()
    with pytest.raises(DataError, match="1 of 24 listed pictures are missing"):
        fetch(tree, ["http://never.asked/"], expected=TINY)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("stanford_cars/cars_train/00001.jpg", "cars_train/00001.jpg"),
        ("cars_test/cars_test/00001.jpg", "cars_test/00001.jpg"),
        ("x/devkit/cars_meta.mat", "devkit/cars_meta.mat"),
        ("x/devkit/cars_test_annos_withlabels.mat", "cars_test_annos_withlabels.mat"),
        ("../../cars_train/../../../etc/passwd", "cars_train/passwd"),
        ("__MACOSX/cars_train/._00001.jpg", None),
        ("README.md", None),
    ],
)
def test_a_member_goes_to_its_official_place_or_nowhere(name: str, place: str | None) -> None:
    assert official_place(name) == (PurePosixPath(place) if place else None)


def test_nothing_is_written_outside(tmp_path: Path) -> None:
    source = Path(packed(stanford_cars(tmp_path / "tree"), "zip"))
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("cars_train/../../../escaped.jpg", b"x")
    link = tarfile.TarInfo("cars_train/link.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    fetch(tmp_path / "cars", [str(source)], expected=TINY)
    assert not list(tmp_path.glob("escaped.jpg"))
    with tarfile.open(packed(stanford_cars(tmp_path / "tree2"), "tar", prefix="second"), "a") as archive:
        archive.addfile(link)
    fetch(tmp_path / "cars2", [str(tmp_path / "cars.tar")], expected=TINY)
    assert not (tmp_path / "cars2/cars_train/link.jpg").exists()
