"""Which carsray this is."""

import subprocess
from pathlib import Path


def git_commit() -> str | None:
    """The commit of carsray's own checkout, where it runs from one; "-dirty" at its end tells of changes since."""
    here = Path(__file__)
    try:
        # Installed into a folder of another project, that project's commit would say nothing.
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=40") or None
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
