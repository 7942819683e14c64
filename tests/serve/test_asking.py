"""What becomes of a question when its replica is lost; the handle stands for Ray Serve's."""

import asyncio

import pytest
from ray.exceptions import RayActorError

from carsray.serve.answers import Answer
from carsray.serve.api import Busy
from carsray.serve.deployment import TRIES, asking
from carsray.serve.engine import Question

ANSWER = Answer(asked=None, guesses=[], neighbours=[])


class Replicas:
    """A handle whose first so many replicas die over the question."""

    def __init__(self, dying: int) -> None:
        self.dying = dying
        self.answer = self

    async def remote(self, question: Question) -> Answer:
        self.dying -= 1
        if self.dying >= 0:
            raise RayActorError
        return ANSWER


def test_a_question_whose_replica_is_lost_is_asked_again() -> None:
    assert asyncio.run(asking(Replicas(TRIES - 1))(Question(0, 5))) is ANSWER


def test_where_no_replica_lasts_the_service_is_busy() -> None:
    with pytest.raises(Busy):
        asyncio.run(asking(Replicas(TRIES))(Question(0, 5)))
