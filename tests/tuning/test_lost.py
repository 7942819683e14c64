"""Lost actors that Ray Tune would not take for lost, and what it would do itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError, RayError, RayTaskError
from ray.tune.experiment import Trial

from carsray.training.messages import Failed
from carsray.tuning.actor import SNAPSHOT_SECONDS, TrialActor
from carsray.tuning.lost import ActorManager
from carsray.tuning.sweep import quiet


class Told(list[Exception]):
    """What reaches Ray's own handling."""


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    found = Told()
    monkeypatch.setattr(
        "ray.air.execution._internal.RayActorManager._actor_task_failed", lambda self, task, error: found.append(error)
    )
    return found


@pytest.mark.parametrize("error", [OutOfMemoryError("killed"), ObjectLostError("ab" * 28, "", "")])
def test_whatever_else_ray_says_of_an_actors_answer_its_actor_counts_as_lost(told: Told, error: RayError) -> None:
    ActorManager._actor_task_failed(object.__new__(ActorManager), None, error)
    assert [type(one) for one in told] == [RayActorError]


def test_errors_that_ray_tune_knows_stay_what_they_are(told: Told) -> None:
    errors = [RayActorError(), RayTaskError("step", "traceback", ValueError("x")), ValueError("of the driver")]
    for error in errors:
        ActorManager._actor_task_failed(object.__new__(ActorManager), None, error)
    assert told == errors


def test_ray_does_not_begin_a_trial_anew_whose_node_was_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TRAIN_COUNT_PREEMPTION_AS_FAILURE", raising=False)
    quiet()
    trial = Trial("demo", stub=True)
    trial._handle_ray_actor_error(RayActorError(preempted=True))
    assert not trial.should_recover()


class Asked:
    """Attempts that note what they are asked for."""

    def __init__(self) -> None:
        self.snapshots: list[bool] = []

    def next_epoch(self, snapshot: bool) -> Iterator[Any]:
        self.snapshots.append(snapshot)
        yield Failed("enough", "trial")


@pytest.mark.parametrize(("done", "wanted"), [(4, True), (5, False)])
def test_a_long_epoch_saves_itself_but_for_the_last(done: int, wanted: bool) -> None:
    actor, asked = object.__new__(TrialActor), Asked()
    long_ago = -2 * SNAPSHOT_SECONDS
    actor.__dict__ |= {"_attempts": asked, "_saved": long_ago, "_rungs": {1}, "_epochs": 6, "_epoch": done}
    actor.__dict__ |= {"_best": 0.0, "_node": "a"}
    actor.step()
    assert asked.snapshots == [wanted]
