from pathlib import Path

import pytest
from tiny_sources import class_folders, picture, stanford_cars, table

from carsray.data.sources.catalog import LAYOUTS, first_classes, open_catalog
from carsray.errors import DataError


def splits(path: Path) -> dict[str | None, int]:
    found = [picture.split for picture in open_catalog(path).pictures]
    return {name: found.count(name) for name in set(found)}


def test_stanford_cars_with_a_labelled_test_is_official(tmp_path: Path) -> None:
    catalog = open_catalog(stanford_cars(tmp_path / "cars"))
    assert (catalog.kind, catalog.official_test) == ("stanford_cars", True)
    assert splits(tmp_path / "cars") == {"train": 12, "test": 12}
    assert catalog.classes == ("Car 0", "Car 1", "Car 2")


def test_labelled_test_file_may_lie_in_the_devkit(tmp_path: Path) -> None:
    assert open_catalog(stanford_cars(tmp_path / "cars", labels_in="devkit")).official_test


def test_unlabelled_stanford_test_pictures_are_left_out(tmp_path: Path) -> None:
    assert not open_catalog(stanford_cars(tmp_path / "cars", labels_in=None)).official_test
    assert splits(tmp_path / "cars") == {"train": 12}


def test_stanford_labels_count_from_zero(tmp_path: Path) -> None:
    catalog = open_catalog(stanford_cars(tmp_path / "cars"))
    assert [picture.label for picture in catalog.pictures[:4]] == [0, 1, 2, 0]


def test_stanford_boxes_count_from_zero_and_leave_out_their_ends(tmp_path: Path) -> None:
    catalog = open_catalog(stanford_cars(tmp_path / "cars", box=(1, 2, 12, 10)))
    assert catalog.pictures[0].box == (0, 1, 12, 10)


def test_stanford_files_that_are_listed_but_missing_are_counted_and_named(tmp_path: Path) -> None:
    root = stanford_cars(tmp_path / "cars")
    (root / "cars_train/00001.jpg").unlink()
    (root / "cars_test/00002.jpg").unlink()
    with pytest.raises(DataError, match=r"2 of 24 listed pictures are missing.*cars_train/00001.jpg"):
        open_catalog(root)


def test_a_damaged_devkit_is_named(tmp_path: Path) -> None:
    root = stanford_cars(tmp_path / "cars")
    (root / "devkit/cars_train_annos.mat").write_bytes(b"MATLAB 5.0 MAT-file" + b"x" * 200)
    with pytest.raises(DataError, match=r"cars_train_annos\.mat: not a MATLAB file"):
        open_catalog(root)


def test_a_folder_of_cars_without_its_devkit_says_what_is_needed(tmp_path: Path) -> None:
    picture(tmp_path / "cars_train/00001.jpg")
    with pytest.raises(DataError, match=r"cars_meta\.mat: missing"):
        open_catalog(tmp_path)


def test_class_folders_are_labels_in_the_order_of_their_names(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path, {"b": 1, "a": 2}))
    assert (catalog.kind, catalog.classes) == ("folders", ("a", "b"))
    assert [picture.label for picture in catalog.pictures] == [0, 0, 1]
    assert splits(tmp_path) == {None: 3}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_split_folders_state_the_split(tmp_path: Path, name: str) -> None:
    for part, count in (("train", 3), (name, 2), ("test", 1)):
        class_folders(tmp_path / part, {"a": count, "b": count})
    assert splits(tmp_path) == {"train": 6, "val": 4, "test": 2}


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    assert open_catalog(class_folders(tmp_path, {"plane": 1, "train": 1})).classes == ("plane", "train")


def test_a_picture_that_strayed_into_a_split_folder_makes_it_no_class(tmp_path: Path) -> None:
    for part, count in (("train", 3), ("test", 2)):
        class_folders(tmp_path / part, {"a": count, "b": count})
        picture(tmp_path / part / "sheet.png")
    assert open_catalog(tmp_path).classes == ("a", "b")
    assert splits(tmp_path) == {"train": 6, "test": 4}


def test_beside_classes_a_class_called_train_may_have_folders_inside(tmp_path: Path) -> None:
    class_folders(tmp_path, {"plane": 1, "train": 1, "train/steam": 1, "train/diesel": 1})
    assert open_catalog(tmp_path).classes == ("plane", "train")


def test_suffixes_count_in_any_case_and_hidden_or_other_files_do_not(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1, ".hidden": 1})
    for name in ("0.JPG", ".0.jpg", "notes.txt"):
        (tmp_path / "a" / name).write_bytes(b"")
    assert sorted(p.path.name for p in open_catalog(tmp_path).pictures) == ["0.JPG", "0.png", "0.png"]


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".avif", ".jp2"])
def test_what_browsers_and_cameras_save_is_a_picture(tmp_path: Path, suffix: str) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1})
    picture(tmp_path / f"a/more{suffix}")
    assert [picture.label for picture in open_catalog(tmp_path).pictures] == [0, 0, 1]


