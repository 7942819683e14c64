"""Results folders come from anywhere: nothing in the package runs what a file says."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import carsray

PACKAGE = Path(carsray.__file__).parent
RUNS_CODE = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
"""Modules whose readers run what is in a file."""


def dangers(text: str) -> Iterator[str]:
    """What in a module could run code from a file that it reads."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.partition(".")[0] in RUNS_CODE)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in RUNS_CODE:
                yield module
            case ast.Call(func=ast.Name(id="eval" | "exec" as name)):
                yield name
            case ast.Call(func=ast.Attribute() as called, keywords=keywords):
                given = {word.arg: ast.unparse(word.value) for word in keywords}
                name = ast.unparse(called)
                if name == "torch.load" and given.get("weights_only") != "True":
                    yield name
                if given.get("allow_pickle", "False") != "False":
                    yield name


def test_no_module_runs_what_a_file_says() -> None:
    found = {path.name: list(dangers(path.read_text())) for path in PACKAGE.rglob("*.py")}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval(text)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_the_walk_finds_what_would(text: str) -> None:
    assert list(dangers(text))


@pytest.mark.parametrize("text", ["torch.load(path, weights_only=True)", "np.load(path)", "network.eval()"])
def test_the_walk_lets_pass_what_would_not(text: str) -> None:
    assert not list(dangers(text))
