"""Which sections a page has, in their order, and what those that it lacks are waiting for."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from carsray.data.remote import local_paths
from carsray.data.seal import sealed
from carsray.progress import Report
from carsray.report.answers import find_answers
from carsray.report.best_so_far import best_so_far
from carsray.report.comparing import compared
from carsray.report.curves import curves
from carsray.report.failures import failures
from carsray.report.final_model import final_model
from carsray.report.finalists import finalists
from carsray.report.mistakes import mistakes
from carsray.report.origin import origin
from carsray.report.parameters import parameters
from carsray.report.reading import Sweep
from carsray.report.retrieved import retrieved
from carsray.report.spending import spending
from carsray.report.thumbnails import Thumbnails
from carsray.report.trials import trials


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page; page/sections/<id>.html shows its data."""

    id: str
    title: str
    data: Any
    """None: there is nothing to show."""
    lacks: str = ""
    """Then: the command that makes it, or why there is nothing; empty where nobody misses it."""


def sections(sweeps: Sequence[Sweep], report: Report) -> list[Section]:
    """All sections of the first sweep's page. Test pictures stay sealed until retrain has opened them."""
    sweep, name = sweeps[0], sweeps[0].arguments
    shut = nullcontext() if sweep.findings.test_is_open else sealed(local_paths(sweep.split.test, sweep.settings.cache))
    with shut:
        pictures = Thumbnails(sweep.split, sweep.settings.cache)
        answers = find_answers(sweep, report)
        wrong = None if isinstance(answers, str) else mistakes(answers, sweep.split.classes, pictures)
        return [
            Section("compared", "Beside other sweeps", compared(sweeps)),
            Section("best_so_far", "Best so far", best_so_far(sweep)),
            Section("trials", "All trials", trials(sweep)),
            Section("parameters", "What mattered", parameters(sweep)),
            Section("curves", "Learning curves", curves(sweep)),
            Section("spending", "Time", spending(sweep)),
            Section("failures", "Failures", failures(sweep)),
            Section("finalists", "Finalists", finalists(sweep), f"carsray confirm {name}"),
            Section("final_model", "Final model", final_model(sweep), f"carsray retrain {name}"),
            Section("retrieved", "Retrieval", retrieved(sweep, pictures), f"carsray retrieval {name}"),
            Section("mistakes", "Mistakes", wrong, answers if isinstance(answers, str) else ""),
            Section("origin", "Origins", origin(sweep)),
        ]
