"""Lost actors as Ray Tune does not know them."""

from typing import Any

from ray.air.execution._internal import RayActorManager
from ray.exceptions import RayActorError, RayError, RayTaskError


class ActorManager(RayActorManager):
    """Ray's own takes one error alone for a lost actor, and any other than an actor's own ends the whole sweep.

    Others are as good: Ray's memory monitor says that it killed the actor, or what it answered lay on a node that died.
    """

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, RayError) and not isinstance(exception, RayActorError | RayTaskError):
            exception = RayActorError(error_msg=str(exception))
        super()._actor_task_failed(tracked_actor_task, exception)
