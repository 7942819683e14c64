import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from carsray.cli import cli
from carsray.config import SweepSettings, TrialConfig
from carsray.data.inspect import inspect
from carsray.data.sources.catalog import open_catalog
from carsray.data.split_file import write_split
from carsray.data.splits import make_split
from carsray.errors import CarsrayError, ClusterError
from carsray.files import write_json
from carsray.models import build_network
from carsray.results import SweepFolder, TrialState, create_sweep
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes

TINY = TrialConfig(backbone="cnn", depth=2, width=4, hidden=6, image_size=16, pack_size=16, precision="float32")
SPACE = """
[search]
k = { choices = [1, 3] }
distance = { choices = ["manhattan", "cosine"] }
normalize = { choices = ["none", "l2"] }
vote = { choices = ["majority"] }
"""


@pytest.fixture
def swept(tmp_path: Path) -> SweepFolder:
    """A sweep's folder with two trials, of which the second is better; neither is trained."""
    rng = np.random.default_rng(0)
    for label in range(3):
        for number in range(10):
            path = tmp_path / f"pictures/class {label}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = 80 * label + rng.integers(0, 60, (20, 20, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    catalog = open_catalog(tmp_path / "pictures")
    split, _ = make_split(catalog, inspect(catalog, tmp_path / "cache"), TINY)
    folder = create_sweep(tmp_path / "results", "cars")
    write_split(split, folder.split)
    settings = SweepSettings(data=tmp_path / "pictures", cache=tmp_path / "cache")
    write_json(folder.settings, {"settings": settings.model_dump(mode="json")})
    for number, score in enumerate((0.4, 0.6)):
        trial = folder.trial(number)
        config = TINY.model_copy(update={"seed": number})
        trial.root.mkdir(parents=True)
        trial.write_config({}, config.model_dump(mode="json"))
        trial.write_state(TrialState("finished", 1))
        trial.append({"epoch": 1, "val/accuracy_best": score})
        info = CheckpointInfo(config, split.classes, 1)
        trial.checkpoint.write_bytes(checkpoint_bytes(build_network(config, 3), info))
    (tmp_path / "space.toml").write_text(SPACE)
    return folder


def run(folder: Path, *args: Any) -> None:
    command = [
        "retrieval",
        *map(str, args),
        "--results",
        str(folder / "results"),
        "--space",
        str(folder / "space.toml"),
    ]
    CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False)


def test_the_best_trial_is_searched_and_all_files_are_left(swept: SweepFolder, tmp_path: Path) -> None:
    run(tmp_path, "cars", "--index", "hnsw")
    assert len(pd.read_csv(swept.root / "retrieval.csv")) == 2 * 2 * 2
    record = json.loads((swept.root / "retrieval.json").read_text())
    assert record["source"] == str(swept.trial(1).checkpoint)
    assert (record["gallery"], record["queries"], record["dimensions"]) == (18, 6, 6)
    assert json.loads((swept.root / "retrieval-index.json").read_text())["approximate"] is True
    assert len(pd.read_csv(swept.root / "retrieval-neighbours.csv")) == 6 * 6  # each of val, with six of train
    for name in ("retrieval-accuracy.png", "retrieval-neighbours.png"):
        with Image.open(swept.root / name) as picture:
            picture.verify()


def test_leave_one_out_has_files_of_its_own(swept: SweepFolder, tmp_path: Path) -> None:
    run(tmp_path, "cars", "--protocol", "leave-one-out", "--trial", "0")
    record = json.loads((swept.root / "retrieval-leave-one-out.json").read_text())
    assert (record["gallery"], record["queries"]) == (6, 6)
    assert not (swept.root / "retrieval.json").exists()


def test_the_second_time_nothing_is_embedded(swept: SweepFolder, tmp_path: Path, monkeypatch) -> None:
    run(tmp_path, "cars")
    monkeypatch.setattr("carsray.retrieval.source.embed", None)
    run(tmp_path, "cars", "--checkpoint", swept.trial(1).checkpoint)


def test_the_test_pictures_are_never_opened(swept: SweepFolder, tmp_path: Path) -> None:
    for picture in (tmp_path / "pictures").rglob("*.png"):
        if str(picture) in {line.split(",")[0] for line in swept.split.read_text().splitlines() if ",test," in line}:
            picture.write_bytes(b"not to be read")
    run(tmp_path, "cars")


def test_a_persons_own_embeddings_are_searched(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(30) % 3
    np.savez(tmp_path / "mine.npz", gallery=rng.random((30, 4)), gallery_labels=labels)
    (tmp_path / "space.toml").write_text(SPACE)
    run(tmp_path, "mine", "--embeddings", tmp_path / "mine.npz")
    assert json.loads((tmp_path / "results/mine/retrieval-leave-one-out.json").read_text())["points"] == 8


def test_an_index_of_an_earlier_search_does_not_stay_beside_a_new_one(swept: SweepFolder, tmp_path: Path) -> None:
    run(tmp_path, "cars", "--index", "hnsw")
    run(tmp_path, "cars")
    assert not (swept.root / "retrieval.index").exists()
    assert not (swept.root / "retrieval-index.json").exists()


def test_what_a_person_gets_wrong_is_one_line(swept: SweepFolder, tmp_path: Path) -> None:
    for args, says in (
        (["cars", "--trial", "7"], "--trial 7: has no checkpoint"),
        (["cars", "--embeddings", str(tmp_path / "mine.npz")], "cars is a sweep, whose retrieval is over its own"),
        (["bikes"], "is no sweep. Sweeps there: cars"),
        (["cars", "--trial", "1", "--checkpoint", "x"], "give one"),
        (["cars", "--checkpoint", str(tmp_path / "none")], "none: is no readable checkpoint"),
    ):
        with pytest.raises(CarsrayError, match=says) as told:
            run(tmp_path, *args)
        assert "\n" not in str(told.value)


def test_it_runs_where_the_sweep_ran_unless_told(swept: SweepFolder, tmp_path: Path) -> None:
    settings = swept.read_settings()["settings"] | {"address": "127.0.0.1:1"}
    write_json(swept.settings, {"settings": settings})
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1: nothing answers .* --address local"):
        run(tmp_path, "cars")
    run(tmp_path, "cars", "--address", "local")
    assert (swept.root / "retrieval.json").exists()
