import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHOUT = """
import runpy, sys
sys.modules |= dict.fromkeys(("ray", "optuna", "faiss", "wandb", "matplotlib", "obstore"))
sys.argv = ["scripts/benchmarks/fit.py", "--quick", "--device", "cpu"]
sys.path.insert(0, "scripts/benchmarks")
runpy.run_path("scripts/benchmarks/fit.py", run_name="__main__")
"""


@pytest.mark.process
def test_the_rate_of_a_trial_is_measured_where_there_is_no_ray() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for figure in ("fit_pictures_per_second", "resident_pictures_per_second", "% of the rate on a resident batch"):
        assert figure in done.stdout
