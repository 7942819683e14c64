"""The panels of a sweep, each with the question that it answers as its title."""

from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2 as wr

from carsray.results import BEST
from carsray.space import Space
from carsray.tracking.facts import HOURS, RUNG, SweepFacts
from carsray.tracking.later_runs import RANK
from carsray.tracking.run import JobType

SCORE = f"{BEST}.max"
"""Where W&B keeps a metric whose summary is defined as its largest value."""
MOST_RUNS = 100
"""Curves in one panel; W&B shows ten unless told otherwise."""

COLUMNS = 24
"""Of a grid of panels."""

Panels = list[Any]
"""Of W&B's many classes of panels."""


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the workspace, a chapter of the report."""

    title: str
    job_type: JobType
    """Of the runs that it is about."""
    panels: Panels


def parts(facts: SweepFacts) -> list[Part]:
    """All of them, in the order of a reader's questions."""
    space = facts.space
    return [
        Part("Best so far", "trial", best_so_far()),
        Part("What matters", "trial", what_matters(space)),
        Part("Learning curves and rungs", "trial", curves(space)),
        Part("Cost", "trial", cost("GPU-hours" if facts.gpus else "Hours")),
        Part("Failures", "trial", failures()),
        Part("Finalists", "finalist", repetitions()),
        Part("Finalists with intervals", "verdict", intervals()),
        Part("Retrain", "retrain", retrain()),
        Part("Retrieval", "retrieval", retrieval()),
        Part("Each parameter", "trial", each_parameter(space)),
        Part("Machines", "trial", machines()),
    ]


def best_so_far() -> Panels:
    """The best score over the time of the sweep, and the best of all."""
    return [
        wr.ScatterPlot(
            title="Best so far: score of each trial over hours since the sweep began",
            x=wr.SummaryMetric(HOURS),
            y=wr.SummaryMetric(SCORE),
            running_ymax=True,
            layout=wr.Layout(w=18, h=10),
        ),
        wr.ScalarChart(
            title="Best", metric=wr.SummaryMetric(SCORE), groupby_aggfunc="max", layout=wr.Layout(w=6, h=10)
        ),
    ]


def what_matters(space: Space) -> Panels:
    """Importance of the parameters, and all of them side by side."""
    columns = [
        wr.ParallelCoordinatesPlotColumn(wr.Config(name), display_name=name, log=parameter.log or None)
        for name, parameter in space.parameters.items()
    ]
    score = wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(SCORE), display_name=BEST)
    return [
        wr.ParallelCoordinatesPlot(
            title="Every trial: brush an axis to see what the good ones have in common",
            columns=[*columns, score],
            layout=wr.Layout(w=COLUMNS, h=12),
        ),
        wr.ParameterImportancePlot(with_respect_to=SCORE, layout=wr.Layout(w=COLUMNS, h=10)),
    ]


def curves(space: Space) -> Panels:
    """The best epoch so far by epoch, the same at rungs alone, and both losses."""
    rungs = ", ".join(map(str, space.rungs))
    return [
        _curve(f"Best epoch so far by epoch; trials are compared at epochs {rungs}", [BEST, RUNG], w=COLUMNS),
        _curve(f"At the rungs: epochs {rungs}", [RUNG]),
        _curve("Validation accuracy by epoch", ["val/accuracy"]),
        _curve("Training loss by epoch", ["train/loss"]),
        _curve("Validation loss by epoch", ["val/loss"]),
    ]


def cost(unit: str) -> Panels:
    """What a point of the space costs, in GPU-hours or in hours, and what it gives."""
    metric = wr.SummaryMetric("cost/" + unit.lower().replace("-", "_"))
    return [
        wr.ScatterPlot(
            title=f"Score over cost: {unit} of a trial",
            x=metric,
            y=wr.SummaryMetric(SCORE),
            log_x=True,
            layout=wr.Layout(w=12, h=10),
        ),
        wr.BarPlot(
            title=f"{unit} of each trial",
            metrics=[metric],
            max_runs_to_show=MOST_RUNS,
            layout=wr.Layout(w=12, h=10),
        ),
        _curve("Seconds of training in each epoch", ["seconds/compute"]),
        _curve("Seconds of waiting for data in each epoch", ["seconds/data"]),
    ]


