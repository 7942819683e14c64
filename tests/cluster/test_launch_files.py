import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray.autoscaler._private.util as launcher
import yaml

from carsray.cli.sweep import sweep
from carsray.space_file import load_space

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "scripts/cluster"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file())
LAUNCHED = [name for name in FILES if name != "await_resources.py"]
"""Those that a person starts something with; the other is a part of them."""

CLOUDS = ("aws.yaml", "gcp.yaml")

SECRETS = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN|AIza[\w-]{35}|gh[po]_\w{30}"
    r"|(?i:password|secret|token|key)['\"]?\s*[:=]\s*['\"]?(?=\S*\d)[\w+/-]{16,}"
)
ADDRESSES = re.compile(r"\w+://(?!FILL-IN)\S+|--(?:extra-)?index-url|--find-links|PIP_INDEX\w*")
"""Of a package index, or of anything else but a bucket to be filled in."""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def prepared(name: str) -> dict[str, Any]:
    """A cluster file as `ray up` completes it, short of asking the cloud."""
    config: dict[str, Any] = launcher.prepare_config(documents(name)[0])
    return config


def header(name: str) -> list[str]:
    """The comment that a file begins with, without its signs."""
    lines = (FOLDER / name).read_text().splitlines()
    first = 1 if lines[0].startswith("#!") else 0
    end = next(at for at in range(first, len(lines)) if not lines[at].startswith("#"))
    return [line.removeprefix("#").removeprefix(" ") for line in lines[first:end]]


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def sweeps_started() -> list[list[str]]:
    """The arguments of every sweep-or-resume that stands in a file, and of the sbatch that passes its own on."""
    texts = [*(line for name in LAUNCHED for line in header(name)), documents("rayjob.yaml")[0]["spec"]["entrypoint"]]
    found = [re.search(r"(?:sweep-or-resume|sbatch \S+) ([^\"\[]+ --[^\"\[]+)", text) for text in texts]
    return [match[1].split() for match in found if match]


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cluster_file_fits_rays_schema_with_rays_defaults_filled_in(name: str) -> None:
    launcher.validate_config(prepared(name))


