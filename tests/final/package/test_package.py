import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from full_disk import full_disk

from carsray.errors import PackageError, ResultsError
from carsray.final.package.folder import Package, check_free, open_package, written_whole
from carsray.final.package.gallery import read_gallery


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy"))


def test_sha256sum_checks_every_file(package: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=package, check=True)
    listed = {line.split("  ")[1] for line in (package / "SHA256SUMS").read_text().splitlines()}
    there = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert listed == there - {"SHA256SUMS"}


@pytest.mark.parametrize("name", ["model.safetensors", "config.toml", "gallery/00003.jpg", "README.md", "model.onnx"])
def test_a_changed_byte_in_any_file_is_noticed(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(PackageError, match=f"{name}: is not what was exported"):
        open_package(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "gallery/00003.jpg"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(PackageError, match=f"lacks {name}, or SHA256SUMS does not list it"):
        open_package(copy)


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx", "gallery.csv"])
def test_a_file_that_is_read_has_to_be_listed(copy: Path, name: str) -> None:
    sums = (copy / "SHA256SUMS").read_text().splitlines(keepends=True)
    (copy / "SHA256SUMS").write_text("".join(line for line in sums if not line.endswith(f"  {name}\n")))
    with pytest.raises(PackageError, match=f"lacks {name}"):
        open_package(copy)


def test_a_list_that_leads_out_of_the_package_is_refused(copy: Path) -> None:
    with (copy / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../secret\n")
    (copy.parent / "secret").write_text("")
    with pytest.raises(PackageError, match=r"lacks \.\./secret"):
        open_package(copy)


@pytest.mark.parametrize("place", ["/etc/passwd", "../../secret", "export.json.bak"])
def test_a_gallery_that_names_other_files_is_refused(copy: Path, place: str) -> None:
    """A service would hand them out."""
    table = Package(copy).gallery_table
    table.write_text(table.read_text().replace("gallery/00003.jpg", place))
    Package(copy).write_sums()
    with pytest.raises(PackageError, match="is no file of this package"):
        read_gallery(open_package(copy))


def test_a_persons_notes_beside_the_files_do_no_harm(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    assert open_package(copy).root == copy


def test_another_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(PackageError, match="is no exported model") as told:
            open_package(folder)
        assert "\n" not in str(told.value)


def test_a_broken_list_of_sums_is_one_line(copy: Path) -> None:
    (copy / "SHA256SUMS").write_bytes(b"\xff\xfe nothing")
    with pytest.raises(PackageError, match="SHA256SUMS: cannot be read"):
        open_package(copy)


def test_another_format_is_refused(copy: Path) -> None:
    facts = copy / "export.json"
    facts.write_text(facts.read_text().replace("carsray-package-1", "carsray-package-9"))
    Package(copy).write_sums()
    with pytest.raises(PackageError, match="has format 'carsray-package-9'"):
        open_package(copy)


def write(folder: Path, force: bool, text: str) -> None:
    with written_whole(folder, force) as package:
        package.facts.write_text(text)


def test_what_goes_wrong_half_way_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "model", False, "old")
    with suppress(KeyboardInterrupt), written_whole(tmp_path / "model", force=True) as package:
        package.facts.write_text("new")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model/export.json").read_text() == "old"


def test_an_earlier_export_is_replaced_only_by_force(tmp_path: Path) -> None:
    write(tmp_path / "model", False, "old")
    with pytest.raises(ResultsError, match="holds an earlier export"):
        write(tmp_path / "model", False, "new")
    write(tmp_path / "model", True, "new")
    assert (tmp_path / "model/export.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_link_to_an_earlier_export_stays_a_link(tmp_path: Path) -> None:
    write(tmp_path / "model-1", False, "old")
    (tmp_path / "model").symlink_to("model-1")
    write(tmp_path / "model", True, "new")
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "model-1/export.json").read_text() == "new"


def test_a_folder_with_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "holidays.jpg").write_text("")
    for taken in (tmp_path, tmp_path / "holidays.jpg"):
        with pytest.raises(ResultsError, match="is no earlier export"):
            check_free(taken, force=True)


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    check_free(tmp_path, force=False)
    write(tmp_path / "model", False, "new")


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot be written"):
        write(tmp_path / "file" / "model", False, "new")


def test_a_file_that_is_gone_is_not_told_as_a_full_disk(tmp_path: Path) -> None:
    with (
        pytest.raises(ResultsError, match=r"winner\.toml: cannot be read \(No such file or directory\)\. No package"),
        written_whole(tmp_path / "model", False) as package,
    ):
        shutil.copyfile(tmp_path / "winner.toml", package.root / "winner.toml")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_is_told_whichever_file_was_copied(tmp_path: Path) -> None:
    (tmp_path / "winner.toml").write_text("x" * 5000)
    with (
        pytest.raises(ResultsError, match="model: cannot be written: File too large"),
        written_whole(tmp_path / "model", False) as package,
        full_disk(1000),
    ):
        shutil.copyfile(tmp_path / "winner.toml", package.root / "winner.toml")
