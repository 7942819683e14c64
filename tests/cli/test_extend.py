import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from filelock import FileLock

from carsray.cli import cli
from carsray.config import SweepSettings
from carsray.errors import ResultsError
from carsray.results import SweepFolder, create_sweep
from carsray.tuning.sweep import extend_record


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    made = create_sweep(tmp_path, "cars-1")
    settings = SweepSettings(data=Path("/cars"), cache=Path("/cache"), trials=5, target=0.5)
    made.settings.write_text(json.dumps({"settings": settings.model_dump(mode="json"), "started": "today"}))
    return made


def test_a_sweep_gets_more_trials_and_new_limits_and_keeps_the_rest(folder: SweepFolder) -> None:
    extend_record(folder, 3, {"budget_hours": 2.0})
    record = folder.read_settings()
    settings = SweepSettings.model_validate(record["settings"])
    assert (settings.trials, settings.budget_hours, settings.target) == (8, 2.0, 0.5)
    assert record["started"] == "today"


def test_what_a_sweep_was_asked_for_before_stays_known(folder: SweepFolder) -> None:
    for trials in (3, 0, 4):
        extend_record(folder, trials, {"target": 0.9})
    settings = SweepSettings.model_validate(folder.read_settings()["settings"])
    assert (settings.extended_from, settings.trials) == ((5, 8), 12)


def test_more_trials_under_a_limit_that_is_reached_are_refused_and_the_record_stays(folder: SweepFolder) -> None:
    runs = [{"event": "began", "time": 0.0}, {"event": "ended", "time": 3601.0, "why": "interrupted"}]
    folder.runs.write_text("".join(json.dumps(run) + "\n" for run in runs))
    before = folder.settings.read_text()
    with pytest.raises(ResultsError, match=r"the budget of 1 hours is spent, so nothing would begin. Name a limit"):
        extend_record(folder, 3, {"budget_hours": 1.0})
    assert folder.settings.read_text() == before


def test_to_extend_by_nothing_is_refused(folder: SweepFolder) -> None:
    found = CliRunner().invoke(cli, ["extend", "cars-1", "--results", str(folder.root.parent)])
    assert found.exit_code == 2
    assert "--trials" in found.output


def test_a_second_process_on_the_same_sweep_is_refused(folder: SweepFolder) -> None:
    other = FileLock(folder.root.with_name(".cars-1.lock"))
    with (
        other,
        pytest.raises(ResultsError, match="another process works on this sweep"),
        SweepFolder(folder.root).alone(),
    ):
        pass
    with folder.alone():
        pass
