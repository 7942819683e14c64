"""The rules, on facts made by hand."""

from typing import Any

import pytest
from made_facts import STORE, VERSIONS, driver_of, node_of

from carsray.cluster.examine import DriverFacts, Examined, Gpu
from carsray.cluster.findings import Finding, findings, listed

ADDRESS = "10.0.0.3:6379"
A100 = Gpu("NVIDIA A100", 80 * 2**30)


def found(*nodes: Examined, driver: DriverFacts | None = None, address: str = ADDRESS) -> dict[str, list[Finding]]:
    """Findings by check."""
    by_check: dict[str, list[Finding]] = {}
    for each in findings(nodes, driver or driver_of(), address):
        by_check.setdefault(each.check, []).append(each)
    return by_check


def only(check: str, *nodes: Examined, address: str = ADDRESS, **driver: Any) -> Finding:
    (finding,) = found(*nodes, driver=driver_of(**driver), address=address)[check]
    return finding


def test_a_cluster_in_order_has_no_problem_and_nothing_to_do() -> None:
    nodes = [node_of(name, gpus=1, gpus_seen=(A100,), data="/cars") for name in "ab"]
    said = [each for findings in found(*nodes).values() for each in findings]
    assert {each.level for each in said} == {"ok"}
    assert not any(each.remedy for each in said)
    checks = {"versions", "GPU", "/dev/shm", "cache", "data", "results", "access", "W&B"}
    assert {each.check for each in said} == checks


# A node without facts.


def test_a_node_that_gives_no_answer_is_named_and_the_others_are_told_of() -> None:
    said = found(Examined("hangs", 0, STORE, None, "no answer in 90 s"), node_of("b"))
    (answer,) = said["answer"]
    assert (answer.level, answer.node, answer.found) == ("error", "hangs", "no answer in 90 s")
    assert "nvidia-smi" in answer.remedy
    assert [each.node for each in said["cache"]] == ["b"]


def test_a_node_that_cannot_import_carsray_is_told_what_to_install() -> None:
    answer = only("answer", Examined("bare", 0, STORE, None, "ModuleNotFoundError: No module named 'safetensors'"))
    assert answer.level == "error"
    assert answer.remedy.startswith("Install what carsray needs there")


# Versions.


def test_versions_that_agree_are_one_line() -> None:
    agreed = only("versions", node_of("a"), node_of("b"))
    assert (agreed.level, agreed.found) == ("ok", "python 3.11.9, torch 2.9.0, numpy 2.3.0")


@pytest.mark.parametrize(("package", "level"), [("torch", "error"), ("numpy", "warning")])
def test_versions_that_differ_are_named_with_their_nodes(package: str, level: str) -> None:
    other = node_of("b", versions=VERSIONS | {package: "1.0"})
    differs, agreed = found(node_of("a"), other)["versions"]
    assert differs.level == level
    assert differs.found == f"{package} {VERSIONS[package]} on driver, a; 1.0 on b"
    assert package in differs.remedy
    assert package not in agreed.found


def test_a_package_that_a_node_lacks_differs() -> None:
    differs, _ = found(node_of("a", versions=VERSIONS | {"torch": None}))["versions"]
    assert (differs.level, differs.found) == ("error", "torch 2.9.0 on driver; missing on a")


def test_many_nodes_are_counted() -> None:
    assert listed("abc") == "a, b, c"
    assert listed("abcdef") == "a, b and 4 more"


# GPUs.


def test_gpus_that_both_see_are_described() -> None:
    told = only("GPU", node_of(gpus=3, gpus_seen=(A100, A100, Gpu("NVIDIA T4", 16 * 2**30))))
    assert (told.level, told.found) == ("ok", "2 × NVIDIA A100, 80 GiB; 1 × NVIDIA T4, 16 GiB")


def test_a_node_without_gpus_is_in_order() -> None:
    assert only("GPU", node_of()).level == "ok"


def test_gpus_that_torch_does_not_see_are_an_error_with_both_numbers() -> None:
    told = only("GPU", node_of(gpus=2, gpus_seen=(A100,)))
    assert (told.level, told.node) == ("error", "a")
    assert told.found == "Ray hands out 2, torch sees 1: trials would train on the processor"
    assert "torch 2.9.0 is a build for CUDA" in told.remedy


