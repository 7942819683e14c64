"""What the autoscaler is asked for, on a real Ray that has no autoscaler: the request lies there for one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from ray.autoscaler._private.constants import AUTOSCALER_RESOURCE_REQUEST_CHANNEL
from ray.cluster_utils import Cluster
from ray.experimental.internal_kv import _internal_kv_get

pytestmark = pytest.mark.ray
SCRIPT = Path(__file__).parents[2] / "scripts/cluster/await_resources.py"
IMPATIENT = "import os, await_resources as script; script.PATIENCE_SECONDS = 0; "


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


def asked_for() -> list[dict[str, int]]:
    return list(json.loads(_internal_kv_get(AUTOSCALER_RESOURCE_REQUEST_CHANNEL)))


def test_a_request_stands_while_the_sweep_lacks_something_and_no_longer(cluster: Cluster) -> None:
    env = {**os.environ, "RAY_ADDRESS": cluster.address}
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as sweep:
        begin = f"{IMPATIENT}script.main('CPU', 3, os.pidfd_open({sweep.pid}), False)"
        subprocess.run([sys.executable, "-c", begin], env={**env, "PYTHONPATH": str(SCRIPT.parent)}, check=True)
        assert asked_for() == [{"CPU": 1}] * 3
        process = os.pidfd_open(sweep.pid)
        words = [sys.executable, SCRIPT, "CPU", "3", str(process), "begun"]
        beside = subprocess.Popen(words, env=env, pass_fds=[process])
        os.close(process)
        assert beside.poll() is None
    assert beside.wait() == 0
    deadline = time.monotonic() + 240
    while asked_for():  # the first command has left one beside the sweep, too
        assert time.monotonic() < deadline


def test_what_has_come_is_asked_for_no_longer(cluster: Cluster) -> None:
    env = {**os.environ, "RAY_ADDRESS": cluster.address}
    subprocess.run([sys.executable, SCRIPT, "CPU", "1", str(os.getpid())], env=env, check=True)
    assert asked_for() == []
