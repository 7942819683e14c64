"""For all tests: nothing depends on how fast the machine is, and those of a folder share one Ray."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("carsray", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("carsray")


class OneRayAFolder(LoadScopeScheduling):  # type: ignore[misc]  # xdist's own code is untyped
    """A folder's files named test_*_ray.py run in one worker: they share a cluster. Others where there is room."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.rpartition("/")[0] if "_ray.py::" in nodeid else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return OneRayAFolder(config, log)
