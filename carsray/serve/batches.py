"""Questions that go together: a call to a replica costs as much for one question as for thirty."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from carsray.errors import DataError
from carsray.serve.engine import Question

LARGEST = 32
"""Questions in a batch."""
UNDER_WAY = 2
"""Batches that a front has at a replica: one that is answered, and one that waits for it."""

Sent = Callable[[list[Question]], Awaitable[Sequence[bytes | DataError]]]


class Batches:
    """What comes in while batches are under way goes together in the next one."""

    def __init__(self, send: Sent, under_way: int = UNDER_WAY) -> None:
        """``send`` gives the answers to a batch, as JSON; of a question that has no answer it returns the error."""
        self._send, self._most = send, under_way
        self._waiting: deque[tuple[Question, asyncio.Future[bytes]]] = deque()
        self._sending: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> bytes:
        """The answer, as JSON. Raises what there is to be raised."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        self._send_more()
        return await answer

    def _send_more(self) -> None:
        while len(self._sending) < self._most and (batch := self._next()):
            # Of nobody's context: what cancels one who asked is not to cancel the others.
            task = asyncio.create_task(self._deliver(batch), context=contextvars.Context())
            self._sending.add(task)
            task.add_done_callback(self._delivered)

    def _next(self) -> list[tuple[Question, "asyncio.Future[bytes]"]]:
        """Those who have waited longest, without those who have hung up."""
        batch: list[tuple[Question, asyncio.Future[bytes]]] = []
        while self._waiting and len(batch) < LARGEST:
            question, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((question, answer))
        return batch

    def _delivered(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._send_more()

    async def _deliver(self, batch: Sequence[tuple[Question, "asyncio.Future[bytes]"]]) -> None:
        try:
            found: Sequence[bytes | Exception] = await self._send([question for question, _ in batch])
        except Exception as error:
            found = [error] * len(batch)
        except asyncio.CancelledError:  # the service ends: nobody is left waiting
            found = [ConnectionAbortedError("the service ends")] * len(batch)
        for (_, answer), one in zip(batch, found, strict=True):
            if answer.done():
                continue
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)
