"""A report in W&B: the answer first, then a chapter a question, with panels over the runs that it is about."""

import wandb_workspaces.reports.v2 as wr
from wandb_workspaces import expr

from carsray.results import SweepFolder
from carsray.tracking.dashboard import tables
from carsray.tracking.dashboard.panels import SCORE, Part, parts, placed
from carsray.tracking.facts import SweepFacts


def report(folder: SweepFolder, facts: SweepFacts, entity: str, project: str) -> wr.Report:
    """The report, not sent yet."""
    return wr.Report(
        entity=entity,
        project=project,
        title=f"carsray {facts.name}",
        description=f"Made by: carsray wandb dashboard {facts.name}",
        width="fluid",
        blocks=blocks(folder, facts, entity, project),
    )


def blocks(folder: SweepFolder, facts: SweepFacts, entity: str, project: str) -> list[wr.interface.BlockTypes]:
    """All chapters. Figures in words are of the day it was made; panels follow the runs."""
    said = {
        "Best so far": tables.leaders(folder, facts),
        "Failures": tables.failed(folder),
        "Finalists with intervals": tables.finalists(folder),
        "Retrieval": tables.retrieval(folder),
    }
    made: list[wr.interface.BlockTypes] = [wr.MarkdownBlock(tables.answer(folder, facts)), wr.TableOfContents()]
    for part in parts(facts):
        made.append(wr.H1(part.title))
        if part.title in said:
            made.append(wr.MarkdownBlock(said[part.title]))
        made.append(wr.PanelGrid(runsets=[runset(part, facts, entity, project)], panels=placed(part.panels)))
    return made


def runset(part: Part, facts: SweepFacts, entity: str, project: str) -> wr.Runset:
    """The runs that a chapter is about, ungrouped."""
    return wr.Runset(
        entity=entity,
        project=project,
        name=part.title,
        filters=[expr.Config("sweep_id") == facts.id, expr.Metric("JobType") == part.job_type],
        order=[wr.OrderBy(wr.SummaryMetric(SCORE), ascending=False)],
    )
