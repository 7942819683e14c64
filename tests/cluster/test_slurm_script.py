"""slurm.sh with stand-ins for all that it calls: what it starts, and what it does with signals."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDINS = {
    "ray": "exit 0",
    "hostname": "echo 10.0.0.7 fe80::1",
    "srun": 'echo "srun $*" >>"$LOG"; exec sleep 60',
    "scontrol": 'echo "scontrol $*" >>"$LOG"',
    # As a sweep does: TERM ends it after a while, and properly.
    "carsray": 'trap "sleep 0.2; exit 130" TERM; echo "carsray $RAY_ADDRESS $CARSRAY_AWAIT $*" >>"$LOG"\n'
    'case "$*" in *--quick*) exit "${CODE:-0}" ;; esac; sleep 60 & wait',
}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the stand-ins were called with."""
    log = tmp_path / "log"
    (tmp_path / "bin").mkdir()
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    for name, body in STANDINS.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
    # Of all that Python is asked, the free port matters here and the wait does not.
    python = tmp_path / "bin/python3"
    python.write_text("#!/bin/sh\necho 41234\n")
    python.chmod(0o755)
    for key, value in {"JOB_ID": "77", "JOB_NUM_NODES": "3", "CPUS_PER_TASK": "8"}.items():
        monkeypatch.setenv(f"SLURM_{key}", value)
    monkeypatch.setenv("SLURMD_NODENAME", "node1")
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return log


def started(tmp_path: Path, *options: str) -> "subprocess.Popen[bytes]":
    """The script as sbatch would start it, in a session that ends with the test."""
    words = ["bash", "scripts/cluster/slurm.sh", "cars-1", "cnn.toml", *options]
    return subprocess.Popen(words, cwd=tmp_path, start_new_session=True, stdout=subprocess.DEVNULL)


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code; what it left running goes with it, as it would with the allocation."""
    code = process.wait(timeout=30)
    os.killpg(process.pid, signal.SIGKILL)
    return code


def until_logged(log: Path, word: str) -> None:
    for _ in range(300):
        if log.exists() and word in log.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(f"{word} never came: {log.read_text() if log.exists() else 'no log'}")


def lines(log: Path, program: str) -> list[str]:
    return [line for line in log.read_text().splitlines() if line.startswith(program + " ")]


def test_a_head_and_the_other_nodes_are_started_and_the_sweep_waits_for_all(log: Path, tmp_path: Path) -> None:
    process = started(tmp_path, "--quick", "--data", "/cars")
    for word in ("--head", "--address=10.0.0.7:41234", "--quick"):
        until_logged(log, word)
    assert ended(process) == 0
    head, workers = sorted(lines(log, "srun"), key=lambda line: "--head" not in line)
    assert "--nodelist=node1 ray start" in head
    assert "--node-ip-address=10.0.0.7 --port=41234 --include-dashboard=false" in head
    assert "--nodes=2 --ntasks=2 --exclude=node1" in workers
    (sweep,) = lines(log, "carsray")
    assert sweep.startswith("carsray 10.0.0.7:41234 CPU 24 sweep cnn.toml --address auto --cache /tmp/carsray-")
    assert sweep.endswith(" --quick --data /cars --name cars-1")


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_the_sweeps_and_a_job_that_ends_is_not_queued_again(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setenv("CODE", str(code))
    assert ended(started(tmp_path, "--quick")) == code
    assert lines(log, "scontrol") == []


@pytest.mark.parametrize(
    ("warning", "queued"), [(signal.SIGUSR1, ["scontrol requeue 77"]), (signal.SIGTERM, [])], ids=["limit", "scancel"]
)
def test_a_signal_ends_the_sweep_properly_and_the_limit_queues_the_job_again(
    log: Path, tmp_path: Path, warning: signal.Signals, queued: list[str]
) -> None:
    process = started(tmp_path)
    until_logged(log, "carsray")
    process.send_signal(warning)
    assert ended(process) == 130
    assert lines(log, "scontrol") == queued
