import io
import json
import math
import random
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carsray.data.drawn import folder as drawn
from carsray.data.drawn.folder import MARKER, draw_cars
from carsray.data.drawn.models import MODELS, CarModel
from carsray.data.drawn.scene import picture
from carsray.data.drawn.view import View
from carsray.errors import DataError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.jpg"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn") / "cars"
    draw_cars(folder, models=3, per_model=2, size=32, seed=5)
    return folder


def test_folder_per_model_with_numbered_pictures(small: Path) -> None:
    expected = {f"{model.name}/000{number}.jpg" for model in MODELS[:3] for number in (1, 2)}
    assert set(contents(small)) == {MARKER, *expected}


def test_pictures_are_rgb_jpegs_of_the_asked_size(small: Path) -> None:
    for path in pictures(small):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (32, 32))


def test_same_arguments_give_the_same_bytes(small: Path, tmp_path: Path) -> None:
    draw_cars(tmp_path / "again", models=3, per_model=2, size=32, seed=5)
    assert contents(tmp_path / "again") == contents(small)


def test_another_seed_gives_other_pictures(small: Path, tmp_path: Path) -> None:
    draw_cars(tmp_path / "other", models=3, per_model=2, size=32, seed=6)
    other, first = contents(tmp_path / "other"), contents(small)
    assert all(other[name] != first[name] for name in first)


def test_a_larger_set_holds_the_smaller_one(small: Path, tmp_path: Path) -> None:
    draw_cars(tmp_path / "larger", models=4, per_model=3, size=32, seed=5)
    larger = contents(tmp_path / "larger")
    assert all(larger[name] == data for name, data in contents(small).items() if name != MARKER)


def test_no_two_pictures_are_alike(small: Path) -> None:
    data = [path.read_bytes() for path in pictures(small)]
    assert len(set(data)) == len(data)


def test_progress_counts_every_picture_once(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    draw_cars(tmp_path / "cars", 2, 3, 16, report=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 6) for done in range(1, 7)]


# --- a folder that is already there ---------------------------------------------------------------


def never(done: int, total: int) -> None:
    raise AssertionError("drawn again")


def test_complete_folder_returns_at_once(tmp_path: Path) -> None:
    draw_cars(tmp_path / "cars", 2, 1, 16)
    draw_cars(tmp_path / "cars", 2, 1, 16, report=never)


def test_missing_picture_is_drawn_again(tmp_path: Path) -> None:
    draw_cars(tmp_path / "cars", 2, 1, 16)
    before = contents(tmp_path / "cars")
    pictures(tmp_path / "cars")[0].unlink()
    draw_cars(tmp_path / "cars", 2, 1, 16)
    assert contents(tmp_path / "cars") == before


def test_other_arguments_replace_a_drawn_folder(tmp_path: Path) -> None:
    draw_cars(tmp_path / "cars", 3, 1, 16)
    draw_cars(tmp_path / "cars", 2, 2, 16)
    assert len(pictures(tmp_path / "cars")) == 4
    assert sorted(path.name for path in (tmp_path / "cars").iterdir() if path.is_dir()) == [m.name for m in MODELS[:2]]


def test_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "cars").mkdir()
    draw_cars(tmp_path / "cars", 2, 1, 16)
    assert len(pictures(tmp_path / "cars")) == 2


