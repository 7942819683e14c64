"""What a front has answered, in Prometheus' format."""

import time

from fastapi import FastAPI, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from carsray.serve.asgi import App, Message, Receive, Scope, Send
from carsray.serve.crowd import SEARCHES


class Counted:
    """ASGI: counts requests by route and status, and times them."""

    def __init__(self, app: App, registry: CollectorRegistry) -> None:
        self.app = app
        self._requests = Counter("carsray_requests", "Requests answered", ["route", "status"], registry=registry)
        self._seconds = Histogram("carsray_seconds", "Seconds until the answer was sent", ["route"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            # The pattern, not the path: whoever invents paths would fill the memory with them.
            # A search by picture that was refused unread has come to no route.
            route = getattr(scope.get("route"), "path", SEARCHES if scope["path"] == SEARCHES else "none")
            self._requests.labels(route, str(status)).inc()
            self._seconds.labels(route).observe(time.perf_counter() - began)


def add_metrics(app: FastAPI) -> None:
    """GET /metrics, of this front alone."""
    registry = CollectorRegistry()
    app.add_middleware(Counted, registry=registry)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Requests by route and status, and how long they took, in Prometheus' format."""
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
