"""How many searches a second `carsray serve` answers, against the model alone and an endpoint that does nothing.

    scripts/bench serve --package cars-model --pictures stanford_cars/cars_test

Three rates, in turn, of the same pictures:

    model      the model alone, in this process: a thread for each processor reads pictures and answers 32 at a time
    empty      64 clients on Ray Serve; what they send is received, and the answer is always the same
    service    64 clients on `carsray serve`

One second of the service is at best one of the model and the part of the empty endpoint that goes with it: share is
service / (1 / (1/model + 1/empty)). At the end two replicas serve, and one of them is killed: every request that was
taken has to be answered all the same. Clients, service and model share the processors.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as Ray gives a replica: the model alone is fastest so, too

import argparse
import asyncio
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import numpy as np
from fastapi import FastAPI, File, UploadFile
from harness import Condition, Figures, publish, significant, spread
from processes import descendants, kill, named
from ray import serve

from carsray.cluster.connect import connected
from carsray.data.sources.folders import SUFFIXES
from carsray.final.package.model import load_model
from carsray.serve.answers import Answer, Guess, Near
from carsray.serve.batches import LARGEST
from carsray.serve.deployment import Placement, serving
from carsray.serve.engine import Engine, Question

HOST, PORT = "127.0.0.1", 8123
BOUNDARY = "carsray"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
ANSWER = Answer(
    asked=None,
    guesses=[Guess(label=at, name="Audi TTS Coupe 2012", probability=0.2) for at in range(5)],
    neighbours=[
        Near(row=at, file="cars_train/00001.jpg", label=at, name="Audi TTS Coupe 2012", distance=0.1, thumbnail=True)
        for at in range(5)
    ],
)
"""As long as a real one."""


@dataclass(slots=True)
class Load:
    """What the clients of one round met."""

    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    waits: list[float] = field(default_factory=list)
    """Seconds until each answer."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses["200"] / self.seconds

    @property
    def errors(self) -> int:
        """Requests that got another answer, or none."""
        return sum(self.statuses.values()) - self.statuses["200"]


def body_of(content: bytes) -> bytes:
    """A form with one picture."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="car.jpg"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


async def load(bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """So many clients, each with one request after the other, for so long."""
    found, limit = Load(), aiohttp.TCPConnector(limit=clients)
    began = time.perf_counter()
    async with aiohttp.ClientSession(connector=limit, timeout=aiohttp.ClientTimeout(120)) as session:

        async def client(number: int) -> None:
            for body in cycle(bodies[number % len(bodies) :] + bodies[: number % len(bodies)]):
                if time.perf_counter() - began > seconds:
                    return
                asked = time.perf_counter()
                found.statuses[await _status(session, body)] += 1
                found.waits.append(time.perf_counter() - asked)

        await asyncio.gather(*map(client, range(clients)))
    found.seconds = time.perf_counter() - began
    return found


async def _status(session: aiohttp.ClientSession, body: bytes) -> str:
    try:
        async with session.post(f"http://{HOST}:{PORT}/api/search", data=body, headers=HEADERS) as answer:
            await answer.read()
            return str(answer.status)
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error).__name__


def alone(engine: Engine, contents: list[bytes], seconds: float) -> float:
    """Pictures a second of the model without a server, on all processors: a thread each, with batches of its own."""
    began, k = time.perf_counter(), engine.model.gallery.point.k

    def work(number: int) -> int:
        done, source = 0, cycle(contents[number:] + contents[:number])
        while time.perf_counter() - began < seconds:
            squares = [engine.model.read(content) for content in islice(source, LARGEST)]
            done += len(engine.answer([Question(square, k) for square in squares]))
        return done

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        done = sum(pool.map(work, range(workers)))
    return done / (time.perf_counter() - began)


@contextmanager
def empty() -> Iterator[None]:
    """The endpoint that does nothing, in place of the service."""
    app = FastAPI()

    @app.post("/api/search")
    async def search(image: Annotated[UploadFile, File()]) -> Answer:
        await image.read()
        return ANSWER

    @serve.deployment(max_ongoing_requests=1000)
    @serve.ingress(app)
    class Empty:
        pass

    with connected(None):
        serve.start(proxy_location="HeadOnly", http_options={"host": HOST, "port": PORT})
        serve.run(Empty.bind(), name="empty", route_prefix="/")
        try:
            yield
        finally:
            serve.shutdown()


async def load_and_kill(bodies: Sequence[bytes], clients: int, seconds: float) -> Load:
    """As load; half way a replica of the model is killed."""

    async def kill_one() -> None:
        await asyncio.sleep(seconds / 2)
        kill(random.choice(named(descendants(os.getpid()), "ray::ServeReplica:carsray:Answering")))

    killing = asyncio.create_task(kill_one())
    found = await load(bodies, clients, seconds)
    await killing
    return found


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """The three rates, some times, and the kill."""
    folder = options.pictures.resolve()
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"serve: {folder} holds no pictures")
    contents = [path.read_bytes() for path in random.Random(0).sample(paths, min(options.files, len(paths)))]
    bodies = [body_of(content) for content in contents]
    engine = Engine(load_model(options.package, "cpu"))
    alone(engine, contents, 2.0)
    rates: dict[str, list[float]] = {"model": [], "empty": [], "service": []}
    loads: list[Load] = []
    for _ in range(options.rounds):
        rates["model"].append(alone(engine, contents, options.seconds / 3))
        with empty():
            asyncio.run(load(bodies, options.clients, 2.0))
            rates["empty"].append(asyncio.run(load(bodies, options.clients, options.seconds / 3)).rate)
        with serving(options.package, Placement(HOST, PORT)):
            asyncio.run(load(bodies, options.clients, 5.0))
            loads.append(asyncio.run(load(bodies, options.clients, options.seconds)))
            rates["service"].append(loads[-1].rate)
    with serving(options.package, Placement(HOST, PORT, replicas=2)):
        asyncio.run(load(bodies, options.clients, 5.0))
        killed = asyncio.run(load_and_kill(bodies, options.clients, options.seconds))
    shares = [s * (1 / m + 1 / e) for m, e, s in zip(*rates.values(), strict=True)]
    waits = np.sort(np.concatenate([found.waits for found in loads]))
    figures = {
        "a_second": {name: spread(found) for name, found in rates.items()},
        "share": spread(shares),
        "answers": sum(found.statuses["200"] for found in loads),
        "wait_seconds": {name: significant(float(np.quantile(waits, q))) for name, q in _QUANTILES.items()},
        "killed": {"statuses": dict(killed.statuses), "longest_wait_seconds": significant(max(killed.waits))},
    }
    return figures, [
        Condition("share of the rate of model and empty endpoint in turn", statistics.median(shares), 0.85),
        Condition("requests that were not answered", sum(found.errors for found in loads), 0, at_most=True),
        Condition("the same, while a replica is killed", killed.errors, 0, at_most=True),
    ]


_QUANTILES: dict[str, float] = {"median": 0.5, "p95": 0.95, "p99": 0.99}


def parse() -> Any:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, required=True, help="what `carsray export` wrote")
    parser.add_argument("--pictures", type=Path, required=True, help="a folder of pictures to ask about")
    parser.add_argument("--files", type=int, default=200, help="how many of them")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    options = parse()
    publish("serve", lambda: measure(options), packages=("torch", "ray", "fastapi"))