def stranger(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")


def stranger_among_drawn(folder: Path) -> None:
    draw_cars(folder, 2, 1, 16)
    (folder / "thesis.txt").write_text("years of work")


def unreadable_marker(folder: Path) -> None:
    folder.mkdir()
    (folder / MARKER).write_text("[]")
    (folder / "thesis.txt").write_text("years of work")


@pytest.mark.parametrize("prepare", [stranger, stranger_among_drawn, unreadable_marker])
def test_folder_with_other_files_is_refused_and_left_alone(prepare: Callable[[Path], None], tmp_path: Path) -> None:
    prepare(tmp_path / "cars")
    before = contents(tmp_path / "cars")
    with pytest.raises(DataError, match=r"thesis\.txt|did not draw") as caught:
        draw_cars(tmp_path / "cars", 2, 2, 16)
    assert "\n" not in str(caught.value)
    assert contents(tmp_path / "cars") == before


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cars").write_text("a file")
    with pytest.raises(DataError, match="is a file"):
        draw_cars(tmp_path / "cars", 2, 1, 16)


def test_unusable_parent_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot draw here"):
        draw_cars(tmp_path / "file" / "cars", 2, 1, 16)


def test_older_format_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_cars(tmp_path / "cars", 2, 1, 16)
    monkeypatch.setattr(drawn, "_FORMAT", drawn._FORMAT + 1)
    draw_cars(tmp_path / "cars", 2, 1, 16)
    assert json.loads((tmp_path / "cars" / MARKER).read_text())["format"] == drawn._FORMAT


def test_interrupted_run_leaves_nothing_in_place_and_the_next_one_completes(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_cars(tmp_path / "cars", 2, 2, 16, report=interrupt)
    assert not (tmp_path / "cars").exists()
    draw_cars(tmp_path / "cars", 2, 2, 16)
    assert len(pictures(tmp_path / "cars")) == 4
    assert not [path for path in tmp_path.iterdir() if path.suffix in (".part", ".old")]


def test_interrupted_redraw_keeps_the_old_folder(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    draw_cars(tmp_path / "cars", 2, 1, 16)
    before = contents(tmp_path / "cars")
    with pytest.raises(KeyboardInterrupt):
        draw_cars(tmp_path / "cars", 2, 2, 16, report=interrupt)
    assert contents(tmp_path / "cars") == before


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw_cars(Path("cars"), 2, 1, 16)
    assert len(pictures(tmp_path / "cars")) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("models", 1), ("models", len(MODELS) + 1), ("per_model", 0), ("size", 15), ("size", 1025), ("seed", -1)],
)
def test_argument_out_of_range_is_one_line_that_names_it(name: str, value: int, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"{name} = {value}: allowed is ") as caught:
        draw_cars(tmp_path / "cars", **{name: value})
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# --- the pictures as a classification task --------------------------------------------------------


def test_names_are_distinct_and_in_the_order_of_the_labels() -> None:
    names = [model.name for model in MODELS]
    assert names == sorted(set(names))
    assert len(names) >= 20


def test_every_two_models_differ_in_shape_and_in_a_detail() -> None:
    for one, other in combinations(MODELS, 2):
        details = [(m.headlamp, m.taillamp, m.grille, m.spokes, m.extras) for m in (one, other)]
        shapes = [(m.wheelbase, m.front, m.rear, m.wheel, m.clearance, m.roof, m.crest) for m in (one, other)]
        assert details[0] != details[1], (one.name, other.name)
        assert shapes[0] != shapes[1], (one.name, other.name)


def test_models_look_different_in_the_same_scene() -> None:
    shots = [np.asarray(picture(model, 48, random.Random(3)), int) for model in MODELS]
    differences = [np.abs(one - other).mean() for one, other in combinations(shots, 2)]
    assert min(differences) > 1.0


@pytest.fixture(scope="module")
def traits() -> tuple[np.ndarray, np.ndarray]:
    """Mean colour, spread, colour of the top and bottom rows and JPEG size; 24 pictures each of 10 models."""
    rows, labels = [], []
    for label, model in enumerate(MODELS[:10]):
        for number in range(24):
            image = picture(model, 32, random.Random(f"{model.name} {number}"))
            pixels, file = np.asarray(image, float), io.BytesIO()
            image.save(file, "JPEG", quality=92)
            bands = (pixels.mean((0, 1)), pixels.std((0, 1)), pixels[:4].mean((0, 1)), pixels[-4:].mean((0, 1)))
            rows.append([*np.concatenate(bands), file.tell()])
            labels.append(label)
    return np.array(rows), np.array(labels)


@pytest.mark.parametrize(
    "columns",
    [slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12), slice(12, 13)],
    ids=["mean", "spread", "top", "bottom", "bytes"],
)
def test_nothing_trivial_tells_the_class(columns: slice, traits: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = traits[0][:, columns], traits[1]
    held_out = np.arange(len(labels)) % 2 == 0
    centres = np.stack([values[~held_out & (labels == label)].mean(0) for label in np.unique(labels)])
    guesses = ((values[held_out, None] - centres) ** 2).sum(-1).argmin(1)
    # Chance is 0.1; 120 blind guesses pass 0.2 less than once in a thousand times.
    assert (guesses == labels[held_out]).mean() < 0.2


@settings(max_examples=60, deadline=None)
@given(model=st.sampled_from(MODELS), size=st.integers(16, 80), seed=st.integers(0, 2**32))
def test_any_model_can_be_drawn_at_any_size(model: CarModel, size: int, seed: int) -> None:
    image = picture(model, size, random.Random(seed))
    assert (image.mode, image.size) == ("RGB", (size, size))


# --- the eye --------------------------------------------------------------------------------------


@given(x=st.floats(-1, 1), y=st.floats(0, 1), z=st.floats(-0.4, 0.4), yaw=st.floats(-0.6, 0.6))
def test_mirrored_view_is_the_mirror_image(x: float, y: float, z: float, yaw: float) -> None:
    (plain,) = View(yaw, 0.2, 0.0, False, 50.0).place([(x, y, z)])
    (mirrored,) = View(yaw, 0.2, 0.0, True, 50.0).place([(x, y, z)])
    assert mirrored == pytest.approx((-plain[0], plain[1]))


def test_side_view_keeps_lengths_and_heights() -> None:
    view = View(0.0, 0.0, 0.0, False, scale=10.0, x=5.0, y=7.0)
    assert view.place([(1.0, 2.0, 0.0)]) == [pytest.approx((15.0, -13.0))]


def test_positive_yaw_shows_the_front() -> None:
    view = View(math.radians(30), 0.1, 0.0, False)
    assert view.nearness((1.0, 0.0, 0.0)) > 0 > view.nearness((-1.0, 0.0, 0.0))
