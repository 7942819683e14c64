"""A small exported model, through the formats of the retraining (tests/final/package/tiny_export.py)."""

import importlib.util
from pathlib import Path

from carsray.final.package.export import Wanted, export
from carsray.progress import bar

TINY = Path(__file__).parents[1] / "final/package/tiny_export.py"


def toy_package(home: Path) -> Path:
    """Its folder, in home; the pictures are home/pictures."""
    spec = importlib.util.spec_from_file_location("tiny_export_to_serve", TINY)
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    export(tiny.retrained(home), Wanted(home / "package", onnx=False), bar)
    return home / "package"
