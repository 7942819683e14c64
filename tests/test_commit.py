import importlib.util
import shutil
import subprocess
from pathlib import Path

import carsray.commit


def commit_told_in(folder: Path) -> str | None:
    """What a copy of the module says that lies there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = Path(shutil.copy(carsray.commit.__file__, folder))
    spec = importlib.util.spec_from_file_location("copied_commit", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    told: str | None = module.git_commit()
    return told


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", "-C", root, *who, *arguments], capture_output=True, text=True, check=True).stdout


def test_the_commit_is_carsrays_own_and_not_that_of_the_project_around_it(tmp_path: Path) -> None:
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "--message", "another project")
    installed = tmp_path / ".venv" / "carsray"
    assert commit_told_in(installed) is None
    (tmp_path / "notes").touch()
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--message", "carsray itself")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()
    assert commit_told_in(installed) == commit
    (tmp_path / "notes").write_text("changed")
    assert commit_told_in(installed) == f"{commit}-dirty"
