import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from carsray import __version__
from carsray.cli import COMMANDS, cli, main
from carsray.cli.options import first_config, pinned_values
from carsray.errors import ConfigError
from carsray.space_file import parse_space

GOOD = "[search]\nlr = { low = 1e-4, high = 0.1, log = true }\n"
Run = Callable[..., tuple[int | str | None, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call carsray as its entry point does: exit code, stdout, stderr."""

    def call(*args: object) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["carsray", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, *capsys.readouterr()

    return call


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "cars.toml"
    path.write_text(GOOD)
    return path


def leaves(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of every command that does something."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, (*path, name))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_shows_an_example(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for path in leaves(command, (name,)):
        result = CliRunner().invoke(cli, [*path, "--help"])
        assert result.exit_code == 0
        assert f"carsray {' '.join(path)}" in " ".join(result.output.split())


def test_the_help_of_carsray_lists_every_command_and_an_example() -> None:
    result = CliRunner().invoke(cli, ["-h"])
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)
    assert "\n  carsray sweep search_spaces/" in result.output


def test_the_version_is_told(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert __version__ in out


def test_an_unknown_command_exits_2(run: Run) -> None:
    code, out, err = run("swep")
    assert (code, out) == (2, "")
    assert "No such command 'swep'" in err


@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_a_missing_option_exits_2(run: Run, space: Path, command: str) -> None:
    code, _, err = run(command, space)
    assert code == 2
    assert "Missing option '--data'" in err


@pytest.mark.parametrize("command", ["sweep", "plan"])
def test_a_missing_space_file_is_one_line(run: Run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "nope.toml"
    code, out, err = run(command, path, "--data", tmp_path)
    assert (code, out) == (2, "")
    assert err == f"error: {path}: cannot be read: No such file or directory. Give the path of a .toml file\n"


def test_a_broken_space_is_one_line(run: Run, space: Path) -> None:
    space.write_text(GOOD + "momentun = { choices = [0.9] }\n")
    code, _, err = run("sweep", space, "--data", space.parent)
    assert code == 2
    assert err == f"error: {space}: line 3: [search] 'momentun' is no setting. Did you mean 'momentum'?\n"


def test_a_space_with_more_mistakes_lists_them_all(run: Run, space: Path) -> None:
    space.write_text(GOOD + "momentun = 1\n[fixed]\nlr = 1\n")
    code, _, err = run("sweep", space, "--data", space.parent)
    assert code == 2
    first, *others = err.splitlines()
    assert first == f"error: 2 problems in {space}:"
    assert [line.split(":")[0] for line in others] == ["  line 3", "  line 5"]


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        ("lr", "--set lr: must be KEY=VALUE, for example --set image_size=128"),
        ("=3", "--set =3: must be KEY=VALUE, for example --set image_size=128"),
        ("batchsize=3", "--set batchsize=3: is no setting. Did you mean 'batch_size'?"),
        ("lr=fast", "--set lr=fast: Input should be a valid number"),
    ],
)
def test_a_bad_pin_is_one_line(run: Run, space: Path, pin: str, message: str) -> None:
    code, _, err = run("sweep", space, "--data", space.parent, "--set", pin)
    assert code == 2
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_an_option_and_a_pin_that_disagree_are_one_line(run: Run, space: Path) -> None:
    code, _, err = run("sweep", space, "--data", space.parent, "--epochs", "9", "--set", "epochs=5")
    assert code == 2
    assert err == "error: --epochs 9: --set epochs=5 says another. Keep one of the two\n"


@pytest.mark.parametrize(
    "words",
    [
        ["sweep", "nope.toml", "--data", "."],
        ["sweep", "cars.toml", "--data", "nope"],
        ["plan", "cars.toml", "--data", "nope"],
        ["resume", "nope"],
    ],
)
def test_a_mistake_is_told_before_ray_is_loaded(space: Path, words: list[str]) -> None:
    script = (
        "import atexit, sys; from carsray.cli import main\natexit.register(lambda: print('ray' in sys.modules)); main()"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], cwd=space.parent, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert done.stderr.startswith("error: ")
    assert "nope" in done.stderr


def test_nothing_is_left_behind_by_a_command_that_was_refused(run: Run, space: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    run("sweep", space, "--data", tmp_path / "no pictures", "--results", results, "--cache", tmp_path / "cache")
    assert not results.exists()


def test_resuming_what_is_not_there_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, err = run("resume", "cars-1", "--results", tmp_path)
    assert (code, err) == (2, f"error: {tmp_path / 'cars-1'}: is no sweep. There are no sweeps\n")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "broken", "carsray.cli.not_there")
    monkeypatch.setattr(sys, "argv", ["carsray", "broken"])
    with pytest.raises(ModuleNotFoundError):
        main()


def test_pins_are_read_as_toml_and_count_in_order() -> None:
    pins = ["lr=0.1", "weights=imagenet", "batchnorm=false", "lr = 0.2", "unfreeze_depth=3"]
    assert pinned_values(pins, None, None) == {
        "lr": 0.2,
        "weights": "imagenet",
        "batchnorm": False,
        "unfreeze_depth": 3,
    }


def test_epochs_and_classes_have_options_of_their_own() -> None:
    assert pinned_values(["epochs=3"], 3, 10) == {"epochs": 3, "classes": 10}


def test_a_value_may_hold_an_equals_sign() -> None:
    assert pinned_values(["weights=/runs/lr=0.1/best.pth"], None, None) == {"weights": "/runs/lr=0.1/best.pth"}


def test_a_weights_file_is_pinned_by_its_full_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "best.pth").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert pinned_values(["weights=best.pth"], None, None) == {"weights": os.fspath(tmp_path / "best.pth")}


def test_a_pin_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="must be KEY=VALUE"):
        pinned_values(["lr"], None, None)


@pytest.mark.parametrize(("extra", "lr"), [("", 1e-4), ("[[start]]\nlr = 0.05\n", 0.05)])
def test_the_first_config_is_the_first_start_point_or_the_first_corner(extra: str, lr: float) -> None:
    assert first_config(parse_space(GOOD + extra, "cars.toml", {})).lr == lr
