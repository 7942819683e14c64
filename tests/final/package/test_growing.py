"""The gallery of an exported model grows; the model stays."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from carsray.cli import cli
from carsray.errors import DataError, PackageError
from carsray.final.package.folder import Package, open_package
from carsray.final.package.growing import add_pictures
from carsray.final.package.model import load_model
from carsray.progress import bar

CLASS = "Car 1 1991"


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three of one class, two of none."""
    rng = np.random.default_rng(3)
    for name in (f"{CLASS}/a.jpg", f"{CLASS}/b.png", f"{CLASS}/c.jpg", "found/d.jpg", "e.jpg"):
        path = tmp_path / "new" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)).save(path)
    return tmp_path / "new"


def test_added_pictures_are_the_nearest_to_themselves(copy: Path, pictures: Path) -> None:
    before = len(load_model(copy, "cpu").gallery.rows)
    added = add_pictures(copy, pictures, bar)
    assert (added.pictures, added.labelled, added.known, added.gallery) == (5, 3, 0, before + 5)
    model = load_model(copy, "cpu")
    (near,) = model.neighbours(pictures / f"{CLASS}/a.jpg", k=1)
    assert (near.file, near.name) == (f"{CLASS}/a.jpg", CLASS)
    assert near.row >= before
    (near,) = model.neighbours(pictures / "e.jpg", k=1)
    assert (near.file, near.label, near.name) == ("e.jpg", -1, "")


def test_the_pictures_that_were_there_keep_their_rows_and_the_model_its_answers(copy: Path, pictures: Path) -> None:
    old = load_model(copy, "cpu")
    asked = pictures / "found/d.jpg"
    add_pictures(copy, pictures, bar)
    new = load_model(copy, "cpu")
    np.testing.assert_array_equal(new.gallery.rows[: len(old.gallery.rows)], old.gallery.rows)
    assert new.gallery.entries[: len(old.gallery.entries)] == old.gallery.entries
    assert new.predict(asked).guesses == old.predict(asked).guesses


def test_only_pictures_of_a_class_are_found_under_it(copy: Path, pictures: Path) -> None:
    add_pictures(copy, pictures, bar)
    model = load_model(copy, "cpu")
    rows = len(model.gallery.rows)
    (found,) = model.gallery.nearest(model.embed([pictures / "e.jpg"]), rows, model.classes.index(CLASS))
    assert {near.name for near in found} == {CLASS}
    assert sum(near.file.startswith(f"{CLASS}/") for near in found) >= 3


def test_new_pictures_get_thumbnails_where_the_old_ones_have_them(copy: Path, pictures: Path) -> None:
    add_pictures(copy, pictures, bar)
    with (copy / "gallery.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert all((copy / line["thumbnail"]).is_file() for line in lines)
    with Image.open(copy / lines[-1]["thumbnail"]) as shown:
        assert shown.size == (60, 40)


def test_a_gallery_without_thumbnails_stays_without(copy: Path, pictures: Path) -> None:
    shutil.rmtree(copy / "gallery")
    with (copy / "gallery.csv").open(newline="") as file:
        lines = [dict(line, thumbnail="") for line in csv.DictReader(file)]
    with (copy / "gallery.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, lines[0])
        table.writeheader()
        table.writerows(lines)
    Package(copy).write_sums()
    add_pictures(copy, pictures, bar)
    assert not (copy / "gallery").exists()


def test_the_same_command_adds_what_is_new(copy: Path, pictures: Path) -> None:
    add_pictures(copy, pictures, bar)
    (pictures / "f.jpg").write_bytes((pictures / "e.jpg").read_bytes())
    again = add_pictures(copy, pictures, bar)
    assert (again.pictures, again.known) == (1, 5)
    sums = (copy / "SHA256SUMS").read_bytes()
    assert add_pictures(copy, pictures, bar).pictures == 0
    assert (copy / "SHA256SUMS").read_bytes() == sums


def test_another_picture_under_a_name_that_is_there_is_added(copy: Path, pictures: Path) -> None:
    add_pictures(copy, pictures, bar)
    (pictures / "e.jpg").write_bytes((pictures / "found/d.jpg").read_bytes())
    assert add_pictures(copy, pictures, bar).pictures == 1


def test_the_package_is_whole_afterwards_and_its_card_says_what_was_added(copy: Path, pictures: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    add_pictures(copy, pictures, bar)
    open_package(copy)
    assert "5 more pictures were added to the gallery" in " ".join((copy / "README.md").read_text().split())
    assert (copy / "notes.txt").read_text() == "mine"
    (copy / "notes.txt").write_text("changed")
    open_package(copy)
    assert [path.name for path in copy.parent.iterdir() if ".partial" in path.name or ".old" in path.name] == []


def test_the_export_that_it_was_copied_from_is_not_touched(copy: Path, package: Path, pictures: Path) -> None:
    before = (package / "gallery.safetensors").read_bytes()
    add_pictures(copy, pictures, bar)
    assert (package / "gallery.safetensors").read_bytes() == before


def test_nothing_changes_where_it_cannot_be_written(
    copy: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    monkeypatch.setattr("carsray.final.package.growing.write_card", full)
    with pytest.raises(Exception, match="No space left on device"):
        add_pictures(copy, pictures, bar)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_the_current_folder_has_a_name_and_what_is_hidden_in_it_is_left_out(
    copy: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures / CLASS)
    Path("._a.jpg").write_bytes(b"of macOS")
    Path(".thumbnails").mkdir()
    shutil.copy("a.jpg", ".thumbnails/a.jpg")
    added = add_pictures(copy, Path(), bar)
    assert (added.pictures, added.labelled, added.problems) == (3, 3, ())


def test_a_name_that_is_no_utf_8_leaves_a_package_that_can_be_read(copy: Path, pictures: Path) -> None:
    (pictures / "e.jpg").rename(pictures / os.fsdecode(b"Citro\xebn.jpg"))
    add_pictures(copy, pictures, bar)
    files = [entry[0] for entry in load_model(copy, "cpu").gallery.entries]
    assert "Citro\ufffdn.jpg" in files


def test_a_folder_without_pictures_and_one_that_is_no_export_are_refused(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="none: holds no pictures"):
        add_pictures(copy, tmp_path / "none", bar)
    with pytest.raises(PackageError, match="is no exported model"):
        add_pictures(tmp_path / "never/was", copy, bar)
    assert not (tmp_path / "never").exists()


def add(*words: object) -> Result:
    return CliRunner().invoke(cli, ["index", "add", *map(str, words)])


def test_the_command_says_what_it_did_and_names_what_cannot_be_read(copy: Path, pictures: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"no picture")
    done = add(copy, pictures)
    assert done.exit_code == 1
    assert done.stdout.startswith("Added 5 pictures, 3 of them with a class. The gallery has ")
    assert "broken.jpg: is no picture that can be read" in done.stderr
    said = json.loads(add(copy, pictures, "--json").stdout)
    assert (said["pictures"], said["known"]) == (0, 5)