def test_gpus_that_ray_does_not_hand_out_are_a_warning() -> None:
    told = only("GPU", node_of(gpus=1, gpus_seen=(A100, A100)))
    assert (told.level, told.found) == ("warning", "torch sees 2, Ray hands out 1")
    assert "--num-gpus=2" in told.remedy


def test_gpus_that_ray_hides_from_the_check_are_no_error() -> None:
    told = only("GPU", node_of(gpus=2, gpus_hidden=True))
    assert told.level == "warning"
    assert "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO" in told.found


def test_a_torch_that_does_not_work_is_an_error_whatever_ray_hands_out() -> None:
    told = only("GPU", node_of(torch_problem="OSError: libcudart.so.12"))
    assert (told.level, told.found) == ("error", "torch does not work (OSError: libcudart.so.12)")


# Memory, disk, pictures.


def test_shared_memory_smaller_than_the_object_store_is_a_warning_with_the_numbers() -> None:
    told = only("/dev/shm", node_of(shm_bytes=64 * 10**6))
    assert told.level == "warning"
    assert told.found == "64.0 MB; Ray's object store has 4.0 GB and so lies on disk, in /tmp"
    assert "--shm-size=5g" in told.remedy


def test_a_system_without_dev_shm_is_not_asked_for_it() -> None:
    assert "/dev/shm" not in found(node_of(shm_bytes=None, shm_free_bytes=None))


def test_little_room_for_the_cache_is_a_warning() -> None:
    told = only("cache", node_of(cache_free_bytes=3 * 10**9, packs=1))
    assert (told.level, told.found) == ("warning", "/cache: 3.0 GB free, 1 pack")
    assert "--cache" in told.remedy


def test_a_cache_that_cannot_be_written_is_an_error() -> None:
    told = only("cache", node_of(cache_problem="Permission denied"))
    assert (told.level, told.found) == ("error", "/cache: cannot be written (Permission denied)")


def test_pictures_that_one_node_cannot_read_are_an_error_there() -> None:
    here, there = found(
        node_of("a", data="/cars"),
        node_of("b", data="/cars", data_problem="No such file or directory"),
    )["data"]
    assert (here.level, here.found) == ("ok", "/cars: can be read")
    assert (there.level, there.node) == ("error", "b")
    assert there.found == "/cars: cannot be read (No such file or directory)"
    assert "same path everywhere" in there.remedy


def test_pictures_nobody_asked_for_are_not_told_of() -> None:
    assert "data" not in found(node_of())


# The driver, and who may come in.


def test_results_that_cannot_be_written_are_an_error() -> None:
    told = only("results", node_of(), results_problem="Read-only file system")
    assert (told.level, told.node) == ("error", "driver")
    assert told.found == "results: cannot be written (Read-only file system)"


def test_a_cluster_that_asks_for_no_token_is_a_warning_that_names_the_nodes() -> None:
    told = only("access", node_of("a"), node_of("b", tokens=False))
    assert told.level == "warning"
    assert told.found.startswith(f"{ADDRESS}: Ray asks for no token on b;")
    assert "RAY_AUTH_MODE=token" in told.remedy


@pytest.mark.parametrize("address", ["127.0.0.1:6379", "localhost:6379", "[::1]:6379"])
def test_a_cluster_that_only_this_machine_can_reach_needs_no_token(address: str) -> None:
    assert only("access", node_of(tokens=False), address=address).level == "ok"


def test_nothing_is_said_of_tokens_where_no_node_answers() -> None:
    assert "access" not in found(Examined("hangs", 0, STORE, None, "no answer in 90 s"))


def test_a_missing_login_of_wandb_is_in_order_and_says_how_to_get_one() -> None:
    assert only("W&B", node_of(), wandb="WANDB_API_KEY").found == "WANDB_API_KEY"
    told = only("W&B", node_of(), wandb="")
    assert told.level == "ok"
    assert "wandb login" in told.found


def test_storage_is_told_where_there_is_any() -> None:
    assert only("storage", node_of(), storage="s3://b/x").found == "s3://b/x: can be written"
    told = only("storage", node_of(), storage="s3://b/x", storage_problem="s3://b/x: no such bucket. Make it first")
    assert (told.level, told.found) == ("error", "s3://b/x: no such bucket. Make it first")


def test_pictures_in_a_bucket_need_credentials_on_the_node() -> None:
    told = only("data", node_of(data="s3://bucket/cars", data_problem="access denied"))
    assert (told.level, told.found) == ("error", "s3://bucket/cars: cannot be read (access denied)")
    assert "credentials" in told.remedy
