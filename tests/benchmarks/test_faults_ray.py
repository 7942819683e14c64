"""Parts of real sweeps are killed: the short form of the benchmark `faults`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/benchmarks"))

import faults
from faults import Stage

from carsray.results import SweepFolder

pytestmark = pytest.mark.ray

TRIALS = 4


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("faults"), TRIALS, seed=0)


@pytest.fixture(scope="module")
def undisturbed(stage: Stage) -> SweepFolder:
    process, folder = stage.sweep("undisturbed")
    assert process.wait(faults.LONGEST) == 0
    return folder


@pytest.mark.soak
def test_a_killed_driver_loses_nothing_that_was_saved_and_leaves_no_process(
    stage: Stage, undisturbed: SweepFolder
) -> None:
    fault = faults.driver_killed(stage, undisturbed, kills=2)
    assert fault.kills == 2
    assert (fault.again, fault.missing, fault.same, fault.left) == (0, 0, True, 0)


@pytest.mark.soak
@pytest.mark.parametrize("part", faults.PARTS)
def test_a_sweep_goes_on_without_a_part_that_was_killed(part: str, stage: Stage, undisturbed: SweepFolder) -> None:
    fault = faults.part_killed(stage, undisturbed, part, kills=1)
    assert fault.kills == 1
    assert (fault.again, fault.missing, fault.same) == (0, 0, True)


@pytest.mark.soak
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")
def test_a_full_disk_ends_the_sweep_with_one_line_and_resume_goes_on(stage: Stage, undisturbed: SweepFolder) -> None:
    elsewhere = Stage(stage.root / "elsewhere", TRIALS, seed=0)
    fault = faults.disk_filled(elsewhere, undisturbed)
    assert (fault.again, fault.missing, fault.same) == (0, 0, True)
    said = elsewhere.said.read_text()
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line.endswith(
        "cannot be written: No space left on device. Free space or choose another folder, "
        f"then go on with: carsray resume full --results {elsewhere.root / 'small'}"
    )


def test_trials_of_a_node_that_is_gone_go_on_elsewhere(stage: Stage) -> None:
    fault = faults.nodes_lost(stage, kills=1)
    assert fault.kills == 1
    assert (fault.again, fault.missing) == (0, 0)


def test_a_sweep_in_which_everything_goes_wrong_now_and_then_accounts_for_every_trial() -> None:
    script = Path(faults.__file__).with_name("soak.py")
    done = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{\n") : done.stdout.index("\n}\n") + 2])
    assert sum(found["states"].values()) == found["trials"]
    assert found["left_behind"] == []
    assert [condition["what"] for condition in found["conditions"] if not condition["met"]] == []
