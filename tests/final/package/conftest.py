"""One export for all tests that only read it; exporting to ONNX takes seconds."""

from pathlib import Path

import pytest
from tiny_export import retrained

from carsray.final.package.export import Wanted, export
from carsray.progress import bar
from carsray.results import SweepFolder


@pytest.fixture(scope="session")
def exported_sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A sweep with a package in its results' `package`. To be read only."""
    home = tmp_path_factory.mktemp("exported")
    sweep = retrained(home)
    export(sweep, Wanted(home / "package"), bar)
    return sweep


@pytest.fixture(scope="session")
def package(exported_sweep: SweepFolder) -> Path:
    """An exported model. To be read only."""
    return exported_sweep.root.parent.parent / "package"
