import json
from pathlib import Path

import pytest
from made_report import BEGAN, Told, made, made_sweep

from carsray.report.reading import read_sweep
from carsray.report.spending import MOST, spending


def test_the_parts_of_all_trials_fill_the_bar(tmp_path: Path) -> None:
    found = spending(made(tmp_path))  # 10 epochs: 6 s training, 3 s validation, 1 s start
    assert found is not None
    (bar,) = found.total.bars
    assert bar.number == "1 min 40 s"
    assert [(part.at, part.width) for part in bar.parts] == [(0, 60), (60, 30), (90, 10)]
    assert [key.text for key in found.total.keys] == ["training 60%", "validation 30%", "start 10%"]


def test_the_longest_trial_comes_first_and_is_as_wide_as_the_chart(tmp_path: Path) -> None:
    found = spending(made(tmp_path))
    assert found is not None
    assert [bar.trial for bar in found.trials.bars] == [2, 0, 1]
    assert sum(part.width for part in found.trials.bars[0].parts) == pytest.approx(100)
    assert sum(part.width for part in found.trials.bars[2].parts) == pytest.approx(50)


def test_of_many_trials_the_longest_are_drawn_and_all_are_in_the_table(tmp_path: Path) -> None:
    found = spending(made(tmp_path, [Told([0.1])] * (MOST + 3)))
    assert found is not None
    assert (len(found.trials.bars), found.left_out, len(found.table.rows)) == (MOST, 3, MOST + 3)


def test_gpu_hours_follow_from_the_share_of_a_trial(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    folder.runs.write_text(json.dumps({"event": "began", "time": BEGAN, "gpus_per_trial": 0.5}) + "\n")
    found = spending(read_sweep(folder))
    assert found is not None
    assert found.gpu_sentence.endswith("in 1 min 40 s by the clock: 0.01 GPU-hours at 0.5 of a GPU a trial.")
    assert found.table.head[-1] == "GPU-hours"
    assert found.table.rows[0][-1] == "0.006"  # 40 s at half a GPU


def test_where_the_record_does_not_tell_the_gpus_the_page_says_so(tmp_path: Path) -> None:
    found = spending(made(tmp_path))
    assert found is not None
    assert found.gpu_sentence.endswith("how many GPUs each had is not recorded.")


def test_without_an_epoch_no_time_is_told(tmp_path: Path) -> None:
    assert spending(made(tmp_path, [Told([], state="running")])) is None
