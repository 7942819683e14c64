"""The scheduler as Ray's controller calls it."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial

from carsray.results import BEST
from carsray.tuning.rungs import RungTable
from carsray.tuning.scheduler import RungScheduler
from carsray.tuning.turns import Turns


class Controller:
    """What the scheduler asks of Ray's: trials by number, stopped as TuneController.stop_trial does it."""

    def __init__(self, scheduler: RungScheduler) -> None:
        self._scheduler = scheduler
        self.trials: dict[int, Any] = {}

    def add(self, number: int, status: str) -> Any:
        trial = SimpleNamespace(config={"trial": number}, status=status, init_local_path=lambda: None)
        trial.set_config = trial.config.update
        self.trials[number] = trial
        self._scheduler.on_trial_add(self, trial)
        return trial

    def get_live_trials(self) -> list[Any]:
        return [trial for trial in self.trials.values() if trial.status != Trial.TERMINATED]

    def pause_trial(self, trial: Any, should_checkpoint: bool) -> None:
        trial.status = Trial.PAUSED

    def stop_trial(self, trial: Any) -> None:
        assert trial.status != Trial.RUNNING
        self._scheduler.on_trial_remove(self, trial)
        trial.status = Trial.TERMINATED


def scheduler_of(turns: Turns, spent: Callable[[], str] = lambda: "") -> RungScheduler:
    scheduler = RungScheduler(turns, 9, lambda number: None, spent)
    scheduler.set_search_properties(BEST, "max")
    return scheduler


def test_a_trial_that_fails_on_its_way_gives_its_seat_to_the_next() -> None:
    turns = Turns(RungTable([1, 3], 2), slots=1, new=2)
    scheduler = scheduler_of(turns)
    controller = Controller(scheduler)
    for number, score in enumerate((0.4, 0.6)):
        trial = controller.add(number, Trial.RUNNING)
        decision = scheduler.on_trial_result(controller, trial, {"epoch": 1, BEST: score})
    assert decision == "CONTINUE"
    scheduler.on_trial_complete(controller, trial, {"epoch": 1, BEST: 0.6, "failed": "loss became nan", "done": True})
    assert scheduler.choose_trial_to_run(controller) is controller.trials[0]


def test_at_a_limit_a_trial_that_still_waits_for_its_node_does_not_begin_and_is_not_waited_for() -> None:
    turns, limits = Turns(RungTable([1, 3], 3), slots=3, new=3), [""]
    scheduler = scheduler_of(turns, lambda: limits[0])
    controller = Controller(scheduler)
    waiting, running = controller.add(0, Trial.PENDING), controller.add(1, Trial.RUNNING)
    assert scheduler.choose_trial_to_run(controller) is None
    assert waiting.status == Trial.PENDING
    limits[0] = "the budget of 2 hours is spent"
    scheduler.choose_trial_to_run(controller)
    assert waiting.status == Trial.TERMINATED
    assert (running.status, turns.over()) == (Trial.RUNNING, False)
    assert scheduler.on_trial_result(controller, running, {"epoch": 2, BEST: 0.5}) == "STOP"
    scheduler.on_trial_complete(controller, running, {"epoch": 2, BEST: 0.5})
    assert turns.over()
    assert [turns.comes_again(number) for number in (0, 1)] == [True, True]
