"""How many searches are under way at a time: whoever comes beyond that is told so at once, before anything is read."""

from carsray.serve.asgi import App, Receive, Scope, Send

CROWD = 128
"""Searches that a front takes at a time."""
SEARCHES = "/api/search"


class Crowd:
    """ASGI: searches beyond so many at a time get the refusal; pages, pictures and health are always answered."""

    def __init__(self, app: App, most: int, refusal: App) -> None:
        self.app, self.most, self.refusal = app, most, refusal
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(SEARCHES):
            await self.app(scope, receive, send)
        elif self._under_way >= self.most:
            await self.refusal(scope, receive, send)
        else:
            self._under_way += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self._under_way -= 1
