"""What a trial does while another process builds the view that it waits for: it builds one that is wanted later.

Trials that run side by side come to the same views at the same time. Without this all but one of them would idle.
"""

from collections.abc import Iterator
from contextlib import closing

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData
from carsray.models.build import depth_at
from carsray.training.prefix_cache import PrefixCache, Steps, View


def wanted_later(views: PrefixCache, config: TrialConfig, data: TrainingData, epoch: int) -> Iterator[Steps]:
    """The views after an epoch's own, the soonest first: some trial will come to them. None where room is scarce."""
    if data.val and views.roomy():
        yield views.eval_view(data.val)
    for later in range(epoch + 1, config.epochs + 1):
        if depth_at(config, later) == depth_at(config, epoch) and views.roomy():
            yield views.train_view(data.train, later)


def meanwhile(building: Steps, later: Iterator[Steps]) -> Steps:
    """The view that is asked for; each time another process is found building it, the first of ``later`` that nobody
    builds is built.
    """
    while True:
        try:
            done, total = next(building)
        except StopIteration as end:
            view: View | None = end.value
            return view
        if not done:
            yield from _first_free(later)
        yield done, total


def _first_free(later: Iterator[Steps]) -> Iterator[tuple[int, int]]:
    built = False
    while not built and (steps := next(later, None)):
        with closing(steps):
            for done, total in steps:
                if not done:  # another process has this one, too
                    break
                built = True
                yield done, total