@pytest.mark.parametrize("name", CLOUDS)
def test_rays_schema_has_every_key_of_a_cluster_file(name: str) -> None:
    schema = json.loads((Path(launcher.ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    assert documents(name)[0].keys() <= schema["properties"].keys()


@pytest.mark.parametrize("name", CLOUDS)
def test_the_head_is_on_demand_and_workers_are_on_spot_from_none_to_eight(name: str) -> None:
    config = prepared(name)
    head, workers = (config["available_node_types"][kind] for kind in ("head", "spot-gpu"))
    assert config["head_node_type"] == "head"
    assert not re.search("(?i)spot", json.dumps(head))
    assert re.search("(?i)spot", json.dumps(workers["node_config"]))
    assert (workers["min_workers"], workers["max_workers"], config["max_workers"]) == (0, 8, 8)
    assert (head["resources"].get("GPU", 0), workers["resources"]["GPU"]) == (0, 1)


@pytest.mark.parametrize("name", CLOUDS)
def test_a_sweep_waits_for_as_many_gpus_as_the_cluster_may_have(name: str) -> None:
    config = prepared(name)
    assert f'CARSRAY_AWAIT="GPU {config["max_workers"]}"' in config["head_setup_commands"][-1]


@pytest.mark.parametrize("name", CLOUDS)
def test_nodes_are_set_up_by_scripts_setup_and_by_nothing_of_rays_defaults(name: str) -> None:
    config = prepared(name)
    for commands in (config["head_setup_commands"], config["worker_setup_commands"]):
        assert "cd ~/carsray && scripts/setup" in commands
    assert not [text for text in strings(config) if "ray-wheels" in text]


@pytest.mark.parametrize("name", CLOUDS)
def test_what_a_cluster_file_copies_is_there(name: str) -> None:
    mounts: dict[str, str] = documents(name)[0]["file_mounts"]
    assert mounts.pop("~/.ray/auth_token") == "~/.ray/auth_token"
    assert all(remote == f"~/carsray/{local}" and (ROOT / local).exists() for remote, local in mounts.items())
    needed = {"carsray", "scripts", "search_spaces", "pyproject.toml"}
    assert needed <= set(mounts.values())


@pytest.mark.parametrize("name", [*CLOUDS, "skypilot.yaml", "slurm.sh"])
def test_ray_asks_for_its_token_and_shows_its_dashboard_to_nobody_else(name: str) -> None:
    text = (FOLDER / name).read_text()
    starts = [line for line in text.splitlines() if re.search(r"ray start .*--head|--head --node-ip", line)]
    assert starts
    assert all(re.search(r"--dashboard-host=127\.0\.0\.1|--include-dashboard=false", line) for line in starts)
    if name in CLOUDS:
        config = prepared(name)
        commands = config["head_start_ray_commands"][-1:] + config["worker_start_ray_commands"][-1:]
        assert all("RAY_AUTH_MODE=token ~/carsray/.venv/bin/ray start" in command for command in commands)
    else:
        assert text.index("export RAY_AUTH_MODE=token") < text.index(starts[0])


def test_the_rayjob_has_what_kuberay_asks_for() -> None:
    (job,) = documents("rayjob.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    assert spec["entrypoint"].split("sweep-or-resume ")[1].startswith(job["metadata"]["name"] + " ")
    assert spec["backoffLimit"] > 0
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        volumes = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["groupName"]
    assert (workers["replicas"], workers["minReplicas"], workers["maxReplicas"]) == (0, 0, 8)


def test_the_rayjobs_ray_is_the_one_that_is_pinned() -> None:
    pinned = re.search(r"^ray==(\S+)", (ROOT / "scripts/constraints.txt").read_text(), re.M)
    assert pinned is not None
    assert documents("rayjob.yaml")[0]["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]
    assert f"FROM rayproject/ray:{pinned[1]}-" in (FOLDER / "Dockerfile").read_text()


def test_the_rayjobs_head_avoids_spot_nodes_and_keeps_its_results_on_a_claim() -> None:
    (job,) = documents("rayjob.yaml")
    pod = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]
    avoided = pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert "cloud.google.com/gke-spot" in json.dumps(avoided)
    assert {rule["operator"] for rule in avoided[0]["matchExpressions"]} == {"NotIn"}
    claimed = [volume for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
    claims = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in claimed}
    assert claims["results"] == "carsray-results"
    made = [(claim["kind"], claim["metadata"]["name"]) for claim in documents("rayjob-volumes.yaml")]
    assert sorted(made) == sorted(("PersistentVolumeClaim", name) for name in claims.values())


def test_the_skypilot_task_is_on_spot_recovers_and_holds_no_token() -> None:
    (task,) = documents("skypilot.yaml")
    assert task["resources"]["use_spot"] is True
    assert 130 in task["resources"]["job_recovery"]["recover_on_exit_codes"]  # what carsray ends with when interrupted
    assert task["secrets"] == {"RAY_AUTH_TOKEN": None}
    assert task["file_mounts"]["/results"]["mode"] == "MOUNT_CACHED"


def test_slurm_warns_the_script_itself_before_the_limit_and_may_queue_it_again() -> None:
    options = re.findall(r"^#SBATCH (\S+)", (FOLDER / "slurm.sh").read_text(), re.M)
    assert {"--signal=B:USR1@300", "--requeue", "--open-mode=append"} <= set(options)


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_header_names_the_command(name: str) -> None:
    commands = [line for line in header(name) if line.startswith("  ") and f"scripts/cluster/{name}" in line]
    assert commands


@pytest.mark.parametrize("name", ["aws.yaml", "gcp.yaml", "rayjob.yaml", "slurm.sh", "skypilot.yaml"])
def test_the_header_says_what_to_expect(name: str) -> None:
    said = {line.partition(":")[0] for line in header(name)}
    assert {"Begin", "Watch", "Resume", "End", "Cost"} <= said
    assert re.search("not run", "\n".join(header(name)))


def test_every_sweep_that_a_file_starts_has_options_that_exist_and_a_space_that_is_there() -> None:
    started = sweeps_started()
    assert len(started) == 5  # aws, gcp, slurm, sweep-or-resume, rayjob
    for _, space, *options in started:
        sweep.make_context("sweep", [space, *options])
        load_space(ROOT / space.removeprefix("/home/ray/carsray/"), {})


@pytest.mark.parametrize("name", FILES)
def test_no_file_holds_a_secret_or_an_address(name: str) -> None:
    text = (FOLDER / name).read_text()
    assert SECRETS.findall(text) == []
    assert ADDRESSES.findall(text) == []


@pytest.mark.parametrize(("shell", "name"), [("sh", "sweep-or-resume"), ("bash", "slurm.sh")])
def test_shell_scripts_parse_and_may_be_executed(shell: str, name: str) -> None:
    assert (FOLDER / name).stat().st_mode & 0o111
    done = subprocess.run([shell, "-n", FOLDER / name], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_shell_within_the_skypilot_task_parses() -> None:
    (task,) = documents("skypilot.yaml")
    for part in ("setup", "run"):
        done = subprocess.run(["bash", "-n"], input=task[part], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


# The checks themselves: each has to find what it looks for.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("aws_access_key_id = AKIAABCDEFGHIJKLMNOP", True),
        ("RAY_AUTH_TOKEN: 0f3a9c5e7b1d4a6f8c2e", True),
        ("password='hunter2hunter2hunter2'", True),
        ("RAY_AUTH_TOKEN: null # comes from the command line", False),
        ("~/.ray/auth_token: ~/.ray/auth_token", False),
        ("RAY_AUTH_TOKEN=$(ray get-auth-token --generate)", False),
    ],
)
def test_the_search_finds_a_secret(text: str, found: bool) -> None:
    assert bool(SECRETS.search(text)) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pip install --index-url https://packages.example/simple ray", True),
        ("pip install --find-links /wheels ray", True),
        ("source: s3://FILL-IN/cars", False),
    ],
)
def test_the_search_finds_an_address(text: str, found: bool) -> None:
    assert bool(ADDRESSES.search(text)) is found


def test_rays_schema_refuses_a_key_that_it_does_not_have() -> None:
    with pytest.raises(Exception, match="min_wrokers"):
        launcher.validate_config({**prepared("aws.yaml"), "min_wrokers": 1})
