"""`carsray export` and `carsray predict`, as a person calls them."""

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.torch import save_file
from tiny_export import SETTINGS, change_json, retrained

import carsray
from carsray.cli import cli
from carsray.config import TrialConfig
from carsray.data.split_file import read_split
from carsray.errors import CarsrayError
from carsray.final.package.config_file import read_config, write_config
from carsray.models import build_network
from carsray.results import SweepFolder


@pytest.fixture
def sweep(exported_sweep: SweepFolder, tmp_path: Path) -> SweepFolder:
    """A copy that may be changed; its pictures and cache are those of the original."""
    shutil.copytree(exported_sweep.root, tmp_path / "results" / "cars")
    return SweepFolder(tmp_path / "results" / "cars")


def call(*args: Any) -> Result:
    return CliRunner().invoke(cli, list(map(str, args)), catch_exceptions=False, standalone_mode=False)


def export(sweep: SweepFolder, *args: Any) -> Path:
    """Without ONNX, which takes seconds."""
    folder = sweep.root.parent.parent / "out"
    call("export", "cars", folder, "--results", sweep.root.parent, "--no-onnx", *args)
    return folder


def test_the_package_has_every_file_and_says_where_it_is(package: Path) -> None:
    names = {path.name for path in package.iterdir()}
    files = {"model.safetensors", "model.onnx", "config.toml", "classes.json", "preprocessing.json", "calibration.json"}
    files |= {"gallery.safetensors", "gallery.csv", "gallery", "retrieval.json", "export.json", "record", "README.md"}
    assert names == files | {"SHA256SUMS"}
    parity = json.loads((package / "export.json").read_text())["onnx"]
    assert parity["logits"] < 1e-4
    assert parity["pictures"] > 30


def test_pictures_and_onnx_are_left_out_where_asked(sweep: SweepFolder) -> None:
    folder = export(sweep, "--no-pictures")
    assert not (folder / "gallery").exists()
    assert not (folder / "model.onnx").exists()
    near = carsray.load(folder, device="cpu").neighbours(read_split(sweep.split).train[0].path)
    assert near[0].thumbnail is None
    assert "onnxruntime" not in (folder / "README.md").read_text()


def test_the_test_pictures_are_never_opened(tmp_path: Path) -> None:
    sweep = retrained(tmp_path)
    for row in read_split(sweep.split).test:
        Path(row.path).write_bytes(b"not to be read")
    export(sweep)


def test_the_point_of_the_retraining_is_used_before_that_of_the_retrieval_sweep(sweep: SweepFolder) -> None:
    point = {"k": 3, "distance": "manhattan", "normalize": "l2", "vote": "softmax", "tie": "nearest"}
    (sweep.root / "retrieval.json").write_text(json.dumps({"chosen": point, "metrics": {}}))
    said = json.loads((export(sweep, "--no-pictures") / "retrieval.json").read_text())
    assert (said["point"], said["chosen_by"]) == (point, "retrieval.json")
    tested = point | {"k": 1}
    change_json(sweep.root / "retrain/retrain.json", retrieval={"point": tested, "accuracy": 0.5})
    said = json.loads((export(sweep, "--no-pictures", "--force") / "retrieval.json").read_text())
    assert (said["point"], said["chosen_by"]) == (tested, "retrain.json")


def test_frozen_weights_are_in_the_package_and_their_file_is_not_needed(tmp_path: Path) -> None:
    weights = tmp_path / "backbone.safetensors"
    changes = {"backbone": "mobilenet_v3_small", "image_size": 32, "pack_size": 40, "unfreeze_depth": 1}
    random = build_network(TrialConfig(**(SETTINGS | changes)), 3)
    save_file({name: tensor.clone() for name, tensor in random.backbone.state_dict().items()}, weights)
    sweep = retrained(tmp_path, weights=str(weights), **changes)
    path = read_split(sweep.split).train[0].path
    folder = export(sweep, "--no-pictures")
    weights.unlink()
    shutil.rmtree(tmp_path / "cache")
    model = carsray.load(folder, device="cpu")
    expected = random.backbone.state_dict()
    first = next(iter(expected))
    np.testing.assert_array_equal(model.network.backbone.state_dict()[first], expected[first])
    assert model.predict(path).guesses
    assert "Training began from other weights" in text_of(folder)


def text_of(folder: Path) -> str:
    """The card, without its line ends."""
    return " ".join((folder / "README.md").read_text().split())


def test_boxes_are_warned_of(tmp_path: Path) -> None:
    folder = export(retrained(tmp_path, crop_to_box=True), "--no-pictures")
    assert "cut to the box around the car" in text_of(folder)


def test_of_another_trial_than_the_winner_the_card_does_not_claim_what_was_confirmed(sweep: SweepFolder) -> None:
    change_json(sweep.root / "retrain/retrain.json", confirmed=False, trial=1)
    folder = export(sweep)
    assert "This model is of another config than the one that was repeated" in text_of(folder)
    assert "It reaches 61.50%" not in text_of(folder)
    assert "trial 1 of the sweep cars" in (folder / "config.toml").read_text()


def test_a_class_without_test_pictures_is_not_called_weak(sweep: SweepFolder) -> None:
    table = sweep.root / "retrain/classes-test.csv"
    head, first, *others = table.read_text().splitlines()
    name = first.split(",")[0]
    table.write_text("\n".join([head, f"{name},0,,,", *others]) + "\n")
    weakest = text_of(export(sweep)).partition("The weakest classes")[2].partition("Taken for each other")[0]
    assert f"| {name} |" not in weakest


