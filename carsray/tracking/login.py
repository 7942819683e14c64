"""Whether and how runs go to W&B: asked for, said in the environment, or decided by whether there is a login."""

import os
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from carsray.cluster.examine import WANDB_URL, wandb_login
from carsray.errors import TrackingError

Mode = Literal["online", "offline", "off"]

PROJECT = "carsray"
"""Where neither the command nor WANDB_PROJECT names one."""
KNOCK_SECONDS = 4
"""For any answer of the server, while a sweep still looks at its pictures and Ray starts."""
LOGIN_SECONDS = 5
"""For the server's answer to the key, before the first trial."""
SETTINGS = Path("settings")
"""Of W&B's SDK, in its folder: `wandb login --host` writes another server's address there."""
ENVIRONMENT: dict[str, Mode] = {"online": "online", "offline": "offline", "dryrun": "offline", "disabled": "off"}
"""Values of WANDB_MODE."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was decided before W&B is asked anything, and what to say of it."""

    mode: Mode
    said: str = ""


def choose(asked: Mode | None) -> Choice:
    """The mode of a sweep. Where nobody asks for W&B and there is no login, it leaves no trace:

    the record is enough to send the sweep later, so files in W&B's own format are for those alone who ask for them.
    """
    wanted = asked or _said()
    if wanted in ("off", "offline"):
        return Choice(wanted)
    if wandb_login():
        return Choice("online")
    if wanted == "online":
        return Choice(
            "offline", "W&B: there is no key (wandb login, or WANDB_API_KEY), so its files stay here: offline"
        )
    return Choice("off", "W&B: no key, so nothing is sent; carsray wandb sync can do it later")


def turned_off() -> bool:
    """Whether the environment says that W&B is to be left alone."""
    return _said() == "off"


def _said() -> Mode | None:
    return ENVIRONMENT.get(os.environ.get("WANDB_MODE", "").lower())


@dataclass(frozen=True, slots=True)
class Account:
    """A login that the server knows."""

    entity: str
    app: str
    """Address of the web pages."""


class NoAnswer(Exception):
    """The server did not answer as W&B does; the message says how."""


def log_in() -> Account:
    """Ask the server who the key belongs to.

    Raises TrackingError where the key is wrong, and NoAnswer where nobody says so in time.
    """
    base = os.environ.get("WANDB_BASE_URL", WANDB_URL)
    _knock(base)
    import wandb

    try:
        api = wandb.Api(timeout=LOGIN_SECONDS)
        entity = os.environ.get("WANDB_ENTITY") or api.default_entity
        app = wandb.setup().settings.app_url
    except wandb.errors.AuthenticationError as error:
        if _refused(error):
            raise TrackingError(
                f"W&B: {base} refuses the key ({_first_line(error)}). Log in anew (wandb login), or do without: "
                "--wandb off for a sweep, WANDB_MODE=disabled for what follows it"
            ) from None
        raise NoAnswer(f"no answer from {base} within {LOGIN_SECONDS} seconds") from None
    except Exception as error:
        raise NoAnswer(f"{base}: {_first_line(error)}") from None
    if not entity:
        raise NoAnswer(f"{base}: the account has no default entity; name one in WANDB_ENTITY")
    return Account(entity, app)


def _knock(base: str) -> None:
    """Raises NoAnswer where nobody is there; whatever anybody answers, the SDK is to make sense of it.

    It takes seconds to import, and as long again to give up.
    """
    folder = Path(os.environ.get("WANDB_CONFIG_DIR", "~/.config/wandb")).expanduser()
    if "WANDB_BASE_URL" not in os.environ and (folder / SETTINGS).exists():
        return  # only the SDK knows whom it will ask
    try:
        urllib.request.urlopen(f"{base.rstrip('/')}/healthz", timeout=KNOCK_SECONDS).close()
    except urllib.error.HTTPError:
        return
    except (OSError, ValueError) as error:
        silent = getattr(error, "reason", error)
        if isinstance(silent, TimeoutError | ConnectionError | socket.gaierror):
            raise NoAnswer(f"no answer from {base} within {KNOCK_SECONDS} seconds") from None


def required_login() -> Account:
    """A login without which there is nothing to do. Raises TrackingError."""
    if not wandb_login():
        raise TrackingError("W&B: there is no key. Log in (wandb login), or set WANDB_API_KEY")
    try:
        return log_in()
    except NoAnswer as error:
        raise TrackingError(f"W&B: {error}. Try again once it can be reached") from None


def _refused(error: BaseException) -> bool:
    """The SDK has one error for a key that is refused and for a server that is not there; what it hides tells."""
    cause = error.__cause__
    if cause is None:  # it was not even asked: no key looks like this
        return True
    response = getattr(cause, "response", None)
    if response is None:
        return False
    status = getattr(response, "http_status", 0)
    return status in (401, 403) or (not status and "invalid credentials" in str(error))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
