"""Which carsray this is."""

import subprocess
from pathlib import Path


def git_commit() -> str | None:
    """The commit of carsray's own checkout, where it runs from one; "-dirty" at its end tells of changes since."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip() or None
    except (OSError, subprocess.SubprocessError):
        return None