def refused(sweep: SweepFolder, *args: Any) -> str:
    with pytest.raises(CarsrayError) as told:
        export(sweep, *args)
    assert "\n" not in str(told.value)
    left = [path.name for path in sweep.root.parent.parent.iterdir() if path.name != "results"]
    assert not [name for name in left if name.startswith(".out")]
    return str(told.value)


def test_a_sweep_that_was_not_retrained_is_refused_with_the_command(sweep: SweepFolder) -> None:
    shutil.rmtree(sweep.root / "retrain")
    assert "carsray retrain cars" in refused(sweep)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"fingerprint": "another"}, "is of other data"),
        ({"classes": ["a", "b"]}, "is of other data"),
        ({"temperature": 0.0}, "temperature = 0.0"),
        ({"config": {"lr": 2.0}}, "is not the model of retrain.json"),
        ({"weights": "ab" * 32}, "is not the model of retrain.json"),
        ({"config": {"lr": -1.0}}, "lr = -1.0"),
        ({"retrieval": {"point": {"k": "five"}}}, "k = 'five'"),
    ],
)
def test_a_retraining_that_does_not_fit_is_one_line(sweep: SweepFolder, changes: dict[str, Any], says: str) -> None:
    change_json(sweep.root / "retrain/retrain.json", **changes)
    assert says in refused(sweep)


def test_a_damaged_record_is_one_line(sweep: SweepFolder) -> None:
    (sweep.root / "retrain/retrain.json").write_text("{")
    assert "cannot be read" in refused(sweep)
    (sweep.root / "retrain/retrain.json").write_text("{}")
    assert "config" in refused(sweep)


def test_the_settings_come_back_from_the_file(tmp_path: Path, package: Path) -> None:
    assert read_config(package / "config.toml") == TrialConfig(**SETTINGS)
    odd = TrialConfig(weights='C:\\weights "ü".pth', classes=7, lr=1e-7)
    write_config(odd, tmp_path / "config.toml", "two\nlines")
    assert read_config(tmp_path / "config.toml") == odd
    assert tomllib.loads((tmp_path / "config.toml").read_text())["lr"] == 1e-7


# predict


@pytest.fixture
def pictures(exported_sweep: SweepFolder, tmp_path: Path) -> Path:
    """A folder with two pictures, one of them a level deeper, and a text."""
    paths = [row.path for row in read_split(exported_sweep.split).val][:2]
    (tmp_path / "pictures/deeper").mkdir(parents=True)
    shutil.copy(paths[0], tmp_path / "pictures/b.jpg")
    shutil.copy(paths[1], tmp_path / "pictures/deeper/a.JPG")
    (tmp_path / "pictures/notes.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_predict_names_classes_and_neighbours(package: Path, pictures: Path) -> None:
    done = call("predict", package, pictures / "b.jpg", "--top", 2, "--neighbours", 1)
    first, *guesses, nearest = done.stdout.splitlines()
    answer = carsray.load(package).predict(pictures / "b.jpg", top=2, k=1)
    assert first == str(pictures / "b.jpg")
    assert [line.split("  ")[-1] for line in guesses] == [guess.name for guess in answer.guesses]
    assert f"{answer.guesses[0].probability:.1%}" in guesses[0]
    assert nearest.split()[0] == "nearest"
    assert str(answer.neighbours[0].thumbnail) in nearest


def test_predict_writes_an_object_a_line(package: Path, pictures: Path) -> None:
    lines = call("predict", package, pictures, "--json").stdout.splitlines()
    answers = [json.loads(line) for line in lines]
    assert [answer["image"] for answer in answers] == [str(pictures / "b.jpg"), str(pictures / "deeper/a.JPG")]
    assert sum(guess["probability"] for guess in answers[0]["guesses"]) == pytest.approx(1)
    assert answers[0]["neighbours"][0].keys() >= {"file", "name", "distance", "thumbnail"}


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_predict_shows_a_name_that_is_no_utf8(package: Path, pictures: Path, more: list[str]) -> None:
    name = pictures / os.fsdecode(b"\xff.jpg")
    (pictures / "b.jpg").rename(name)
    assert f"{pictures}/\N{REPLACEMENT CHARACTER}.jpg" in call("predict", package, name, *more).stdout


def test_a_broken_picture_is_a_line_on_stderr_and_the_others_are_answered(package: Path, pictures: Path) -> None:
    Image.new("RGB", (30, 30)).save(pictures / "empty.png")
    (pictures / "c.jpg").write_bytes((pictures / "b.jpg").read_bytes()[:500])
    done = CliRunner().invoke(cli, ["predict", str(package), str(pictures), "nothing.jpg", "--json"])
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 3
    broken, missing = done.stderr.splitlines()
    assert "c.jpg: cannot be decoded" in broken
    assert "nothing.jpg: there is no such file" in missing


def test_a_folder_without_pictures_is_told(package: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["predict", str(package), str(tmp_path)])
    assert done.exit_code == 1
    assert "is a folder, not a picture" in done.stderr


def test_predict_refuses_another_folder(tmp_path: Path) -> None:
    with pytest.raises(CarsrayError, match="is no exported model"):
        call("predict", tmp_path, "a.jpg")


@pytest.mark.parametrize("command", ["export", "predict"])
def test_the_help_has_examples(command: str) -> None:
    assert f"carsray {command} cars-" in call(command, "--help").stdout
