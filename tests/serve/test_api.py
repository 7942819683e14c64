"""The service over HTTP, on a real server."""

import asyncio
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from uploads import BAD, GOOD

from carsray.final.package.model import load_model
from carsray.serve.asgi import Message, Receive, Scope, Send
from carsray.serve.crowd import Crowd
from carsray.serve.metrics import Counted
from carsray.serve.uploads import BoundedBody


def search(server: str, content: bytes, **asked: Any) -> httpx.Response:
    return httpx.post(f"{server}/api/search", files={"image": content}, params=asked, timeout=60)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_picture_gets_the_answer_of_the_model(server: str, package: Path) -> None:
    answer = search(server, GOOD["jpeg"], k=3).json()
    expected = load_model(package, "cpu").predict(GOOD["jpeg"], k=3)
    assert [guess["name"] for guess in answer["guesses"]] == [guess.name for guess in expected.guesses]
    probabilities = [guess["probability"] for guess in answer["guesses"]]
    assert probabilities == pytest.approx([guess.probability for guess in expected.guesses])
    assert [near["row"] for near in answer["neighbours"]] == [near.row for near in expected.neighbours]
    assert answer["asked"] is None


def test_the_class_filter_leaves_the_nearest_of_that_class(server: str, package: Path) -> None:
    gallery = load_model(package, "cpu").gallery
    name = "Car 1 1991"
    every = search(server, GOOD["jpeg"], k=len(gallery.rows)).json()["neighbours"]
    expected = [near["row"] for near in every if near["name"] == name][:4]
    found = search(server, GOOD["jpeg"], k=4, **{"class": name}).json()["neighbours"]
    assert [near["row"] for near in found] == expected


def test_a_gallery_picture_is_searched_from_and_is_not_its_own_neighbour(server: str, package: Path) -> None:
    answer = httpx.post(f"{server}/api/search/gallery/2", params={"k": 3}, timeout=60).json()
    gallery = load_model(package, "cpu").gallery
    (expected,) = gallery.nearest(gallery.rows[2:3], 4)
    assert [near["row"] for near in answer["neighbours"]] == [near.row for near in expected if near.row != 2][:3]
    assert (answer["asked"]["row"], answer["guesses"]) == (2, [])


def test_thumbnails_are_those_of_the_package(server: str, package: Path) -> None:
    got = httpx.get(f"{server}/api/gallery/1", timeout=60)
    assert got.content == (package / "gallery/00001.jpg").read_bytes()
    assert got.headers["content-type"] == "image/jpeg"


def test_the_model_is_described(server: str) -> None:
    about = httpx.get(f"{server}/api/model", timeout=60).json()
    assert about["classes"] == ["Car 0 1990", "Car 1 1991", "Car 2 1992"]
    assert about["pictures"] > 0
    assert 0 <= about["accuracy"] <= 1


def test_it_is_alive_and_ready_and_describes_its_api(server: str) -> None:
    assert httpx.get(f"{server}/healthz", timeout=60).is_success
    assert httpx.get(f"{server}/readyz", timeout=60).is_success
    assert "/api/search" in httpx.get(f"{server}/openapi.json", timeout=60).json()["paths"]


def test_pages_may_load_from_nowhere_else(server: str) -> None:
    for path in ("/", "/page.css", "/page.js"):
        got = httpx.get(server + path, timeout=60)
        assert "default-src 'none'" in got.headers["content-security-policy"]
        assert "//" not in got.text.replace("// ", "")


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_picture_is_answered(server: str, kind: str) -> None:
    assert search(server, GOOD[kind]).json()["guesses"]


def test_a_picture_is_turned_as_the_camera_was_held(server: str) -> None:
    def shares(kind: str) -> dict[str, float]:
        return {each["name"]: each["probability"] for each in search(server, GOOD[kind]).json()["guesses"]}

    assert shares("turned") == pytest.approx(shares("jpeg"), abs=0.02)


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_refused_in_one_line(server: str, kind: str) -> None:
    refused = search(server, BAD[kind])
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("the picture: ")
    assert "\n" not in refused.json()["error"]


@pytest.mark.parametrize("announced", [True, False])
def test_a_hundred_megabytes_are_refused_whether_announced_or_not(server: str, announced: bool) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'

    def parts() -> Iterator[bytes]:
        yield head
        yield from [bytes(2**20)] * 100

    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    headers |= {"Content-Length": str(len(head) + 100 * 2**20)} if announced else {}
    got = httpx.post(f"{server}/api/search", content=parts(), headers=headers, timeout=60)
    assert got.status_code == 413
    assert got.json()["error"].endswith("send a smaller picture")


