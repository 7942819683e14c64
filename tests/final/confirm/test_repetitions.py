import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from carsray.data.records import DataSplit, Row
from carsray.final.confirm.repetitions import RepetitionFolder


def test_answers_about_names_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    names = [os.fsdecode(b"/cars/\xff/1.jpg"), "/cars/b/2.jpg", "NA"]
    rows = tuple(Row(name, label, "", None) for label, name in enumerate(names))
    split = replace(DataSplit((os.fsdecode(b"\xff"), "b", "c"), (), (), (), "none", ""), val=rows)
    folder = RepetitionFolder(tmp_path)
    folder.write_answers(split, np.array([0, 2, 2]))
    paths, right = folder.read_right()
    assert paths == names
    assert right.tolist() == [True, False, True]
