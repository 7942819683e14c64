"""The final model: what retrain measured when it opened the test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carsray.report.numbers import bounds, point_bounds, points, share
from carsray.report.plots import Table
from carsray.report.reading import Sweep

SHARES = {
    "accuracy": "accuracy (top-1)",
    "top5": "among the first five",
    "precision_macro": "precision, mean over classes",
    "recall_macro": "recall, mean over classes",
    "f1_macro": "F1, mean over classes",
    "ece": "calibration error before the temperature",
    "ece_scaled": "calibration error after it",
}
LOSSES = {"loss": "loss before the temperature", "loss_scaled": "loss after it"}


@dataclass(frozen=True, slots=True)
class FinalModel:
    """Numbers on test."""

    sentences: Sequence[str]
    table: Table


def final_model(sweep: Sweep) -> FinalModel | None:
    """None before `carsray retrain`."""
    found = sweep.findings.retrained
    if not found:
        return None
    return FinalModel(list(_sentences(found)), _table(found["test"], found["twin"]["test"]))


def _sentences(found: Mapping[str, Any]) -> list[str]:
    pictures, times = found["pictures"], int(found.get("opening", 1))
    sentences = [
        f"Trained on {pictures['train']:,} pictures, train and val together, and asked about {pictures['test']:,} test "
        f"pictures ({found['test_kind']}) at the {_nth(times)} opening.",
        f"The twin, trained without val, shows what the merge has gained on the same pictures: "
        f"{points(found['twin']['gain'])} points, 95 % interval {point_bounds(found['twin']['gain_interval'])}"
        f"{'' if found['mean_interval'] else ', for these seeds'}.",
    ]
    if found["mean_interval"]:
        seeds = ", ".join(share(each) for each in found["test_by_seed"])
        sentences.append(
            f"Over {len(found['test_by_seed'])} seeds: mean {share(found['mean'])}, 95 % interval "
            f"{bounds(found['mean_interval'])} ({seeds}). Seed 0 is the model, fixed beforehand."
        )
    if retrieved := found.get("retrieval"):
        point = retrieved["point"]
        sentences.append(
            f"Retrieval with the point chosen on val (k = {point['k']}, {point['distance']}, {point['normalize']}, "
            f"{point['vote']}) reaches {share(retrieved['accuracy'])}, 95 % interval "
            f"{bounds(retrieved['accuracy_interval'])}."
        )
    return sentences


def _nth(times: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(times, f"{times}th")


def _table(final: Mapping[str, Any], twin: Mapping[str, Any]) -> Table:
    rows = []
    for name, words in SHARES.items():
        interval = final.get(f"{name}_interval")
        rows.append([words, share(final[name]), bounds(interval) if interval else "", share(twin[name])])
    rows += [[words, f"{final[name]:.4f}", "", f"{twin[name]:.4f}"] for name, words in LOSSES.items()]
    return Table("The final model on test, and its twin", ["measure", "final model", "95 % interval", "twin"], rows)
