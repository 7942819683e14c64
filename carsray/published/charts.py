"""What the reports show: loss and accuracy curves of each experiment, and all experiments side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from carsray.published.folder import ReproductionFolder
from carsray.published.plan import Run
from carsray.published.tables import Row

STYLE: Any = {"svg.hashsalt": "carsray", "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
"""With a fixed salt the same numbers give the same file."""
COMPARED = ("accuracy", "precision", "recall", "f1")


def draw_curves(folder: ReproductionFolder, run: Run) -> Path | None:
    """Loss and accuracy of train and val by epoch, as SVG and PNG; none where nothing was trained."""
    history = folder.run(run).read_history()
    if not history:
        return None
    epochs = [epoch["epoch"] for epoch in history]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 3), layout="constrained")
        for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
            for side in ("train", "val"):
                axes.plot(epochs, [epoch[f"{side}/{metric}"] for epoch in history], marker="o", ms=3, label=side)
            axes.set(xlabel="epoch", ylabel=metric)
            axes.grid(alpha=0.3)
            axes.legend(frameon=False)
        figure.suptitle(f"{run.id}: {run.experiment.title} (seed {run.seed})")
        return _save(figure, folder.curves / f"{run.id}-seed-{run.seed}.png")


def draw_comparison(folder: ReproductionFolder, rows: Sequence[Row], title: str) -> Path | None:
    """Published and reproduced accuracy, precision, recall and F1 of every experiment, the first split of each."""
    first = {row.experiment: row.split for row in reversed(rows)}
    shown = [row for row in rows if row.metric in COMPARED and first[row.experiment] == row.split]
    names = list(dict.fromkeys(row.experiment for row in shown))
    if not names:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3 + 0.9 * len(names), 6), layout="constrained")
        for axes, metric in zip(figure.subplots(2, 2, sharex=True).flat, COMPARED, strict=True):
            _bars(axes, [row for row in shown if row.metric == metric], names)
            axes.set(title=metric, ylim=(0, 1))
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        figure.suptitle(title)
        return _save(figure, folder.comparison)


def _bars(axes: Any, rows: Sequence[Row], names: Sequence[str]) -> None:
    at = [names.index(row.experiment) for row in rows]
    axes.bar([x - 0.2 for x in at], [row.published or 0 for row in rows], 0.4, label="published", color="#bbbbbb")
    down = [max(0.0, min(row.reproduced, row.reproduced - row.interval[0])) for row in rows]
    up = [max(0.0, min(1 - row.reproduced, row.interval[1] - row.reproduced)) for row in rows]
    heights = [row.reproduced for row in rows]
    axes.bar([x + 0.2 for x in at], heights, 0.4, yerr=[down, up], label="reproduced", color="#3070b0", capsize=2)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.grid(axis="y", alpha=0.3)


def _save(figure: Figure, png: Path) -> Path:
    png.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(png, dpi=130)
    figure.savefig(png.with_suffix(".svg"), metadata={"Date": None})
    return png