def test_folders_without_a_picture_of_their_own_are_no_classes_and_are_named(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 1, "b": 1, "nested/c": 1})
    (tmp_path / "none").mkdir()
    catalog = open_catalog(tmp_path)
    assert (catalog.classes, catalog.empty) == (("a", "b"), ("nested", "none"))


def test_a_class_that_lacks_pictures_in_one_split_is_still_a_class(tmp_path: Path) -> None:
    class_folders(tmp_path / "train", {"a": 1, "b": 1})
    class_folders(tmp_path / "val", {"a": 1})
    (tmp_path / "val" / "b").mkdir()
    assert open_catalog(tmp_path).empty == ()


def test_csv_paths_are_relative_to_the_csv(tmp_path: Path) -> None:
    picture(tmp_path / "in/x.png")
    picture(tmp_path / "y.png")
    file = table(tmp_path / "in/list.csv", [("x.png", "dog"), (str(tmp_path / "y.png"), "cat")])
    catalog = open_catalog(file)
    assert {p.path: catalog.classes[p.label] for p in catalog.pictures} == {
        tmp_path / "in/x.png": "dog",
        tmp_path / "y.png": "cat",
    }


def test_a_folder_with_a_list_is_read_by_its_list(tmp_path: Path) -> None:
    class_folders(tmp_path, {"a": 2, "b": 2})
    table(tmp_path / "names.csv", [("1", "a")], header="id,name")
    table(tmp_path / "labels.csv", [("a/0.png", "x", "train"), ("b/0.png", "y", "Test")], header="path,label,split")
    assert open_catalog(tmp_path).kind == "csv"
    assert splits(tmp_path) == {"train": 1, "test": 1}


def test_whole_number_labels_keep_their_numerical_order(tmp_path: Path) -> None:
    rows = [(f"{number}.png", str(number)) for number in (10, 9, 2)]
    for name, _ in rows:
        picture(tmp_path / name)
    assert open_catalog(table(tmp_path / "l.csv", rows)).classes == ("2", "9", "10")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\na.png,x\n", r"column label missing; the header is path,class"),
        ("", r"column path and label missing; the header is nothing"),
        ("path,label\n", r"no line below its header"),
        ("path,label\na.png,x\nb.png\n", r"line 3: 1 fields, the header has 2"),
        ("path,label\na.png,x\nb.png,\n", r"line 3: path and label must not be empty"),
        ("path,label,split\na.png,x,train\nb.png,y,dev\n", r"line 3: split 'dev'; train, val, test are allowed"),
        ("path,label,split\na.png,x,train\nb.png,y,\n", r"line 3: split is empty"),
        ("path,label\na.png,x\n./a.png,x\n", r"line 3: ./a.png is listed before, on line 2"),
        ("path,label\na.png,x\na.png,y\n", r"line 3: a.png is listed before, on line 2"),
        ('path,label\n"a.png,x\n', r"line 2: 1 fields"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_catalog(tmp_path / "l.csv")


def test_a_csv_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="cannot be read as UTF-8 CSV"):
        open_catalog(tmp_path / "l.csv")


def test_two_lists_in_a_folder_need_a_choice(tmp_path: Path) -> None:
    table(tmp_path / "a.csv", [])
    table(tmp_path / "b.csv", [])
    with pytest.raises(DataError, match=r"several CSV files.*a.csv, b.csv"):
        open_catalog(tmp_path)


def test_a_listed_file_that_is_empty_is_no_error_here(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    assert len(open_catalog(table(tmp_path / "l.csv", [("a.png", "x"), ("b.png", "y")])).pictures) == 2


def test_missing_and_empty_and_unknown_places_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_catalog(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is empty"):
        open_catalog(tmp_path)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError) as caught:
        open_catalog(tmp_path)
    assert LAYOUTS in str(caught.value)
    with pytest.raises(DataError, match=r"neither a folder nor a .csv"):
        open_catalog(tmp_path / "notes.txt")


def test_one_class_is_not_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one class only, 'a'"):
        open_catalog(class_folders(tmp_path, {"a": 3}))


def test_first_classes_go_by_label_and_must_be_there(tmp_path: Path) -> None:
    catalog = open_catalog(class_folders(tmp_path, {"a": 1, "b": 1, "c": 1}))
    assert {picture.label for picture in first_classes(catalog, 2).pictures} == {0, 1}
    assert first_classes(catalog, None) == catalog
    with pytest.raises(DataError, match="classes = 4; 2 to 3 are there"):
        first_classes(catalog, 4)
