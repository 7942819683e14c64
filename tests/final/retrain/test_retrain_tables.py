import os
from pathlib import Path

import numpy as np
from tiny_retrain import swept

from carsray.cli.retrain_summary import weakest
from carsray.data.records import Row
from carsray.files import read_csv
from carsray.final.retrain.answering import Answers
from carsray.final.retrain.folder import RetrainFolder
from carsray.final.retrain.tables import write_test_tables


def test_names_that_are_no_utf8_do_not_stop_a_retrain_that_has_opened_test(tmp_path: Path) -> None:
    classes = (os.fsdecode(b"caf\xe9"), "b")
    paths = [os.fsdecode(b"/cars/caf\xe9/1.jpg"), "/cars/b/2.jpg", "/cars/b/3.jpg"]
    labels = np.array([0, 1, 1])
    rows = [Row(path, int(label), "", None) for path, label in zip(paths, labels, strict=True)]
    folder = RetrainFolder(swept(tmp_path))
    logits = np.array([[2, 0], [2, 0], [0, 2]], np.float32)
    write_test_tables(folder, rows, Answers("last", logits, labels), classes, 1.0)
    assert [line["path"] for line in read_csv(folder.answers, "surrogateescape")] == paths
    assert (folder.root / "confusion-test.csv").read_bytes().startswith(b",caf\xe9,b")
    assert list(weakest(folder)) == [
        "Most often confused: b for caf\ufffd (1 of 2)",
        "Weakest classes by F1: caf\ufffd 0.67; b 0.67",
    ]
