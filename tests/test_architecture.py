"""The house as a test: which room may import which, who may use which library, how long things may get."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import carsray

HOUSE = Path(carsray.__file__).parent
GROUND = ("__init__", "errors", "seed", "progress", "files", "toml_lines", "commit", "interval")
ROOMS = (
    *("config", "settings", "space", "space_file", "results", "leaderboard"),
    *("storage", "data", "models", "training", "cluster", "retrieval", "tracking", "tuning"),
    *("published", "final", "report", "serve", "cli"),
)
"""In the order that data flows: a room imports from itself and from those before it, the ground floor first."""

DOOR = "__init__.py"
"""The package itself: its version is for all rooms, and `carsray.load` leads from outside to one of the last."""

STOREYS = dict.fromkeys(GROUND, 0) | {name: storey for storey, name in enumerate(ROOMS, start=1)}
KEEPERS = {
    "ray": {"cluster", "tuning", "serve"},
    "optuna": {"tuning"},
    "optuna_dashboard": {"tuning"},
    "wandb": {"tracking"},
    "wandb_workspaces": {"tracking"},
    "faiss": {"retrieval"},
    "obstore": {"storage"},
}
"""The only rooms that may import these."""

LONGEST_MODULE = 300
LONGEST_FUNCTION = 60


def modules(house: Path) -> Iterator[tuple[str, Path]]:
    """(room, file) of every module."""
    for path in sorted(house.rglob("*.py")):
        yield path.relative_to(house).with_suffix("").parts[0], path


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, those within functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are absolute here"
            yield node.lineno, node.module or ""
            if node.module == "carsray":
                yield from ((node.lineno, f"carsray.{a.name}") for a in node.names if not a.name.startswith("__"))


def upward_arrows(house: Path) -> list[str]:
    """Imports of carsray that run against the order of the rooms."""
    found = []
    for room, path in modules(house):
        for line, name in imported(path) if path != house / DOOR else ():
            top, _, rest = name.partition(".")
            target = rest.partition(".")[0] or "__init__"
            if top == "carsray" and target != room and STOREYS[target] > max(STOREYS[room] - 1, 0):
                found.append(f"{path.relative_to(house)}:{line}: {room} imports {target}")
    return found


def strangers(house: Path) -> list[str]:
    """Imports of a library outside the rooms that keep it."""
    return [
        f"{path.relative_to(house)}:{line}: {room} imports {name}"
        for room, path in modules(house)
        for line, name in imported(path)
        if room not in KEEPERS.get(name.partition(".")[0], {room})
    ]


def overlong(house: Path) -> list[str]:
    """Modules and functions beyond what is allowed."""
    found = []
    for _, path in modules(house):
        text = path.read_text(encoding="utf-8")
        sizes = {
            f"{path.name}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        found += [f"{name} has {size} lines" for name, size in sizes.items() if size > LONGEST_FUNCTION]
        if (length := text.count("\n")) > LONGEST_MODULE:
            found.append(f"{path.name} has {length} lines")
    return found


def test_every_top_level_module_is_a_known_room() -> None:
    assert {room for room, _ in modules(HOUSE)} <= STOREYS.keys(), "a new room needs its place in ROOMS"


def test_no_import_runs_upward() -> None:
    assert upward_arrows(HOUSE) == []


def test_libraries_stay_in_their_rooms() -> None:
    assert strangers(HOUSE) == []


def test_modules_and_functions_stay_small() -> None:
    assert overlong(HOUSE) == []


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    heavy = {"torch", "torchvision", "ray", "optuna", "wandb", "pandas", "sklearn", "scipy"}
    script = f"import sys, carsray, carsray.cli; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_help_of_all_commands_comes_without_the_heavy_libraries() -> None:
    script = (
        "import sys; from click.testing import CliRunner; from carsray.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "print(*sorted({'torch', 'torchvision', 'ray', 'optuna', 'wandb'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# The checks themselves: each has to find what it looks for.


def house_with(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "text", "up"),
    [
        ("config.py", "from carsray.space import Space", True),
        ("space.py", "from carsray.config import TrialConfig", False),
        ("data/pack.py", "def f():\n    import carsray.training.fit", True),
        ("data/pack.py", "from carsray import models", True),
        ("data/pack.py", "from carsray.data.records import Row\nfrom carsray import __version__", False),
        ("errors.py", "import carsray.files", False),
        ("files.py", "import carsray.config", True),
        ("__init__.py", "def load():\n    from carsray.final import model", False),
        ("data/__init__.py", "from carsray.final import model", True),
        ("cli/sweep.py", "from carsray.tuning.sweep import run_sweep\nfrom carsray.seed import derive", False),
    ],
)
def test_the_walk_finds_an_arrow_that_runs_upward(tmp_path: Path, name: str, text: str, up: bool) -> None:
    assert bool(upward_arrows(house_with(tmp_path, name, text))) is up


@pytest.mark.parametrize(
    ("name", "text", "strange"),
    [
        ("training/fit.py", "import ray.tune", True),
        ("final/winner.py", "def f():\n    from optuna import create_study", True),
        ("cli/sweep.py", "from wandb import init", True),
        ("tuning/sweep.py", "import ray\nimport optuna", False),
        ("training/fit.py", "import rayon\nimport torch", False),
    ],
)
def test_the_walk_finds_a_library_outside_its_room(tmp_path: Path, name: str, text: str, strange: bool) -> None:
    assert bool(strangers(house_with(tmp_path, name, text))) is strange


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["def f():", *["    pass"] * 60], ["a.py: f has 61 lines"]),
        (["x = 1"] * 301, ["a.py has 301 lines"]),
        (["def f():", *["    pass"] * 59, *["x = 1"] * 240], []),
    ],
)
def test_the_ruler_finds_what_is_too_long(tmp_path: Path, lines: list[str], found: list[str]) -> None:
    assert overlong(house_with(tmp_path, "a.py", "\n".join(lines) + "\n")) == found
