"""What is lost when parts of a sweep are killed: the driver, trial actors, training processes, a node; a full disk.

    scripts/bench faults

Each kill is SIGKILL, at a random moment, on a sweep of the custom CNN over drawn pictures, one trial at a time, so that
its decisions can be compared with those of a sweep that nobody disturbed. Counted are

    kills        how often; in a sweep that ends before, fewer than asked for
    finished     epochs on record at the moments of the kills, in all
    unsaved      of these, epochs after the last snapshot of a trial under way: they are trained again
    again        epochs before it that were trained again all the same: there should be none
    missing      trials that have no end in the final record, or failed: there should be none
    same         whether the final record is that of the undisturbed sweep, number for number; null for the sweep that
                 loses nodes, three trials at a time
    left         processes still there half a minute after the driver was killed, Ray's two agents apart
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from account import Account, Fault, epochs_on_record
from harness import Condition, Figures, publish
from processes import command_line, descendants, gone, kill, named, wait_for
from ray.cluster_utils import Cluster
from small_sweep import COMMAND, lay_out

from carsray.leaderboard import read_rows
from carsray.results import SweepFolder

OBJECTIVE = "rungs = [1, 3]\nreduction = 3\nnoise = false"  # with noise the clock has a say in who goes on
SEARCH = """\
optimizer = { choices = ["adam", "sgd"], default = "adam" }
lr = { low = 1e-4, high = 1e-1, log = true, default = 1e-3 }
batch_size = { choices = [16, 32], default = 16 }"""
LONGEST = 600.0
"""Seconds for a sweep of a few minutes: longer, and it hangs."""
LEAVE_SECONDS = 30.0
"""Actors and training processes notice the end of their owner within seconds."""
PARTS = {
    "training-process": ("carsray.child", "carsray.training.child"),  # forked, and started anew
    "trial-actor": ("ray::TrialActor", "ray::ResourceTrainable"),  # while it waits, and while it trains
}
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
"""Of Ray's own, idle and small: they notice after a minute."""

Killer = Callable[[subprocess.Popen[bytes], SweepFolder, random.Random], int]
"""Kills something of a running sweep; how many processes that were."""


class Stage:
    """Pictures, a space, and sweeps over them in folders of their own."""

    def __init__(self, root: Path, trials: int, seed: int) -> None:
        self.root, self.trials, self.random = root, trials, random.Random(seed)
        self.results, self.said = root / "results", root / "said.txt"
        lay_out(root, OBJECTIVE, SEARCH)

    def sweep(self, name: str, *more: object) -> tuple[subprocess.Popen[bytes], SweepFolder]:
        """Begin a sweep."""
        asked = ["--data", self.root / "pictures", "--trials", self.trials, "--concurrent", 1, "--name", name, *more]
        return self._start("sweep", self.root / "space.toml", *asked, "--cache", self.root / "cache"), self.folder(name)

    def resume(self, name: str) -> subprocess.Popen[bytes]:
        """Go on with one."""
        return self._start("resume", name)

    def folder(self, name: str) -> SweepFolder:
        """Its record."""
        return SweepFolder(self.results / name)

    def _start(self, *arguments: object) -> subprocess.Popen[bytes]:
        command = [COMMAND, *arguments, "--results", self.results]
        with self.said.open("a") as said:
            return subprocess.Popen(list(map(str, command)), stdout=said, stderr=said, process_group=0)


def _moment(process: subprocess.Popen[bytes], folder: SweepFolder, chance: random.Random) -> bool:
    """Wait for one to three more epochs and a bit; False if the sweep ended before."""
    target = epochs_on_record(folder) + chance.randint(1, 3)
    if not wait_for(lambda: epochs_on_record(folder) >= target, process.pid):
        return False
    return not wait_for(lambda: False, process.pid, within=chance.uniform(0, 0.7)) and process.poll() is None


def killed_with_all(process: subprocess.Popen[bytes]) -> list[int]:
    """Kill a driver; those of its descendants that are still there a while later."""
    born = descendants(process.pid)
    kill(process.pid)
    process.wait(LONGEST)
    return gone([pid for pid in born if not command_line(pid).startswith(AGENTS)], LEAVE_SECONDS)


