"""export.json: what is known of a model only when it is exported, counted and measured."""

import time
from collections import Counter
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import carsray
from carsray.commit import git_commit
from carsray.data.sources import stanford_cars
from carsray.final.package.folder import FORMAT
from carsray.final.package.onnx_file import Parity
from carsray.final.package.retrained import Retrained
from carsray.leaderboard import read_rows
from carsray.space_file import load_space

LIBRARIES = ("torch", "torchvision", "pillow", "numpy", "onnx", "onnxscript", "onnxruntime")


def collect_facts(source: Retrained, parity: Parity | None) -> dict[str, Any]:
    """Everything in export.json; the versions of ONNX's packages only where they were used."""
    libraries = LIBRARIES if parity else LIBRARIES[:-3]
    return {
        "format": FORMAT,
        "name": source.sweep.name,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "carsray": carsray.__version__,
        "commit": git_commit(),
        "versions": {name: version(name) for name in libraries},
        "model": {
            "backbone": source.config.backbone,
            "weights": sum(parameter.numel() for parameter in source.network.parameters()),
            "embedding": source.network.embedding_size,
        },
        "data": {
            "stanford_cars": stanford_cars.recognise(source.data),
            "classes": len(source.split.classes),
            **{side: len(getattr(source.split, side)) for side in ("train", "val", "test")},
            "test_kind": source.split.test_kind,
            "fingerprint": source.split.fingerprint,
        },
        "search": _search(source),
        "onnx": asdict(parity) if parity else None,
    }


def _search(source: Retrained) -> dict[str, Any]:
    space = load_space(source.sweep.space, source.sweep.read_settings()["pinned"])
    rows = read_rows(source.sweep)
    states: Counter[str] = Counter(row.state for row in rows)
    return {
        "trials": len(rows),
        **{state: states[state] for state in ("finished", "pruned", "failed")},
        "epochs": sum(row.epochs for row in rows),
        "best": max((row.score for row in rows if row.best), default=None),
        "parameters": dict(space.describe()),
        "chosen": space.only_active({k: v for k, v in source.config.model_dump().items() if v is not None}),
    }
