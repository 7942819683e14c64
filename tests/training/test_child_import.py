import subprocess
import sys

import pytest

pytestmark = pytest.mark.process


def test_a_training_process_does_without_what_takes_long_to_import() -> None:
    heavy = {"sklearn", "pandas", "scipy.stats", "matplotlib", "ray", "optuna", "faiss"}
    code = f"import sys, carsray.training.child; print(sorted({heavy} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
