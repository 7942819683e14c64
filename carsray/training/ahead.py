"""What a trial does while another process builds the view that it waits for: it builds one that is wanted later.

Trials that run side by side come to the same views at the same time. Without this all but one of them would idle.
"""

from collections.abc import Iterator
from contextlib import closing

from carsray.config import TrialConfig
from carsray.data.batches import TrainingData
from carsray.models.build import depth_at
from carsray.training.prefix_cache import PrefixCache, Steps, View
from carsray.training.team import Team

EPOCHS = 4
"""So many epochs ahead. Views of later ones may never be asked for: most trials end at the first rungs."""


def wanted_later(
    views: PrefixCache, config: TrialConfig, data: TrainingData, epoch: int, team: Team
) -> Iterator[Steps]:
    """The view of val, and those of the next epochs: this trial will come to them, or another one.

    None where room is scarce, and none for a team: all the others would wait for the one that builds.
    """
    if team.size > 1:
        return
    if data.val and views.roomy():
        yield views.eval_view(data.val)
    last = min(epoch + EPOCHS, config.epochs) if config.augment != "none" else epoch  # then all epochs have one view
    for later in range(epoch + 1, last + 1):
        if depth_at(config, later) == depth_at(config, epoch) and views.roomy():
            yield views.train_view(data.train, later)


def meanwhile(building: Steps, later: Iterator[Steps]) -> Steps:
    """The view that is asked for. Each time another process is found building it, the first of ``later`` that nobody
    builds is built; those before it are passed over for good. Building ahead shows as waiting does: (0, total).
    """
    while True:
        try:
            done, total = next(building)
        except StopIteration as end:
            view: View | None = end.value
            return view
        yield done, total
        if not done:
            for _ in _first_free(later):
                yield 0, total


def _first_free(later: Iterator[Steps]) -> Iterator[None]:
    built = False
    while not built and (steps := next(later, None)):
        with closing(steps):
            for done, _ in steps:
                if not done:  # another process has this one, too
                    break
                built = True
                yield
