"""The entrypoint of the launch files as Ray jobs on three nodes: killed, submitted again, and at its end."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts/benchmarks"))

from processes import descendants, kill, named

from carsray.leaderboard import read_rows
from carsray.results import SweepFolder

pytestmark = [pytest.mark.ray, pytest.mark.soak]

RAY = str(Path(sys.executable).with_name("ray"))
ENTRYPOINT = Path(__file__).parents[2] / "scripts/cluster/sweep-or-resume"
WAIT_SECONDS = 240
SPACE = """
[objective]
rungs = [1]
reduction = 2
[fixed]
backbone = "cnn"
image_size = 16
depth = 2
width = 4
hidden = 0
batch_size = 4
epochs = 40
[search]
lr = { low = 1e-4, high = 0.1, log = true, default = 0.01 }
"""
TRIALS = 4
CLUSTER = """
import sys
from ray.cluster_utils import Cluster
dashboard = {"include_dashboard": True, "dashboard_port": int(sys.argv[1])}
made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0, **dashboard})
for _ in range(2):
    made.add_node(num_cpus=2, num_gpus=0)
print("ready", flush=True)
sys.stdin.read()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)


class Jobs:
    """`ray job` on a cluster that asks for a token."""

    def __init__(self, dashboard: str, environment: dict[str, str], head: int) -> None:
        self._dashboard, self._environment, self.head = dashboard, environment, head

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [RAY, "job", words[0], "--address", self._dashboard, *words[1:]]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=WAIT_SECONDS)

    def ask(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def submit(self, job: str, command: list[str]) -> None:
        """As soon as a node has the agent that runs it."""
        until(lambda: self.run("submit", "--submission-id", job, "--no-wait", "--", *command).returncode == 0)

    def ended(self, job: str, how: str) -> bool:
        said = self.ask("status", job)
        assert how == "failed" or "failed" not in said, self.ask("logs", job)
        return how in said


@pytest.fixture(scope="module")
def jobs() -> Iterator[Jobs]:
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment = {**os.environ, **token, "RAY_raylet_start_wait_time_s": str(WAIT_SECONDS)}
    dashboard = free_port()
    # In a process of its own: Ray reads once in a process whether there is a token.
    command = [sys.executable, "-c", CLUSTER, str(dashboard)]
    cluster = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert cluster.stdout is not None
        assert cluster.stdout.readline() == "ready\n"
        yield Jobs(f"http://127.0.0.1:{dashboard}", environment, cluster.pid)
    finally:
        for pid in (*descendants(cluster.pid), cluster.pid):
            kill(pid)
        cluster.communicate()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for label in range(3):
        (root / str(label)).mkdir()
        for number in range(12):
            Image.new("RGB", (24, 24), (80 * label, 10 * number, 90)).save(root / str(label) / f"{number}.png")
    return root


def test_a_killed_job_is_gone_on_with_by_the_same_command(jobs: Jobs, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(SPACE)
    options = ["--data", pictures, "--results", tmp_path / "results", "--cache", tmp_path / "cache"]
    command = [ENTRYPOINT, "cars-1", tmp_path / "space.toml", *options, "--trials", TRIALS, "--concurrent", 2]
    submitted = ["env", "CARSRAY_AWAIT=CPU 4", *map(str, command)]
    folder = SweepFolder(tmp_path / "results/cars-1")

    def epochs() -> int:
        return sum(row.epochs for row in read_rows(folder))

    jobs.submit("first", submitted)
    until(lambda: epochs() >= 5)
    for pid in named(descendants(jobs.head), str(tmp_path / "space.toml")):
        kill(pid)
    until(lambda: jobs.ended("first", "failed"))
    assert epochs() >= 5
    assert not all(row.ended for row in read_rows(folder))

    jobs.submit("second", submitted)
    until(lambda: jobs.ended("second", "succeeded"))
    rows = read_rows(folder)
    assert [row.trial for row in rows] == list(range(TRIALS))
    assert {row.state for row in rows} <= {"finished", "pruned"}
    assert any(row.state == "finished" for row in rows)
    assert [run["event"] for run in folder.read_runs()] == ["began", "began", "ended"]
