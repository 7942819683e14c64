import subprocess
import sys


def test_an_actor_does_without_torch() -> None:
    """Its training process needs it; here it would cost seconds and hundreds of megabytes a trial."""
    code = "import sys, carsray.tuning.actor; print(sorted({'torch', 'sklearn', 'torchvision'} & sys.modules.keys()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
