"""What a server was sent as workspace and report, taken apart into panels."""

import json
from typing import Any

from wandb_server import Stored

Panel = dict[str, Any]


def views(stored: Stored) -> tuple[dict[str, Any], dict[str, Any]]:
    """The specs of the workspace and of the report."""
    by_type = {view["type"]: json.loads(view["spec"]) for view in stored.views.values()}
    assert by_type.keys() == {"project-view", "runs"}
    return by_type["project-view"]["section"], by_type["runs"]


def sections(workspace: dict[str, Any]) -> dict[str, list[Panel]]:
    """Of the workspace: panels by the section's name."""
    return {each["name"]: each["panels"] for each in workspace["panelBankConfig"]["sections"]}


def chapters(report: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Of the report, by heading: the text below it, and the grid of panels."""
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    heading = text = ""
    for block in report["blocks"]:
        if block["type"] == "heading":
            heading, text = block["children"][0]["text"], ""
        elif block["type"] == "markdown-block":
            text = block["content"]
        elif block["type"] == "panel-grid":
            found[heading] = (text, block["metadata"])
    return found


def panels_of(grid: dict[str, Any]) -> list[Panel]:
    """Of a chapter's grid."""
    panels: list[Panel] = grid["panelBankSectionConfig"]["panels"]
    return panels


def all_panels(stored: Stored) -> list[Panel]:
    """Of both."""
    workspace, report = views(stored)
    grids = [panels_of(grid) for _, grid in chapters(report).values()]
    return [panel for panels in [*sections(workspace).values(), *grids] for panel in panels]


def asked_for(panel: Panel) -> set[tuple[str, str]]:
    """What a panel shows, each as where it lies (history, summary, config) and its name there."""
    config, found = panel["config"], set()
    axes = [config.get("xAxis"), config.get("yAxis"), *(column["accessor"] for column in config.get("columns", []))]
    for axis in filter(None, axes):
        kind, _, name = axis.rpartition(":")
        found.add((kind or "history", name.removesuffix(".value")))
    for metric in config.get("metrics", []):
        name = metric.removeprefix("summary_metrics.")
        found.add(("summary" if name != metric else "history", name))
    if config.get("groupBy"):
        found.add(("config", config["groupBy"].removesuffix(".value")))
    if config.get("targetKey"):
        found.add(("summary", config["targetKey"]))
    return found


def there(stored: Stored) -> set[tuple[str, str]]:
    """What the runs have, in the same words."""
    found = set()
    for run in stored.runs.values():
        found |= {("history", key) for row in run["lines"] for key in row}
        found |= {("config", key) for key in run["config"]}
        for key, value in run["summary"].items():
            inner = [f"{key}.{part}" for part in value] if isinstance(value, dict) else [key]
            found |= {("summary", name) for name in inner}
    return found
