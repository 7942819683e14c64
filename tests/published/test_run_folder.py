import os
from pathlib import Path

import numpy as np

from carsray.data.records import Row
from carsray.published.folder import RunFolder
from carsray.published.work import Measured


def test_answers_about_names_that_are_no_utf8_come_back_as_they_were(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    rows = tuple(Row(os.fsdecode(b"/\xff/1.jpg"), label, "", None) for label in (0, 1, 1))
    answers = {"label": np.array([0, 1, 1]), "predicted": np.array([0, 0, 1]), "loss": np.array([0.1, 2.5, 0], "f4")}
    folder.write_measured(Measured("one", "test", {"accuracy": 2 / 3}, answers), rows, (os.fsdecode(b"\xff"), "b"))
    found = folder.read_answers("test")
    assert found.keys() == answers.keys()
    assert all(np.array_equal(found[name].astype(kept.dtype), kept) for name, kept in answers.items())
    assert found["label"].dtype == np.int64
    assert "test" in folder.read_metrics()
