import base64
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from made_report import CLASSES, add_finalists, add_retrain, made, made_split, made_sweep
from PIL import Image

from carsray.config import TrialConfig
from carsray.data.pack import ensure_pack
from carsray.models import build_network
from carsray.models.network import Network
from carsray.progress import silent
from carsray.report.answers import Answers, find_answers
from carsray.report.mistakes import mistakes
from carsray.report.reading import read_sweep
from carsray.report.thumbnails import SIZE, Thumbnails
from carsray.results import SweepFolder
from carsray.training.checkpoint import CheckpointInfo, checkpoint_bytes


def test_the_final_model_s_answers_on_test_are_the_surest(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    for add in (add_finalists, add_retrain):
        add(folder, read_sweep(folder).split)
    found = find_answers(read_sweep(folder), silent)
    assert isinstance(found, Answers)
    assert found.about == "the final model on 12 test pictures (held out, not the official test)"
    assert (found.predicted != found.labels).nonzero()[0].tolist() == [2]


def test_before_that_the_winner_s_repetitions_answer_on_pictures_they_were_not_trained_on(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_finalists(folder, read_sweep(folder).split)
    found = find_answers(read_sweep(folder), silent)
    assert isinstance(found, Answers)
    assert found.about == "the 2 repetitions of trial 2, each on pictures it was not trained on"
    assert (len(found.rows), (found.predicted != found.labels).sum()) == (24, 2)


def test_repetitions_that_an_earlier_confirmation_has_left_do_not_answer(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_finalists(folder, read_sweep(folder).split)
    own = folder.root / "confirm" / "0002"
    shutil.copytree(own / "seed-1", own / "seed-2")
    found = find_answers(read_sweep(folder), silent)
    assert isinstance(found, Answers)
    assert found.about.startswith("the 2 repetitions of trial 2")


def test_answers_about_test_do_not_count_before_the_ledger_says_that_it_was_opened(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    for add in (add_finalists, add_retrain):
        add(folder, read_sweep(folder).split)
    (folder.root / "test_ledger.jsonl").unlink()
    found = find_answers(read_sweep(folder), silent)
    assert isinstance(found, Answers)
    assert found.about.startswith("the 2 repetitions of trial 2")


def untrained(folder: SweepFolder, trial: int) -> Network:
    """Give a trial the weights of a network that nobody trained."""
    config = TrialConfig(backbone="cnn", depth=2, width=4, hidden=0, image_size=16, pack_size=16, precision="float32")
    network = build_network(config, len(CLASSES))
    folder.trial(trial).checkpoint.write_bytes(checkpoint_bytes(network, CheckpointInfo(config, CLASSES, 1)))
    return network.eval()


def test_before_confirm_the_best_trial_whose_weights_are_kept_is_asked_about_val(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    network = untrained(folder, 0)
    sweep = read_sweep(folder)
    found = find_answers(sweep, silent)
    assert isinstance(found, Answers)
    assert found.about == "trial 0 on the 12 pictures of val, which also chose it"
    pack = ensure_pack(sweep.split.val, TrialConfig(image_size=16, pack_size=16), tmp_path / "cache")
    shares = torch.tensor(pack.images[:]).permute(0, 3, 1, 2) / 255
    means, deviations = ((torch.tensor(each).view(3, 1, 1)) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    with torch.no_grad():
        assert found.predicted.tolist() == network((shares - means) / deviations).argmax(1).tolist()


def test_the_same_weights_are_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_sweep(tmp_path)
    untrained(folder, 2)
    first = find_answers(read_sweep(folder), silent)
    monkeypatch.setattr("carsray.report.answers.predict", None)
    again = find_answers(read_sweep(folder), silent)
    assert isinstance(first, Answers)
    assert isinstance(again, Answers)
    assert again.predicted.tolist() == first.predicted.tolist()


def test_weights_that_are_damaged_are_a_reason(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    folder.trial(2).checkpoint.write_bytes(b"no weights")
    assert "checkpoint.safetensors" in str(find_answers(read_sweep(folder), silent))


def test_without_weights_there_is_a_reason_instead(tmp_path: Path) -> None:
    assert find_answers(made(tmp_path), silent) == (
        "No weights are kept yet: they are saved at rungs and at the end of a trial."
    )


def test_answers_that_are_gone_are_a_reason_too(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    add_finalists(folder, read_sweep(folder).split)
    for path in folder.root.rglob("answers.csv"):
        path.unlink()
    assert "the answers are not there any more" in str(find_answers(read_sweep(folder), silent))


def test_confused_pairs_come_with_pictures_of_both_classes(tmp_path: Path) -> None:
    split = made_split(tmp_path)
    predicted = np.array([row.label for row in split.val])
    predicted[[0, 3]] = 2  # two of four plain ones are taken for spotted
    found = mistakes(Answers("someone", split.val, predicted), CLASSES, Thumbnails(split, tmp_path))
    (pair,) = found.pairs
    assert (pair.pair.true, pair.pair.taken_for, pair.pair.times, pair.pair.of) == ("plain", "spotted", 2, 4)
    assert [picture.name for picture in pair.mistaken] == ["plain", "plain"]
    assert [picture.name for picture in pair.others] == ["spotted", "spotted"]
    assert found.right == "10 of 12 right (83.33%)"
    assert found.hardest[0] == ("plain", "2 of 4", 50.0)


def test_each_class_has_precision_recall_and_f1(tmp_path: Path) -> None:
    split = made_split(tmp_path)
    predicted = np.array([row.label for row in split.val])
    predicted[[0, 3]] = 2
    found = mistakes(Answers("someone", split.val, predicted), CLASSES, Thumbnails(split, tmp_path))
    assert found.classes.rows == [
        ["plain", "4", "1.0000", "0.5000", "0.6667"],
        ["striped", "4", "1.0000", "1.0000", "1.0000"],
        ["spotted", "4", "0.6667", "1.0000", "0.8000"],
    ]


def test_the_precision_of_a_class_that_was_never_said_is_0(tmp_path: Path) -> None:
    split = made_split(tmp_path, ("a", "b"))
    found = mistakes(
        Answers("someone", split.val, np.zeros(8, dtype=np.int64)), ("a", "b"), Thumbnails(split, tmp_path)
    )
    assert found.classes.rows[1] == ["b", "4", "0.0000", "0.0000", "0.0000"]


def test_a_picture_that_is_gone_is_left_out_and_named(tmp_path: Path) -> None:
    split = made_split(tmp_path)
    Path(split.val[0].path).unlink()
    Path(split.val[1].path).write_bytes(b"no picture")
    pictures = Thumbnails(split, tmp_path)
    assert [pictures.of(row).uri for row in split.val[:2]] == [None, None]
    assert pictures.of(split.val[0]).name == "plain"


def test_thumbnails_are_small_whatever_the_picture_is(tmp_path: Path) -> None:
    split = made_split(tmp_path)
    Image.new("LA", (300, 40), (10, 100)).save(split.val[0].path)
    uri = Thumbnails(split, tmp_path).of(split.val[0]).uri
    assert uri is not None
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        assert (picture.size, picture.mode) == (SIZE, "RGB")
