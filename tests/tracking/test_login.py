"""Which mode a sweep gets, and what the login finds."""

import socket
import sys
from pathlib import Path

import pytest
from wandb_server import ENTITY, KEY, OTHER_KEY, Fault, Stored, serving

from carsray.errors import TrackingError
from carsray.tracking import login
from carsray.tracking.login import Mode, NoAnswer, choose, log_in


@pytest.mark.parametrize(
    ("asked", "environment", "key", "mode"),
    [
        (None, "", False, "off"),
        (None, "", True, "online"),
        (None, "offline", True, "offline"),
        (None, "offline", False, "offline"),
        (None, "disabled", True, "off"),
        ("online", "", True, "online"),
        ("online", "", False, "offline"),
        ("online", "disabled", True, "online"),
        ("offline", "", True, "offline"),
        ("off", "online", True, "off"),
    ],
)
def test_the_mode_is_what_was_asked_for_else_what_the_environment_says_else_online_with_a_key(
    monkeypatch: pytest.MonkeyPatch, asked: Mode | None, environment: str, key: bool, mode: Mode
) -> None:
    monkeypatch.setenv("WANDB_MODE", environment)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert choose(asked).mode == mode


def test_whoever_has_no_key_is_told_and_nobody_else() -> None:
    assert "no key" in choose(None).said
    assert "no key" in choose("online").said
    assert choose("offline").said == choose("off").said == ""


@pytest.mark.usefixtures("sdk", "server")
def test_a_key_that_is_known_has_an_entity() -> None:
    assert log_in().entity == ENTITY


@pytest.mark.usefixtures("sdk", "server")
def test_the_entity_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_ENTITY", "team")
    assert log_in().entity == "team"


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("key", [OTHER_KEY, "short"])
def test_a_wrong_key_is_refused_in_one_line_without_the_key(
    server: Stored, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(TrackingError, match="refuses the key") as caught:
        log_in()
    assert "\n" not in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize("fault", ["500", "hang", "garbled"])
def test_a_server_that_does_not_answer_as_wandb_does_is_no_wrong_key(
    monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    monkeypatch.setattr(login, "LOGIN_SECONDS", 1)
    monkeypatch.setattr(login, "KNOCK_SECONDS", 1)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serving(fault) as (url, _):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        with pytest.raises(NoAnswer):
            log_in()


@pytest.mark.usefixtures("sdk")
def test_a_server_that_is_not_there_is_no_wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOGIN_SECONDS", 1)
    monkeypatch.setattr(login, "KNOCK_SECONDS", 1)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listened on
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(NoAnswer):
            log_in()


def test_where_nobody_answers_the_sdk_is_not_even_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "KNOCK_SECONDS", 0.2)
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import would fail
    with serving("hang") as (url, _):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        with pytest.raises(NoAnswer, match=r"no answer from http://127\.0\.0\.1:\d+ within 0\.2 seconds"):
            log_in()


@pytest.mark.usefixtures("server")
def test_whose_address_only_the_sdk_knows_is_left_to_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_BASE_URL")
    (tmp_path / "settings").write_text("[default]\nbase_url = http://127.0.0.1:9\n")
    with pytest.raises(ImportError):
        log_in()
