"""config.toml: the settings of an exported model, in the order and with the names of carsray/config.py."""

import tomllib
from pathlib import Path

from carsray.config import TrialConfig, trial_config
from carsray.errors import PackageError
from carsray.files import write_text
from carsray.final.package.folder import AGAIN
from carsray.toml_lines import toml_line


def write_config(config: TrialConfig, path: Path, header: str) -> None:
    """Write every setting that has a value, below a comment."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    values = {name: value for name, value in config.model_dump().items() if value is not None}
    lines += ["", *(toml_line(name, value) for name, value in values.items())]
    write_text(path, "\n".join(lines) + "\n")


def read_config(path: Path) -> TrialConfig:
    """What write_config wrote. Raises PackageError for a file that is no TOML, ConfigError for a wrong setting."""
    try:
        return trial_config(tomllib.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as error:
        raise PackageError(f"{path}: cannot be read ({error}). {AGAIN}") from None
