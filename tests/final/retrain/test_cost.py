from pathlib import Path

import pytest
from tiny_retrain import name_winner, swept

from carsray.files import write_json
from carsray.final.retrain.chosen import read_chosen
from carsray.final.retrain.cost import cost_of
from carsray.final.retrain.folder import RetrainFolder
from carsray.final.retrain.trainings import plan_trainings
from carsray.training.whole import EpochEnd
from carsray.tuning.sweep import read_record


def test_gpu_hours_are_those_of_all_gpus_of_all_trainings_and_trials(tmp_path: Path) -> None:
    sweep = swept(tmp_path)
    name_winner(sweep)
    folder = RetrainFolder(sweep)
    trainings = plan_trainings(read_chosen(sweep, None), read_record(sweep)[1], 1, 0.0)
    folder.append_run("began")
    for training, gpus in zip(trainings, (4.0, 1.0), strict=True):
        own = folder.training(training.name)
        own.begin(training, int(gpus), gpus)
        for epoch in (1, 2):
            own.add_end(EpochEnd(epoch, {"train/loss": 1.0}, {"compute": 90.0, "data": 10.0}, "H100"))
    folder.append_run("ended")
    cost = cost_of(folder, [training.name for training in trainings])
    assert cost["gpu_hours"] == pytest.approx((200 * 4 + 200 * 1) / 3600)
    assert cost["search_gpu_hours"] == pytest.approx(30 * 0.5 / 3600)
    assert cost["device"] == "H100"
    assert 0 <= cost["seconds"] < 60
    assert 0 <= cost["search_seconds"] < 60


@pytest.mark.parametrize(("asked", "hours"), [(None, None), (0.25, 30 * 0.25 / 3600)])
def test_where_the_record_does_not_say_what_trials_had_what_was_asked_for_counts(
    asked: float | None, hours: float | None, tmp_path: Path
) -> None:
    sweep = swept(tmp_path)
    sweep.runs.unlink()  # of a carsray that did not note it
    record = sweep.read_settings()
    record["settings"]["gpus_per_trial"] = asked
    write_json(sweep.settings, record)
    assert cost_of(RetrainFolder(sweep), [])["search_gpu_hours"] == (None if hours is None else pytest.approx(hours))
