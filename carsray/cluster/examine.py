"""What a machine is like for trials: plain functions that run where the facts are, and say what stands in the way."""

import os
import platform
import shutil
import tempfile
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from netrc import NetrcParseError, netrc
from pathlib import Path
from urllib.parse import urlsplit

from carsray.errors import StorageError
from carsray.files import existing
from carsray.storage.address import is_remote, parse_address

PACKAGES = ("torch", "torchvision", "ray", "optuna", "numpy")
SHARED_MEMORY = Path("/dev/shm")
WANDB_URL = "https://api.wandb.ai"


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as torch sees it."""

    name: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node as a task on it sees it. A problem is the reason that the system gives; empty where there is none."""

    versions: dict[str, str | None]
    """Of Python and PACKAGES; None for one that is not installed."""
    gpus: tuple[Gpu, ...]
    torch_problem: str
    gpus_hidden: bool
    """Ray was told to hide the GPUs from tasks that ask for none, such as the examination."""
    shm_bytes: int | None
    """Of /dev/shm; None where the system has no such thing."""
    shm_free_bytes: int | None
    cache: Path
    cache_problem: str
    cache_free_bytes: int
    packs: int
    """In the cache; which pictures they hold is not looked at."""
    data: str | None
    data_problem: str
    tokens: bool
    """Whether Ray asks for a token here."""


@dataclass(frozen=True, slots=True)
class DriverFacts:
    """The process that runs the sweep."""

    versions: dict[str, str | None]
    results: Path
    results_problem: str
    wandb: str
    """Where W&B finds its login, or that it is offline; empty where it finds none."""
    storage: str | None = None
    storage_problem: str = ""
    """With what to do about it."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What Ray says of a node, and what was found there, or why nothing was."""

    name: str
    gpus: float
    store_bytes: int
    facts: NodeFacts | None
    problem: str = ""


def examine_node(cache: Path, data: str | None) -> NodeFacts:
    """Look at the machine that this runs on: its cache folder, and the pictures if a path is given."""
    gpus, torch_problem = _gpus()
    cache_problem, cache_free, packs = _cache(cache)
    shm_bytes, shm_free = _shared_memory()
    return NodeFacts(
        versions=_versions(),
        gpus=gpus,
        torch_problem=torch_problem,
        gpus_hidden=os.environ.get("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "").lower() in ("1", "true"),
        shm_bytes=shm_bytes,
        shm_free_bytes=shm_free,
        cache=cache,
        cache_problem=cache_problem,
        cache_free_bytes=cache_free,
        packs=packs,
        data=data,
        data_problem=read_problem(data) if data else "",
        # Ray's workers inherit it from the node's own processes, where Ray sets it if it finds a token itself, too.
        tokens=os.environ.get("RAY_AUTH_MODE", "").lower() == "token",
    )


def examine_driver(results: Path, storage: str | None = None) -> DriverFacts:
    """Look at this process, which is to run the sweep, and at what it can write to."""
    problem = storage_problem(storage) if storage else ""
    return DriverFacts(_versions(), results, write_problem(results), _wandb(), storage, problem)


def storage_problem(storage: str) -> str:
    """Why nothing can be written to a storage and read again; it is tried, and nothing is left."""
    from carsray.storage.place import Place  # here, so that a node without its library can say so

    try:
        Place(parse_address(storage)).probe()
    except StorageError as error:
        return str(error)
    return ""


def write_problem(folder: Path) -> str:
    """Why no file can be written in a folder, or where it would have to be made; it is tried, and nothing is left."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".carsray-", dir=existing(folder)) as file:
            file.write(b"carsray")
            file.flush()
    except OSError as error:
        return _said(error)
    return ""


def read_problem(source: str) -> str:
    """Why a file, or the first one found in a folder or at an address, cannot be read."""
    if is_remote(source):
        return _remote_problem(source)
    path = Path(source)
    try:
        first = next((file for file in path.rglob("*") if file.is_file()), None) if path.is_dir() else path
        if first is None:
            return "no file in it"
        with first.open("rb") as file:
            file.read(1)
    except OSError as error:
        return _said(error)
    return ""


def _remote_problem(source: str) -> str:
    try:
        from carsray.storage.place import Place

        place = Place(parse_address(source, "--data"))
        first = next(iter(place.objects()), None)
        if first is None:
            return "no file in it"
        place.read(first.name)
    except (ImportError, StorageError) as error:
        return str(error)
    return ""


def version_of(package: str) -> str | None:
    """The version that is installed; None where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{package: version_of(package) for package in PACKAGES}}


def _gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs, or what is wrong with torch or the driver."""
    try:
        import torch  # here, so that a node without it can say so

        seen = [torch.cuda.get_device_properties(at) for at in range(torch.cuda.device_count())]
    except Exception as error:  # a broken installation has many ways to fail
        return (), f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    return tuple(Gpu(each.name, each.total_memory) for each in seen), ""


def _shared_memory() -> tuple[int, int] | tuple[None, None]:
    """Bytes of /dev/shm: in all, and free."""
    try:
        usage = shutil.disk_usage(SHARED_MEMORY)
    except OSError:
        return None, None
    return usage.total, usage.free


def _cache(folder: Path) -> tuple[str, int, int]:
    """What is wrong with the cache folder, bytes free there, packs in it."""
    problem = write_problem(folder)
    try:
        return problem, shutil.disk_usage(existing(folder)).free, len(list((folder / "packs").glob("*.npy")))
    except OSError as error:
        return problem or _said(error), 0, 0


def wandb_login() -> str:
    """Where W&B's SDK finds a key or a token; empty where it finds none. The key itself is not looked at."""
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        if os.environ.get(name):
            return name
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or _wandb_server() or WANDB_URL).netloc
    for path in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        with suppress(OSError, RuntimeError, NetrcParseError):  # not there, nobody's home, not readable as one
            if path and host in netrc(Path(path).expanduser()).hosts:
                return path
    return ""


def _wandb_server() -> str:
    """The server of one's own that `wandb login --host` has noted; empty where there is none."""
    folder = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb")
    settings = ConfigParser(interpolation=None)
    with suppress(OSError, RuntimeError, ConfigParserError, UnicodeDecodeError):
        settings.read(folder.expanduser() / "settings", encoding="utf-8")
    return settings.get("default", "base_url", fallback="")


def _wandb() -> str:
    mode = os.environ.get("WANDB_MODE", "")
    return f"WANDB_MODE={mode}" if mode in ("offline", "disabled") else wandb_login()


def _said(error: OSError) -> str:
    return error.strerror or str(error)
