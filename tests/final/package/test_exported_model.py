import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_export import merged

import carsray
from carsray.data.split_file import read_split
from carsray.errors import CarsrayError, ConfigError, DataError, PackageError
from carsray.final.package.folder import Package
from carsray.final.package.model import Model
from carsray.results import SweepFolder


@pytest.fixture(scope="module")
def model(package: Path) -> Model:
    return carsray.load(package, device="cpu")


@pytest.fixture(scope="module")
def paths(exported_sweep: SweepFolder) -> list[str]:
    return [row.path for row in merged(read_split(exported_sweep.split))]


def repacked(package: Path, folder: Path, name: str, content: bytes) -> Path:
    """A copy with another file in it, listed as if it had been exported so."""
    copy = Path(shutil.copytree(package, folder / "copy"))
    (copy / name).write_bytes(content)
    Package(copy).write_sums()
    return copy


def test_importing_carsray_stays_light() -> None:
    script = "import sys, carsray; print(*sorted({'torch', 'numpy', 'PIL', 'scipy', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_picture_gives_an_answer_and_several_give_a_list(model: Model, paths: list[str]) -> None:
    one = model.predict(paths[0])
    assert model.predict(paths[:3])[0].guesses[0].name == one.guesses[0].name
    assert len(model.predict(tuple(paths[:3]))) == 3
    assert model.predict([]) == []


def test_probabilities_are_the_softmax_of_scaled_logits_best_first(model: Model, paths: list[str]) -> None:
    logits, _ = model.run(model.read(paths[0])[None])
    scaled = np.exp(logits[0] / 1.3125)
    guesses = model.predict(paths[0]).guesses
    assert [guess.probability for guess in guesses] == pytest.approx(sorted(scaled / scaled.sum(), reverse=True))
    assert [guess.name for guess in guesses] == [model.classes[guess.label] for guess in guesses]
    assert len(guesses) == 3, "top is five, but there are three classes"
    assert len(model.predict(paths[0], top=1).guesses) == 1


def test_a_path_its_bytes_and_a_path_object_are_the_same_picture(model: Model, paths: list[str]) -> None:
    assert model.predict(paths[0]) == model.predict(Path(paths[0])) == model.predict(Path(paths[0]).read_bytes())


def test_an_image_and_an_array_are_the_same_picture(model: Model, paths: list[str]) -> None:
    with Image.open(paths[0]) as image:
        array = np.asarray(image)
        assert model.predict(image) == model.predict(array) == model.predict(array[None])[0]
        assert image.size == (160, 120), "the caller's picture stays as it is"


def test_a_gallery_picture_is_nearest_to_itself(model: Model, exported_sweep: SweepFolder) -> None:
    split = read_split(exported_sweep.split)
    rows = (*split.train, *split.val)
    for near, row in zip(model.neighbours([row.path for row in rows], k=3), rows, strict=True):
        assert len(near) == 3
        assert near[0].distance == pytest.approx(0, abs=1e-9)
        assert row.path in {str(exported_sweep.root.parent.parent / "pictures" / each.file) for each in near[:2]}
        assert [each.distance for each in near] == sorted(each.distance for each in near)
        assert near[0].name == split.classes[near[0].label]


def test_neighbours_come_with_a_prediction_where_they_are_asked_for(model: Model, paths: list[str]) -> None:
    assert model.predict(paths[0]).neighbours == ()
    assert model.predict(paths[0], k=2).neighbours == model.neighbours(paths[0], 2)
    assert len(model.neighbours(paths[0])) == model.gallery.point.k
    assert model.neighbours(paths[0], k=0) == ()
    assert len(model.neighbours(paths[0], k=10_000)) == len(model.gallery.rows)


def test_thumbnails_are_small_pictures_with_their_aspect_kept(model: Model, paths: list[str]) -> None:
    thumbnail = model.neighbours(paths[0])[0].thumbnail
    assert thumbnail is not None
    with Image.open(thumbnail) as image:
        assert (image.size, image.format) == ((160, 120), "JPEG")


def test_nothing_is_unpickled_and_no_weights_file_is_read(package: Path, paths: list[str]) -> None:
    script = f"""
import sys, carsray
events = []
def use():
    return carsray.load({str(package)!r}, device="cpu").predict({paths[0]!r}, k=3)
use()  # Numba unpickles the kernels that it has compiled, once
sys.addaudithook(lambda event, args: events.append((event, str(args[0]))))
use()
print(*(name for event, name in events if event == "pickle.find_class" or name.endswith((".pth", ".pt", ".pkl"))))
print(any(event == "open" and name.endswith("model.safetensors") for event, name in events))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "True"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("model.safetensors", b"not safetensors", "model.safetensors: cannot be read"),
        ("config.toml", b"depth = [", "config.toml: cannot be read"),
        ("config.toml", b'backbone = "cnn"\ndepth = 99', "depth = 99"),
        ("config.toml", b'backbone = "cnn"\ndepth = 3\nwidth = 4', "does not fit config.toml"),
        ("classes.json", b"{}", "classes.json: is no list of names"),
        ("calibration.json", b'{"temperature": -1.0}', "temperature = -1.0, a number above 0"),
        ("calibration.json", b"[]", "temperature = None"),
        ("gallery.safetensors", b"", "gallery.safetensors: is no gallery"),
        ("gallery.csv", b"row,file,label,class,thumbnail\n0,a.jpg,0,x,\n", "do not fit 1 lines of gallery.csv"),
        ("gallery.csv", b"row,file\n0,a.jpg\n", "gallery.csv: cannot be read"),
        ("retrieval.json", b'{"point": {"k": 0}}', "retrieval.json: k = 0"),
        ("retrieval.json", b"{}", "is no gallery"),
    ],
)
def test_files_that_do_not_fit_are_told_in_one_line(
    package: Path, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    with pytest.raises(CarsrayError) as told:
        carsray.load(repacked(package, tmp_path, name, content))
    assert says in str(told.value)
    assert "\n" not in str(told.value)


def test_a_class_more_than_the_network_has_is_refused(package: Path, tmp_path: Path) -> None:
    classes = [*json.loads((package / "classes.json").read_text()), "one more"]
    with pytest.raises(PackageError, match="does not fit"):
        carsray.load(repacked(package, tmp_path, "classes.json", json.dumps(classes).encode()))


def test_a_device_that_is_not_there_is_refused(package: Path) -> None:
    with pytest.raises(ConfigError, match="device = 'abacus': here there are auto, cpu"):
        carsray.load(package, device="abacus")  # type: ignore[arg-type]


def test_what_is_no_picture_is_refused_in_one_line(model: Model, tmp_path: Path) -> None:
    for wrong in (3, None, np.zeros((4, 4, 3)), np.zeros((4, 4, 7), np.uint8), tmp_path, tmp_path / "none.jpg", b"no"):
        with pytest.raises(DataError) as told:
            model.predict(wrong)  # type: ignore[call-overload]
        assert "\n" not in str(told.value)
