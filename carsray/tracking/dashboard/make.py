"""Makes both, or brings both up to date where they have been made before."""

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from carsray.errors import CarsrayError, TrackingError
from carsray.files import write_json
from carsray.results import SweepFolder
from carsray.tracking.changes import all_runs
from carsray.tracking.facts import SweepFacts, read_facts
from carsray.tracking.ledger import Ledger, wandb_folder
from carsray.tracking.login import required_login


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Where the two are."""

    workspace: str
    report: str


def make_dashboard(folder: SweepFolder, project: str) -> Dashboard:
    """Send both. A second call changes those of the first, unless somebody has deleted them.

    Raises TrackingError where wandb-workspaces is missing, no run of the sweep was sent, or W&B will not have them.
    """
    if find_spec("wandb_workspaces") is None:
        raise TrackingError("carsray wandb dashboard needs wandb-workspaces: pip install wandb-workspaces")
    account = required_login()
    place = f"{account.entity}/{project}"
    facts = read_facts(folder)
    _check_sent(folder, facts, place)
    try:
        made = _send(folder, facts, account.entity, project)
    except CarsrayError:
        raise
    except Exception as error:  # the library knows no error of its own
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrackingError(f"W&B: {place}: the dashboard cannot be saved ({cause}). Try again later") from None
    write_json(_file(folder), {"place": place, **asdict(made)})
    return made


def _send(folder: SweepFolder, facts: SweepFacts, entity: str, project: str) -> Dashboard:
    from carsray.tracking.dashboard.report import blocks, report
    from carsray.tracking.dashboard.workspace import sections, workspace

    before = _before(folder, f"{entity}/{project}")
    page = _report_before(before)
    if page is None:
        page = report(folder, facts, entity, project)
    else:
        page.blocks = blocks(folder, facts, entity, project)
    page.save()
    view = _workspace_before(before)
    if view is None:
        view = workspace(facts, entity, project)
    else:
        view.sections = sections(facts)
    view.save()
    return Dashboard(view.url, page.url)


def _check_sent(folder: SweepFolder, facts: SweepFacts, place: str) -> None:
    ledger = Ledger(folder, place)
    if not any(ledger.holds(run) for run in all_runs(folder, facts)):
        raise TrackingError(
            f"W&B: {place}: has no run of {folder.name} yet. Send them: carsray wandb sync {folder.name}"
        )


def _report_before(before: Dashboard | None) -> Any:
    import wandb_workspaces.reports.v2 as wr

    try:
        return wr.Report.from_url(before.report) if before else None
    except Exception:  # deleted there, or changed beyond what the library reads
        return None


def _workspace_before(before: Dashboard | None) -> Any:
    import wandb_workspaces.workspaces as ws

    try:
        return ws.Workspace.from_url(before.workspace) if before else None
    except Exception:  # as above
        return None


def _before(folder: SweepFolder, place: str) -> Dashboard | None:
    try:
        known = json.loads(_file(folder).read_text(encoding="utf-8"))
        return Dashboard(known["workspace"], known["report"]) if known["place"] == place else None
    except (OSError, ValueError, KeyError):
        return None


def _file(folder: SweepFolder) -> Path:
    return wandb_folder(folder) / "dashboard.json"
