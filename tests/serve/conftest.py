"""A package of toy pictures, and its service on a real HTTP server in a thread: Ray is in test_serving_ray.py."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from toy_package import toy_package

from carsray.final.package.folder import Package
from carsray.final.package.model import load_model
from carsray.serve.api import Busy, build_app
from carsray.serve.catalogue import Catalogue
from carsray.serve.engine import Engine, Question

# Ray Serve kills an HTTP proxy that is not ready after three times this long, and a busy machine takes longer.
os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "120")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model with thumbnails, without ONNX. To be read only."""
    return toy_package(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def engine(package: Path) -> Engine:
    return Engine(load_model(package, "cpu"))


@pytest.fixture(scope="session")
def server(package: Path, engine: Engine) -> Iterator[str]:
    """The address of the service. Asking for 99 neighbours finds it busy."""

    async def ask(question: Question) -> bytes:
        if question.k == 99:
            raise Busy
        (answer,) = await asyncio.to_thread(engine.answer, [question])
        return answer.model_dump_json().encode()

    async def ready() -> bool:
        return True

    config = uvicorn.Config(build_app(Catalogue(Package(package)), ask, ready), port=0, log_level="error", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run)
    thread.start()
    while not served.started and thread.is_alive():
        thread.join(0.01)
    (listener,) = served.servers[0].sockets
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    served.should_exit = True
    thread.join()
