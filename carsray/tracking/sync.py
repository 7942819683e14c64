"""Sends a whole sweep to W&B from its record: one that ran offline or without W&B, or what a dead network held up."""

from dataclasses import dataclass

from carsray.progress import Report
from carsray.results import SweepFolder
from carsray.tracking.changes import all_runs
from carsray.tracking.facts import read_facts
from carsray.tracking.follow import at_last, tracking_alone, upkeep_of
from carsray.tracking.login import required_login


@dataclass(frozen=True, slots=True)
class Synced:
    """What came of it."""

    runs: int
    """Of the sweep."""
    problems: dict[str, str]
    """Why a run could not be sent, by its id."""
    url: str


def sync(folder: SweepFolder, project: str, report: Report) -> Synced:
    """Send what the server lacks of every run of a sweep; runs that are complete there are not asked about again.

    Raises TrackingError where the key is wrong, the server does not answer, or a tracker is at work.
    """
    account = required_login()
    with tracking_alone(folder):
        facts = read_facts(folder)
        upkeep = upkeep_of(folder, "online", project, account.entity)
        runs = [at_last(run) for run in all_runs(folder, facts)]
        for run in runs:
            upkeep.bring(run)
        while left := upkeep.left(seconds=1):
            report(len(runs) - left, len(runs))
            if left == len(upkeep.problems):
                break
        report(len(runs), len(runs))
    return Synced(len(runs), dict(upkeep.problems), f"{account.app.rstrip('/')}/{account.entity}/{project}")
