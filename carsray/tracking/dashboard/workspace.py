"""A view of the project in W&B: the panels of one sweep, and its trials in the table beside them."""

import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from carsray.tracking.dashboard.panels import SCORE, parts, placed
from carsray.tracking.facts import SweepFacts

OPEN = 3
"""Sections that are open from the start; the others load when somebody opens them."""
MOST_RUNS = 100


def workspace(facts: SweepFacts, entity: str, project: str) -> ws.Workspace:
    """The view, not sent yet.

    Its runs are not grouped: W&B's panel of importances stays empty under groups.
    """
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"carsray {facts.name}",
        sections=sections(facts),
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=MOST_RUNS),
        runset_settings=ws.RunsetSettings(
            filters=[expr.Config("sweep_id") == facts.id],
            order=[expr.Ordering(expr.Summary(SCORE), ascending=False)],
            pinned_columns=pinned(facts),
        ),
    )


def sections(facts: SweepFacts) -> list[ws.Section]:
    """A section a part."""
    return [
        ws.Section(name=part.title, panels=placed(part.panels), is_open=number < OPEN)
        for number, part in enumerate(parts(facts))
    ]


def pinned(facts: SweepFacts) -> list[str]:
    """Columns of the table of runs: the score, how it ended, the searched parameters."""
    searched = [f"config:{name}.value" for name in facts.space.parameters]
    return ["run:displayName", f"summary:{SCORE}", "config:outcome.value", "summary:trial/epochs", *searched]