def failures() -> Panels:
    """How trials ended, failures by their kind."""
    return [
        _count("How trials ended", "trial/count", w=12),
        _count("Failures by kind", "trial/failed", w=12),
    ]


def repetitions() -> Panels:
    """The finalists' trainings, repeated with other seeds."""
    return [
        wr.BarPlot(
            title="Repetitions of each finalist: mean, and least and most over seeds",
            metrics=[wr.SummaryMetric("finalist/accuracy")],
            groupby=wr.Config("trial"),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            layout=wr.Layout(w=12, h=10),
        ),
        wr.LinePlot(
            title="Validation accuracy by epoch: mean over repetitions, and their range",
            x="epoch",
            y=["val/accuracy"],
            groupby=wr.Config("trial"),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            layout=wr.Layout(w=12, h=10),
        ),
    ]


def intervals() -> Panels:
    """The verdict on the finalists."""
    return [
        wr.LinePlot(
            title="Finalists by rank: mean accuracy with its 95 % interval",
            x=RANK,
            y=["finalist/mean", "finalist/low", "finalist/high"],
            title_x="rank of the finalist",
            layout=wr.Layout(w=COLUMNS, h=10),
        )
    ]


def retrain() -> Panels:
    """The winner's last training, and its twin's."""
    return [_curve("Training loss by epoch", ["train/loss"]), _curve("Training accuracy by epoch", ["train/accuracy"])]


def retrieval() -> Panels:
    """Nearest neighbours instead of the classifier."""
    return [
        wr.LinePlot(
            title="Retrieval: best accuracy at each k, by normalisation and distance",
            x="k",
            metric_regex="retrieval/.*/accuracy",
            log_x=True,
            layout=wr.Layout(w=COLUMNS, h=10),
        )
    ]


def each_parameter(space: Space) -> Panels:
    """One searched parameter against the score."""
    return [
        wr.ScatterPlot(
            title=f"{name} against the score",
            x=wr.Config(name),
            y=wr.SummaryMetric(SCORE),
            log_x=parameter.log or None,
            layout=wr.Layout(w=8, h=8),
        )
        for name, parameter in space.parameters.items()
    ]


def machines() -> Panels:
    """What the training processes used."""
    used = {
        "system/processors": "Processors in use",
        "system/memory_gb": "Memory, GB",
        "system/gpu": "Share of its time that the GPU is busy",
        "system/gpu_memory_gb": "GPU memory, GB",
        "system/cache_gb": "Cached activations on its disk, GB",
    }
    return [_curve(title, [metric]) for metric, title in used.items()]


def placed(panels: Panels) -> Panels:
    """The panels in rows from left to right, as their widths allow."""
    x = y = height = 0
    for panel in panels:
        if x + panel.layout.w > COLUMNS:
            x, y, height = 0, y + height, 0
        panel.layout = wr.Layout(x=x, y=y, w=panel.layout.w, h=panel.layout.h)
        x, height = x + panel.layout.w, max(height, panel.layout.h)
    return panels


def _curve(title: str, metrics: list[str], w: int = 12) -> wr.LinePlot:
    return wr.LinePlot(title=title, x="epoch", y=metrics, max_runs_to_show=MOST_RUNS, layout=wr.Layout(w=w, h=10))


def _count(title: str, metric: str, w: int) -> wr.BarPlot:
    return wr.BarPlot(
        title=title,
        metrics=[wr.SummaryMetric(metric)],
        groupby=wr.Config("outcome"),
        groupby_aggfunc="sum",
        layout=wr.Layout(w=w, h=10),
    )
