"""What becomes of questions on their way to the replicas; the handle stands for Ray Serve's."""

import asyncio
from collections.abc import Sequence

import pytest
from ray.exceptions import RayActorError

from carsray.errors import DataError
from carsray.serve.api import Busy
from carsray.serve.batches import LARGEST, Batches
from carsray.serve.deployment import TRIES, asking
from carsray.serve.engine import Question


class Replicas:
    """A handle whose first so many replicas die over the questions."""

    def __init__(self, dying: int) -> None:
        self.dying = dying
        self.answer = self

    async def remote(self, questions: list[Question]) -> list[bytes]:
        self.dying -= 1
        if self.dying >= 0:
            raise RayActorError
        return [b"{}"] * len(questions)


def test_questions_whose_replica_is_lost_are_asked_again() -> None:
    assert asyncio.run(asking(Replicas(TRIES - 1))([Question(0, 5)] * 2)) == [b"{}", b"{}"]


def test_where_no_replica_lasts_the_service_is_busy() -> None:
    with pytest.raises(Busy):
        asyncio.run(asking(Replicas(TRIES))([Question(0, 5)]))


class Model:
    """Answers when it is let to; of a row below zero it knows nothing."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.free = asyncio.Event()

    async def __call__(self, questions: list[Question]) -> Sequence[bytes | DataError]:
        rows = [question.row or 0 for question in questions]
        self.batches.append(rows)
        await self.free.wait()
        return [DataError(f"row {row}") if row < 0 else str(row).encode() for row in rows]


async def asked(model: Model, rows: Sequence[int], hang_up: Sequence[int] = ()) -> list[bytes | BaseException]:
    """What those get who ask while the model is busy; some hang up before it is free."""
    batches = Batches(model)
    asking = [asyncio.create_task(batches.ask(Question(row, 5))) for row in rows]
    await asyncio.sleep(0)
    for at in hang_up:
        asking[at].cancel()
    await asyncio.sleep(0)
    model.free.set()
    return await asyncio.gather(*asking, return_exceptions=True)


def test_what_comes_to_an_idle_model_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    async def run() -> None:
        model = Model()
        assert await asked(model, range(2 + LARGEST + 3)) == [str(row).encode() for row in range(2 + LARGEST + 3)]
        assert [len(batch) for batch in model.batches] == [1, 1, LARGEST, 3]

    asyncio.run(run())


def test_a_question_without_an_answer_does_no_harm_to_the_others_of_its_batch() -> None:
    async def run() -> None:
        found = await asked(Model(), [0, 1, 2, -3, 4])
        assert [type(one) for one in found] == [bytes, bytes, bytes, DataError, bytes]

    asyncio.run(run())


def test_who_has_hung_up_is_not_asked_for_and_holds_nobody_up() -> None:
    async def run() -> None:
        model = Model()
        found = await asked(model, range(6), hang_up=(0, 3))
        assert [row for batch in model.batches for row in batch] == [0, 1, 2, 4, 5]
        assert [one for one in found if isinstance(one, bytes)] == [b"1", b"2", b"4", b"5"]

    asyncio.run(run())


def test_where_a_batch_fails_all_of_it_is_told_and_the_next_goes_on() -> None:
    async def run() -> None:
        calls = []

        async def failing(questions: list[Question]) -> Sequence[bytes | DataError]:
            calls.append(len(questions))
            if len(calls) == 1:
                raise Busy
            return [b"{}"] * len(questions)

        batches = Batches(failing, under_way=1)
        found = await asyncio.gather(*(batches.ask(Question(0, 5)) for _ in range(3)), return_exceptions=True)
        assert isinstance(found[0], Busy)
        assert found[1:] == [b"{}", b"{}"]

    asyncio.run(run())


def test_a_service_that_ends_leaves_nobody_waiting() -> None:
    async def send(questions: list[Question]) -> Sequence[bytes | DataError]:
        raise asyncio.CancelledError

    async def ask() -> None:
        await asyncio.wait_for(Batches(send).ask(Question(0, 5)), timeout=10)

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(ask())
