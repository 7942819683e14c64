"""The tables of the model card, each made of one file of the package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from carsray.files import read_csv
from carsray.final.package.folder import Package

WEAKEST = 5
CONFUSED = 5
RETRAIN = "`record/retrain.json`"
ROWS = {
    "accuracy": "right at first guess",
    "top5": "among the first five guesses",
    "precision_macro": "precision, mean over classes",
    "recall_macro": "recall, mean over classes",
    "f1_macro": "F1, mean over classes",
    "precision_weighted": "precision, weighted by pictures",
    "recall_weighted": "recall, weighted by pictures",
    "f1_weighted": "F1, weighted by pictures",
    "loss_scaled": "loss, calibrated",
    "loss": "loss before calibration",
    "ece_scaled": "calibration error, calibrated",
    "ece": "calibration error before",
}
"""Keys of `test` in retrain.json, and what the card calls them."""


def numbers_table(package: Package, retrain: Mapping[str, Any]) -> str:
    """What retrain.json says of the test pictures, and the temperature."""
    test = retrain["test"]
    rows = [
        (what, f"{test[key]:.4f}", _range(test.get(f"{key}_interval")), f"{RETRAIN} `test.{key}`")
        for key, what in ROWS.items()
        if test.get(key) is not None
    ]
    if len(retrain["seeds"]) > 1:
        each = ", ".join(f"{accuracy:.4f}" for accuracy in retrain["test_by_seed"])
        what = f"right at first guess, mean over seeds ({each})"
        rows.append((what, f"{retrain['mean']:.4f}", _range(retrain["mean_interval"]), f"{RETRAIN} `mean`"))
    twin = retrain["twin"]
    if twin.get("gain") is not None:
        what = "gained by training on val as well" + ("" if retrain["mean_interval"] else ", for these seeds")
        rows.append((what, f"{twin['gain']:+.4f}", _range(twin.get("gain_interval")), f"{RETRAIN} `twin.gain`"))
    if searched := retrain.get("retrieval"):
        interval = _range(searched.get("accuracy_interval"))
        rows.append(("right by its neighbours", f"{searched['accuracy']:.4f}", interval, f"{RETRAIN} `retrieval`"))
    temperature = package.read_json(package.calibration)["temperature"]
    rows.append(("temperature", f"{temperature:.4f}", "", "`calibration.json`"))
    return _table(("", "number", "95 % interval", "file"), rows)


def weakest_table(package: Package) -> str:
    """The classes with the lowest F1, of those that have test pictures; empty where there is no file of them."""
    name = "record/classes-test.csv"
    tested = [line for line in _lines(package.root / name) if int(line["pictures"])]
    lines = sorted(tested, key=lambda line: float(line["f1"] or 0))[:WEAKEST]
    rows = [
        (line["class"], line["pictures"], *(f"{float(line[key] or 0):.4f}" for key in ("precision", "recall", "f1")))
        for line in lines
    ]
    return _with_source(("class", "pictures", "precision", "recall", "F1"), rows, name)


def confused_table(package: Package) -> str:
    """The pairs of classes confused most often; empty where there is no file of them."""
    name = "record/confused-test.csv"
    lines = _lines(package.root / name)[:CONFUSED]
    rows = [(line["true"], line["taken_for"], f"{line['times']} of {line['of']}") for line in lines]
    return _with_source(("class", "taken for", "times"), rows, name)


def search_table(parameters: Mapping[str, str], chosen: Mapping[str, object]) -> str:
    """What was searched, and what was chosen; nothing where a setting had no meaning beside the others."""
    rows = [(f"`{name}`", what, _value(chosen.get(name, ""))) for name, what in parameters.items()]
    return _with_source(("setting", "searched", "chosen"), rows, "export.json")


def _with_source(heads: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> str:
    return _table((*heads, "file"), [(*row, f"`{name}`") for row in rows]) if rows else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _range(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else ""


def _value(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lines(path: Path) -> list[dict[str, str]]:
    return read_csv(path, "replace") if path.exists() else []
