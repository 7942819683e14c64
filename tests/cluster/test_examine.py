"""What is found on this machine."""

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from carsray.cluster.examine import examine_driver, examine_node, read_problem, write_problem


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be logged in to W&B, or have set Ray up."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_CONFIG_DIR", "NETRC", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def netrc_of(path: Path, machine: str) -> Path:
    path.write_text(f"machine {machine}\n  login user\n  password none\n")
    return path


def test_this_machine_is_found_as_it_is(tmp_path: Path) -> None:
    facts = examine_node(tmp_path / "cache", str(tmp_path))
    assert facts.versions["torch"] == version("torch")
    assert facts.versions["torch"]
    assert facts.torch_problem == ""
    assert facts.cache_problem == ""
    assert facts.cache_free_bytes > 0
    assert facts.data_problem == "no file in it"
    assert not facts.tokens
    if facts.shm_bytes is not None:
        assert 0 <= (facts.shm_free_bytes or 0) <= facts.shm_bytes


def test_packs_in_the_cache_are_counted(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    for name in ("a.npy", "b.npy", "b.npy.lock"):
        (tmp_path / "packs" / name).touch()
    assert examine_node(tmp_path, None).packs == 2


def test_a_folder_that_can_be_made_can_be_written_and_is_not_made(tmp_path: Path) -> None:
    assert write_problem(tmp_path / "not" / "yet") == ""
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert write_problem(tmp_path / "file" / "below") == "Not a directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        assert write_problem(tmp_path / "cache") == "Permission denied"
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_folder_of_a_file_system_that_takes_no_files_cannot_be_written() -> None:
    assert write_problem(Path("/proc/self/cache"))


def test_pictures_are_read_wherever_they_lie(tmp_path: Path) -> None:
    deep = tmp_path / "train" / "class" / "1.jpg"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"x")
    assert read_problem(str(tmp_path)) == ""
    assert read_problem(str(deep)) == ""


def test_missing_pictures_are_a_problem(tmp_path: Path) -> None:
    assert read_problem(str(tmp_path / "nope")) == "No such file or directory"
    assert read_problem(str(tmp_path)) == "no file in it"


def test_the_driver_without_a_login_has_none(tmp_path: Path) -> None:
    facts = examine_driver(tmp_path / "results", str(tmp_path / "storage"))
    assert (facts.results_problem, facts.storage_problem, facts.wandb) == ("", "", "")


def test_a_key_in_the_environment_is_found_and_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "made-up")
    facts = examine_driver(tmp_path)
    assert facts.wandb == "WANDB_API_KEY"
    assert "made-up" not in repr(facts)


def test_a_key_in_a_netrc_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = netrc_of(tmp_path / "logins", "api.wandb.ai")
    monkeypatch.setenv("NETRC", str(path))
    assert examine_driver(tmp_path).wandb == str(path)


def test_a_netrc_file_in_the_home_folder_is_found(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    netrc_of(tmp_path / "home" / ".netrc", "api.wandb.ai")
    assert examine_driver(tmp_path).wandb == "~/.netrc"


def test_a_key_for_another_server_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", str(netrc_of(tmp_path / "logins", "api.wandb.ai")))
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.com")
    assert examine_driver(tmp_path).wandb == ""


def test_a_key_for_a_server_of_one_s_own_is_found_by_its_port_and_by_what_its_login_has_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = netrc_of(tmp_path / "logins", "wandb.corp:8080")
    monkeypatch.setenv("NETRC", str(path))
    assert examine_driver(tmp_path).wandb == ""
    (tmp_path / "settings").write_text("[default]\nbase_url = http://wandb.corp:8080\n")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    assert examine_driver(tmp_path).wandb == str(path)


def test_a_netrc_file_that_is_none_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logins").write_text("machine\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "logins"))
    assert examine_driver(tmp_path).wandb == ""


def test_whoever_is_offline_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert examine_driver(tmp_path).wandb == "WANDB_MODE=offline"


@pytest.mark.parametrize(("mode", "tokens"), [("token", True), ("TOKEN", True), ("disabled", False)])
def test_ray_asks_for_a_token_where_it_was_started_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, tokens: bool
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", mode)
    assert examine_node(tmp_path, None).tokens is tokens


def test_storage_that_cannot_be_written_is_told_with_its_address(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    storage = str(tmp_path / "file" / "sweeps")
    problem = examine_driver(tmp_path, storage).storage_problem
    assert problem.startswith(f"{storage}: cannot be written")


def test_pictures_in_a_bucket_that_does_not_answer_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert "cannot be read (" in read_problem("s3://bucket/cars?endpoint=http://127.0.0.1:1")
