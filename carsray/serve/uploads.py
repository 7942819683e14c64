"""Pictures that strangers send: bounded in bytes while they arrive, in pixels and in number while they are decoded."""

import asyncio
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from fastapi import UploadFile

from carsray.data.given import squash_given
from carsray.serve.asgi import App, Message, Receive, Scope, Send

MAX_BYTES = 20 * 2**20
"""Of a request. Phones make pictures of up to 12 MB."""
DECODERS = 2
"""Pictures that are decoded at a time: each may take as much memory as inspect.MAX_PIXELS pixels do."""


class BoundedBody:
    """ASGI: a request of more than so many bytes gets 413, as soon as that is known, and is not read further."""

    def __init__(self, app: App, most: int, refusal: Callable[[int], App]) -> None:
        self.app, self.most, self.refusal = app, most, refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if _announced(scope) > self.most:
            await self.refusal(self.most)(scope, receive, send)
            return
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            if arrived > self.most:
                return {"type": "http.disconnect"}
            message = await receive()
            arrived += len(message.get("body", b""))
            return {"type": "http.disconnect"} if arrived > self.most else message

        async def unless_refused(message: Message) -> None:
            # What the application makes of a body that was cut short is nobody's business.
            if arrived <= self.most:
                await send(message)

        await self.app(scope, counted, unless_refused)
        if arrived > self.most:
            await self.refusal(self.most)(scope, receive, send)


def _announced(scope: Scope) -> int:
    """What the client says it will send; 0 where it does not say."""
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


class Decoder:
    """Pictures to squares, in a few threads, so that the server goes on answering."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._turns = asyncio.Semaphore(DECODERS)
        self._threads = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")

    async def read(self, upload: UploadFile) -> np.ndarray:
        """The picture, upright and squashed: uint8 (size, size, 3). Raises DataError, in one line, for what is none."""
        # Until its turn a large file stays on the disk, where the form's parser has put it.
        async with self._turns:
            content = await upload.read()
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._squash, content)

    def _squash(self, content: bytes) -> np.ndarray:
        # Pillow warns of large pictures and odd metadata.
        with warnings.catch_warnings(action="ignore"):
            return squash_given(content, self._size)