def driver_killed(stage: Stage, undisturbed: SweepFolder, kills: int) -> Fault:
    """The driver again and again, and all that descends from it left to itself."""
    process, folder = stage.sweep("driver")
    account, left = Account(folder), 0
    while account.kills < kills and _moment(process, folder, stage.random):
        left += len(killed_with_all(process))
        account.note()
        process = stage.resume("driver")
    process.wait(LONGEST)
    return account.closed("driver", stage.trials, undisturbed, left)


def part_killed(stage: Stage, undisturbed: SweepFolder, part: str, kills: int) -> Fault:
    """A process below the driver, one of PARTS, while the sweep goes on; once in a trial at most.

    A training process killed twice in one is taken to lack memory: its batches are cut in two, and its numbers change.
    """
    process, folder = stage.sweep(part)
    account = Account(folder)
    struck: set[int] = set()
    while account.kills < kills and _moment(process, folder, stage.random):
        running = {row.trial for row in read_rows(folder) if row.state == "running"} - struck
        found = named(descendants(process.pid), *PARTS[part]) if running else []
        for pid in found[:1]:
            kill(pid)
            account.note()
            struck |= running
    process.wait(LONGEST)
    return account.closed(part.replace("-", " "), stage.trials, undisturbed)


def nodes_lost(stage: Stage, kills: int) -> Fault:
    """Of three worker nodes one after the other, without grace; each time a new one joins."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
        process, folder = stage.sweep("nodes", "--address", cluster.address, "--concurrent", 3)
        account = Account(folder)
        while account.kills < kills and _moment(process, folder, stage.random):
            cluster.remove_node(nodes.pop(stage.random.randrange(3)), allow_graceful=False)
            account.note()
            nodes.append(cluster.add_node(num_cpus=1))
        process.wait(LONGEST)
    finally:
        cluster.shutdown()
    return account.closed("worker node", stage.trials, None)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of so many bytes; only root can make one."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def disk_filled(stage: Stage, undisturbed: SweepFolder) -> Fault:
    """The disk of the results runs full in the middle; then there is room again."""
    stage.results = stage.root / "small"
    with small_disk(stage.results, "24m"):
        process, folder = stage.sweep("full")
        account = Account(folder)
        wait_for(lambda: epochs_on_record(folder) >= 4, process.pid)
        ballast = stage.results / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        process.wait(LONGEST)
        ballast.unlink()
        account.note()
        stage.resume("full").wait(LONGEST)
        return account.closed("disk full", stage.trials, undisturbed)


def measure(options: argparse.Namespace) -> tuple[Figures, list[Condition]]:
    """The undisturbed sweep, then every fault."""
    with tempfile.TemporaryDirectory(prefix="carsray-faults-") as scratch:
        stage = Stage(Path(scratch), options.trials, options.seed)
        process, undisturbed = stage.sweep("undisturbed")
        process.wait(LONGEST)
        faults = [
            driver_killed(stage, undisturbed, options.kills),
            *(part_killed(stage, undisturbed, part, options.kills) for part in PARTS),
            nodes_lost(stage, options.kills),
        ]
        if os.geteuid() == 0:
            faults.append(disk_filled(stage, undisturbed))
        else:
            print("disk full: left out, it takes root", file=sys.stderr)
    for fault in faults:
        print(fault, file=sys.stderr)
    return {"trials": options.trials, "faults": [asdict(fault) for fault in faults]}, conditions(faults, options.kills)


def conditions(faults: list[Fault], kills: int) -> list[Condition]:
    """What must not happen; and that there was something to outlive."""
    fewest = min(fault.kills for fault in faults if fault.what != "disk full")
    return [
        Condition("fewest kills of a kind", fewest, (kills + 1) // 2),
        Condition("epochs before a snapshot that were trained again", sum(f.again for f in faults), 0, at_most=True),
        Condition("trials without an end", sum(f.missing for f in faults), 0, at_most=True),
        Condition(
            "sweeps that ended otherwise than undisturbed", sum(f.same is False for f in faults), 0, at_most=True
        ),
        Condition("processes left behind", sum(f.left for f in faults), 0, at_most=True),
    ]


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--kills", type=int, default=10, help="of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--quick", action="store_true", help="a smoke run that writes nothing")
    options = parser.parse_args()
    if options.quick:
        options.trials, options.kills = 3, 1
    return options


if __name__ == "__main__":
    options = parse()
    publish("faults", lambda: measure(options), packages=("torch", "ray", "optuna"), keep=not options.quick)
