import os
from collections.abc import Iterator
from typing import Any

import pytest
import ray

from carsray.cluster.tasks import Ended, Tasks, share

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def ray_here() -> Iterator[None]:
    ray.init("local", num_gpus=1, include_dashboard=False, log_to_driver=False)  # one that no machine here has
    yield
    ray.shutdown()


def collected(tasks: Tasks) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for name, event in tasks.events():
        found.setdefault(name, []).append(event)
    return found


def test_events_come_in_order_with_one_end_and_shared_values_in_place() -> None:
    def count(numbers: list[int], factor: int) -> Iterator[int]:
        yield from (factor * number for number in numbers)

    tasks = Tasks(cpus=0.5, gpus=0)
    numbers = share([1, 2, 3])
    tasks.start("once", count, numbers, 1)
    tasks.start("twice", count, numbers, 2)
    assert collected(tasks) == {"once": [1, 2, 3, Ended()], "twice": [2, 4, 6, Ended()]}
    assert len(tasks) == 0


def test_a_broken_or_dead_task_says_why_and_the_others_go_on() -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise ValueError("no such thing")

    def dies() -> Iterator[int]:
        yield 1
        os._exit(3)

    def works() -> Iterator[int]:
        yield 2

    tasks = Tasks(cpus=0.5, gpus=0)
    for work in (breaks, dies, works):
        tasks.start(work.__name__, work)
    found = collected(tasks)
    assert found["works"] == [2, Ended()]
    broken, dead = found["breaks"][-1], found["dies"][-1]
    assert (broken.lost, dead.lost) == (False, True)
    assert broken.problem.startswith("ValueError: no such thing\n")
    assert 'raise ValueError("no such thing")' in broken.problem
    assert dead.problem.startswith("its worker process died")


def test_a_process_that_has_had_a_gpu_ends_with_its_task() -> None:
    def process() -> Iterator[int]:
        yield os.getpid()

    tasks = Tasks(cpus=0.1, gpus=1)
    for name in ("first", "second"):
        tasks.start(name, process)
    found = collected(tasks)
    assert found["first"][1:] == found["second"][1:] == [Ended()]
    assert found["first"] != found["second"]


def test_a_task_can_be_started_while_events_are_taken() -> None:
    def one() -> Iterator[int]:
        yield 1

    tasks, names = Tasks(cpus=0.5, gpus=0), []
    tasks.start("first", one)
    for name, event in tasks.events():
        names.append(name)
        if name == "first" and event == Ended():
            tasks.start("second", one)
    assert names == ["first", "first", "second", "second"]
