"""For all tests: nothing depends on how fast the machine is, and two Rays at a time are enough."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# Ray's workers are nice by 15, and would wait for the tests that run beside them.
os.environ.setdefault("RAY_worker_niceness", "0")
# No test sends anything to W&B because somebody is logged in; those of tracking say what they want.
os.environ["WANDB_MODE"] = "disabled"
settings.register_profile("carsray", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("carsray")


class OneRayAWorker(LoadScopeScheduling):  # type: ignore[misc]  # xdist's own code is untyped
    """Files named test_*_ray.py: those of tests/tuning, which keep one cluster for all, run in one worker, those of the
    other folders in another. All other tests run where there is room.
    """

    def _split_scope(self, nodeid: str) -> str:
        if "_ray.py::" not in nodeid:
            return nodeid
        return "tuning" if nodeid.startswith("tests/tuning/") else "ray"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return OneRayAWorker(config, log)