def test_no_more_than_the_limit_reaches_the_application() -> None:
    read, sent = 0, []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal read
        while (message := await receive())["type"] != "http.disconnect":
            read += len(message["body"])
        await send({"type": "http.response.start", "status": 400})

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(300), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    bounded = BoundedBody(app, 1000, lambda most: Response(f"more than {most}", 413))
    asyncio.run(bounded({"type": "http", "headers": []}, receive, send))
    assert read == 900
    assert [message["status"] for message in sent if "status" in message] == [413]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/gallery/999999", 404),
        ("GET", "/api/gallery/-1", 404),
        ("GET", "/api/gallery/..%2fmodel.safetensors", 404),
        ("GET", "/api/gallery/one", 422),
        ("POST", "/api/search/gallery/999999", 404),
        ("POST", f"/api/search/gallery/{10**30}", 404),
        ("POST", "/api/search/gallery/0?k=0", 422),
        ("POST", "/api/search/gallery/0?k=1000000000", 422),
        ("POST", "/api/search/gallery/0?class=Unicorn", 404),
        ("POST", "/api/search", 422),
        ("GET", "/api/search", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/api/search/gallery/0?k=99", 503),
    ],
)
def test_a_request_outside_what_is_allowed_is_refused_with_a_reason(
    server: str, method: str, path: str, status: int
) -> None:
    refused = httpx.request(method, server + path, timeout=60)
    assert refused.status_code == status
    assert refused.json()["error"]


def test_whoever_comes_when_it_is_busy_is_told_when_to_ask_again(server: str) -> None:
    assert search(server, GOOD["jpeg"], k=99).headers["retry-after"] == "1"


def test_two_hundred_damaged_pictures_are_answered_or_refused_and_leave_nothing_in_memory(server: str) -> None:
    rng = np.random.default_rng(0)
    kinds = ["jpeg", "png", "webp", "cmyk", "animated gif"]
    before = 0
    with httpx.Client(timeout=60) as client:
        for number in range(200):
            if number == 50:  # by then the caches of the libraries are full
                before = resident_bytes()
            content = bytearray(GOOD[kinds[number % len(kinds)]])
            for at in rng.integers(0, len(content), rng.integers(1, 30)):
                content[at] = rng.integers(256)
            got = client.post(
                f"{server}/api/search", files={"image": bytes(content[: rng.integers(1, len(content) + 1)])}
            )
            assert got.status_code in (200, 400)
    assert resident_bytes() - before < 32 * 2**20  # this process serves as well


def test_searches_beyond_the_crowd_are_refused_at_once_and_health_is_not() -> None:
    statuses: list[tuple[str, int]] = []
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            await gate.wait()
        await send({"type": "http.response.start", "status": 200})

    crowd = Crowd(app, 2, Response("busy", 503))

    async def request(path: str) -> None:
        async def receive() -> Message:
            raise AssertionError("nothing of it is read")

        async def send(message: Message) -> None:
            if "status" in message:
                statuses.append((path, message["status"]))

        await crowd({"type": "http", "path": path}, receive, send)

    async def visit() -> None:
        waiting = [asyncio.create_task(request("/api/search")) for _ in range(2)]
        await asyncio.sleep(0)
        await request("/api/search")
        await request("/healthz")
        gate.set()
        await asyncio.gather(*waiting)
        await request("/api/search")

    asyncio.run(visit())
    assert statuses == [("/api/search", 503), ("/healthz", 200), *[("/api/search", 200)] * 3]


def test_a_search_that_was_refused_unread_is_counted_as_a_search() -> None:
    registry = CollectorRegistry()

    async def full(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})

    async def ignore(message: Message) -> None:
        pass

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    counted = Counted(full, registry)
    for path in ("/api/search", "/made/up"):
        asyncio.run(counted({"type": "http", "path": path}, nothing, ignore))
    count = partial(registry.get_sample_value, "carsray_requests_total")
    assert [count({"route": route, "status": "503"}) for route in ("/api/search", "none")] == [1, 1]


def test_requests_are_counted_by_route_and_status(server: str) -> None:
    def count() -> float:
        line = 'carsray_requests_total{route="/api/search/gallery/{row}",status="404"} '
        text = httpx.get(f"{server}/metrics", timeout=60).text
        return float(text.partition(line)[2].partition("\n")[0] or 0)

    before = count()
    httpx.post(f"{server}/api/search/gallery/999999", timeout=60)
    assert count() == before + 1
