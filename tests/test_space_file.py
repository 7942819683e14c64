import itertools
from pathlib import Path

import pytest

from carsray.config import TrialConfig
from carsray.errors import ConfigError, SpaceError
from carsray.space import Space, Value
from carsray.space_file import load_new_space, load_space, parse_space, parse_value

GOOD = """\
# How deep to fine-tune MobileNetV2.
[objective]
rungs = [1, 3]
reduction = 4

[fixed]
backbone = "mobilenet_v2"
epochs = 9

[search]
unfreeze_depth = { choices = [0, 3, "all"], default = "all" }
optimizer = { choices = ["sgd", "adamw"], default = "sgd" }
lr = { low = 1e-4, high = 1e-1, log = true, default = 0.02 }
momentum = { low = 0.8, high = 0.98, default = 0.9, when = { optimizer = "sgd" } }

[search.batch_size]
low = 16
high = 64
default = 32

[[start]]
lr = 0.05
[[start]]
optimizer = "adamw"
lr = 0.001
"""


def parse(text: str, **pinned: Value) -> Space:
    return parse_space(text, "cars.toml", pinned)


def problems(text: str, **pinned: Value) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        parse(text, **pinned)
    return caught.value.problems


def test_a_good_file_says_all_it_says(tmp_path: Path) -> None:
    path = tmp_path / "cars.toml"
    path.write_text(GOOD)
    space = load_space(path)
    assert (space.name, space.text, space.pinned) == ("cars", GOOD, {})
    assert space.fixed == {"backbone": "mobilenet_v2", "epochs": 9}
    assert (space.epochs, space.rungs, space.objective.reduction) == (9, (1, 3), 4)
    assert dict(space.describe()) == {
        "unfreeze_depth": "one of 0, 3, all",
        "optimizer": "one of sgd, adamw",
        "lr": "0.0001 to 0.1, log scale",
        "momentum": "0.8 to 0.98, when optimizer is sgd",
        "batch_size": "16 to 64",
    }
    assert [name for name, parameter in space.parameters.items() if parameter.integer] == [
        "unfreeze_depth",
        "batch_size",
    ]


def test_the_start_points_are_the_defaults_with_the_changes_of_each_start() -> None:
    default = {"unfreeze_depth": "all", "optimizer": "sgd", "lr": 0.02, "momentum": 0.9, "batch_size": 32}
    assert parse(GOOD).start == (
        default,
        {**default, "lr": 0.05},
        {**default, "optimizer": "adamw", "lr": 0.001},
    )


def test_without_defaults_a_start_point_is_what_it_names() -> None:
    assert parse("[search]\nlr = { low = 0.1, high = 1 }\n[[start]]\nlr = 0.5\n").start == ({"lr": 0.5},)
    assert parse("[search]\nlr = { low = 0.1, high = 1 }\n").start == ()


def test_the_same_point_starts_once() -> None:
    assert len(parse(GOOD + "[[start]]\nlr = 0.05\n").start) == 3
    assert len(parse(GOOD, lr=0.01).start) == 2


# Each mistake stands alone in its file: its name, the file, the line, and words of the one message.
MISTAKES = [
    ("unknown section", "[search]\nlr={low=0.1,high=1}\n[fixd]\nlr=1", 3, "[fixd] is no section. Sections are [obj"),
    ("a key before any section", "metric='x'\n[search]\nlr={low=0.1,high=1}", 1, "[metric] is no section"),
    ("a section that is none", "fixed = 3\n[search]\nlr={low=0.1,high=1}", 1, "fixed must be a section, [fixed]"),
    ("nothing to search", "[fixed]\nlr=0.1", None, "[search] is missing or empty. Name at least one setting"),
    ("an empty search", "[fixed]\nlr=0.1\n[search]", 3, "[search] is missing or empty"),
    ("unknown objective", "[objective]\nmetric='x'\n[search]\nlr={low=0.1,high=1}", 2, "has no 'metric'. Allowed: ru"),
    (
        "wrong rungs",
        "[search]\nlr={low=0.1,high=1}\n[objective]\nrungs=5",
        4,
        "rungs = 5: Input should be a valid list",
    ),
    ("mixed rungs", "[search]\nlr={low=0.1,high=1}\n[objective]\nrungs=[1,'a']", 4, "rungs = 'a': Input should be"),
    ("rung 0", "[search]\nlr={low=0.1,high=1}\n[objective]\nrungs=[0,0]", 4, "rungs = 0: Input should be greater than"),
    ("reduction 1", "[search]\nlr={low=0.1,high=1}\n[objective]\nreduction=1", 4, "reduction = 1: Input should be gr"),
    (
        "typo in fixed",
        "[search]\nlr={low=0.1,high=1}\n[fixed]\nbatchsize=3",
        4,
        "[fixed] 'batchsize' is no setting. Di",
    ),
    ("typo in search", "[search]\n\noptimiser={choices=['sgd']}", 3, "is no setting. Did you mean 'optimizer'?"),
    ("another tool's word", "[search]\nlearning_rate={low=0.1,high=1}", 2, "is no setting. Did you mean 'lr'?"),
    ("like no name", "[search]\nzzzz={low=0.1,high=1}", 2, "[search] 'zzzz' is no setting"),
    ("seed", "[search]\nlr={low=0.1,high=1}\n[fixed]\nseed=1", 4, "'seed' is derived from --seed. Remove it"),
    ("view_seed", "[search]\nview_seed={choices=[1,2]}", 2, "'view_seed' is derived from --seed. Remove it"),
    (
        "wrong type in fixed",
        "[search]\nlr={low=0.1,high=1}\n[fixed]\nepochs='9'",
        4,
        "epochs = '9': Input should be a va",
    ),
    (
        "infinity in fixed",
        "[search]\nlr={low=0.1,high=1}\n[fixed]\ngrad_clip=inf",
        4,
        "grad_clip = inf: Input should be a",
    ),
    (
        "fixed and searched",
        "[fixed]\nlr=1\n[search]\nlr={low=0.1,high=1}",
        2,
        "'lr' is in [fixed] and in [search]. Keep",
    ),
    (
        "epochs searched",
        "[search]\nepochs={choices=[1,2]}",
        2,
        "epochs: cannot be searched: rungs need one full length",
    ),
    (
        "the split searched",
        "[search]\nholdout={low=0.1,high=0.3}",
        2,
        "holdout: cannot be searched: it decides the split",
    ),
    ("a bare value", "[search]\nlr = 0.1", 2, "lr: 0.1 is neither a range nor a choice. Write { low = 1e-4"),
    ("half a range", "[search]\nlr={low=0.1}", 2, "is neither a range nor a choice"),
    ("range and choice", "[search]\nlr={low=0.1,high=1,choices=[1]}", 2, "is neither a range nor a choice"),
    (
        "unknown inner key",
        "[search]\nlr={low=0.1,high=1,step=1}",
        2,
        "lr: has step. Allowed: low, high, log or choices;",
    ),
    ("low above high", "[search]\nlr={low=1,high=0.1}", 2, "lr: low = 1 must be below high = 0.1"),
    ("low at high", "[search]\nlr={low=1,high=1}", 2, "lr: low = 1 must be below high = 1"),
    ("text for a bound", "[search]\nlr={low='a',high=1}", 2, "lr: low = 'a', high = 1: both must be numbers"),
    ("true for a bound", "[search]\nlr={low=0.1,high=true}", 2, "high = True: both must be numbers"),
    (
        "bound not allowed",
        "[search]\nlr={low=0.1,high=99}",
        2,
        "lr: 99 is not allowed: Input should be less than or eq",
    ),
    (
        "broken whole number",
        "[search]\nbatch_size={low=1.5,high=9}",
        2,
        "batch_size: 1.5 is not allowed: Input should be",
    ),
    (
        "infinite bound",
        "[search]\ngrad_clip={low=0,high=inf}",
        2,
        "grad_clip: inf is not allowed: Input should be a finite",
    ),
    ("no number", "[search]\nlr={low=nan,high=1}", 2, "lr: nan is not allowed: Input should be a finite number"),
    (
        "log from 0",
        "[search]\ndropout={low=0,high=0.5,log=true}",
        2,
        "low = 0 with log = true. Use low > 0, or drop log",
    ),
    ("log no boolean", "[search]\nlr={low=0.1,high=1,log=1}", 2, "lr: log = 1 must be true or false"),
    ("log of a choice", "[search]\nlr={choices=[0.1,1],log=true}", 2, "lr: log goes with a range, not with choices"),
    ("no choices", "[search]\nlr={choices=[]}", 2, "lr: choices must be a list with at least one value"),
    ("choices no list", "[search]\nlr={choices=0.1}", 2, "lr: choices must be a list with at least one value"),
    ("a choice twice", "[search]\nlr={choices=[0.1,0.1]}", 2, "lr: choices [0.1, 0.1] repeat a value"),
    ("a choice twice, as another number", "[search]\nlr={choices=[1,1.0]}", 2, "lr: choices [1, 1.0] repeat a value"),
    (
        "a whole number with a point",
        "[search]\nbatch_size={choices=[16,32],default=16.0}",
        2,
        "default = 16.0 is outside. Allowed: one of 16, 32",
    ),
    (
        "strange choice",
        "[search]\noptimizer={choices=['sgd','lion']}",
        2,
        "optimizer: 'lion' is not allowed: Input should",
    ),
    ("default outside", "[search]\nlr={low=0.1,high=1,default=2}", 2, "default = 2 is outside. Allowed: 0.1 to 1"),
    ("default no choice", "[search]\nlr={choices=[0.1,1],default=0.5}", 2, "0.5 is outside. Allowed: one of 0.1, 1"),
    (
        "default of odd type",
        "[search]\nlr={low=0.1,high=1,default=[1]}",
        2,
        "default = [1] is outside. Allowed: 0.1 to 1",
    ),
    (
        "default between whole numbers",
        "[search]\nbatch_size={low=16,high=64,default=32.5}",
        2,
        "batch_size: default = 32.5 is outside. Allowed: 16 to 64, whole numbers",
    ),
    (
        "some defaults missing",
        "[search]\nlr={low=0.1,high=1,default=0.5}\ndropout={low=0,high=0.5}",
        3,
        "dropout: has no default while others have. Give every parameter one, or none",
    ),
    (
        "when no table",
        "[search]\nlr={low=0.1,high=1,when='sgd'}",
        2,
        "when = 'sgd' must be a table such as { optimizer",
    ),
    (
        "when nothing",
        "[search]\noptimizer={choices=['sgd']}\nlr={low=0.1,high=1,when={optimizer=[]}}",
        3,
        "is never true",
    ),
    (
        "when unknown",
        "[search]\nlr={low=0.1,high=1,when={optimizer='sgd'}}",
        2,
        "lr: when names 'optimizer', which is no",
    ),
    (
        "when itself",
        "[search]\nlr={low=0.1,high=1,when={lr=0.1}}",
        2,
        "lr: when names 'lr', which is no choice in [search]",
    ),
    (
        "when a range",
        "[search]\nlr={low=0.1,high=1}\nmomentum={low=0,high=0.9,when={lr=0.1}}",
        3,
        "momentum: when names 'lr', which is no choice in [search]",
    ),
    (
        "when not among the choices",
        "[search]\noptimizer={choices=['sgd','adam']}\nmomentum={low=0,high=0.9,when={optimizer=['sgd','rmsprop']}}",
        3,
        "momentum: when optimizer = 'rmsprop', which is not among its choices ['sgd', 'adam']",
    ),
    (
        "when what is fixed is never so",
        "[fixed]\noptimizer='sgd'\n[search]\nmomentum={low=0,high=0.9,when={optimizer='SGD'}}",
        4,
        "momentum: when optimizer = 'SGD': Input should be 'adam', 'adamw'",
    ),
    (
        "when a conditional one",
        "[search]\nschedule={choices=['none','step']}\noptimizer={choices=['sgd','adam'],when={schedule='step'}}\n"
        "momentum={low=0,high=0.9,when={optimizer='sgd'}}",
        4,
        "momentum: when names 'optimizer', which has a condition of its own. One level is allowed",
    ),
    (
        "start no list",
        "[search]\nlr={low=0.1,high=1}\n[start]\nlr=0.1",
        3,
        "[start] must be [[start]], one table for each",
    ),
    (
        "start of numbers",
        "start=[1]\n[search]\nlr={low=0.1,high=1}",
        1,
        "[start] must be [[start]], one table for each",
    ),
    (
        "start typo",
        "[search]\nlr={low=0.1,high=1}\n[[start]]\nlrr=0.1",
        4,
        "[start] 'lrr' is no setting. Did you mean 'lr'",
    ),
    (
        "start not searched",
        "[search]\nlr={low=0.1,high=1}\n[[start]]\ndropout=0.1",
        4,
        "[[start]] dropout is not in [sea",
    ),
    (
        "second start outside",
        "[search]\nlr={low=0.1,high=1}\n[[start]]\nlr=0.1\n[[start]]\nlr=7",
        6,
        "[[start]] lr = 7 is outside. Allowed: 0.1 to 1",
    ),
    ("start of odd type", "[search]\nlr={low=0.1,high=1}\n[[start]]\nlr=[1]", 4, "[[start]] lr = [1] is outside"),
    (
        "an end that fits with nothing",
        "[fixed]\nepochs=5\n[search]\nwarmup_epochs={low=0,high=5}",
        4,
        "warmup_epochs: 5 fits with nothing else here: warmup_epochs 5 must be below epochs 5",
    ),
    (
        "a choice that fits with nothing",
        "[search]\nimage_size={choices=[64,48,96]}\npack_size={choices=[32,96]}",
        3,
        "pack_size: 32 fits with nothing else here: pack_size 32 must be at least image_size 96",
    ),
    (
        "nothing that fits together",
        "[search]\nimage_size={low=64,high=96}\nlr={low=0.1,high=1}\n[fixed]\npack_size=32",
        None,
        "no settings here fit together: pack_size 32 must be at least image_size 64",
    ),
    (
        "a start point that does not fit together",
        "[fixed]\nbackbone='cnn'\n[search]\nimage_size={low=16,high=64}\ndepth={low=3,high=6}\n"
        "[[start]]\nimage_size=16\ndepth=6",
        None,
        "start point 1 is no valid configuration: depth 6 halves the picture to nothing at image_size 16",
    ),
]


@pytest.mark.parametrize(("text", "line", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_its_line(text: str, line: int | None, message: str) -> None:
    (problem,) = problems(text)
    assert message in problem
    assert problem.startswith(f"line {line}: ") if line else not problem.startswith("line ")
    assert "\n" not in problem


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "[search]\nlr = { low = 1, high = 0.1 }\n\n[fixed]\nepochs = -1\n[[start]]\ndropout = 0.1\n[colour]\n"
        "[objective]\nreduction = 0\n"
    )
    assert [problem.split(":")[0] for problem in problems(text)] == ["line 2", "line 5", "line 7", "line 8", "line 10"]


def test_lines_are_sorted_as_numbers() -> None:
    text = "[search]\n" + "\n" * 8 + "zzzz = 1\nyyyy = 2\n"
    assert [problem.split(":")[0] for problem in problems(text)] == ["line 10", "line 11"]


def test_one_problem_is_one_line_and_more_are_counted() -> None:
    with pytest.raises(SpaceError, match=r"^cars\.toml: line 2: lr: low = 1 must be below high = 0\.1$"):
        parse("[search]\nlr = { low = 1, high = 0.1 }")
    with pytest.raises(SpaceError, match=r"^2 problems in cars\.toml:\n  line 2: lr: .*\n  line 3: dropout: "):
        parse("[search]\nlr = { low = 1, high = 0.1 }\ndropout = 1")


def test_a_broken_choice_is_not_blamed_on_those_that_depend_on_it() -> None:
    text = "[search]\noptimizer={choices=['sgd','lion']}\nmomentum={low=0,high=0.9,when={optimizer='sgd'}}"
    assert len(problems(text)) == 1


def test_broken_toml_is_told_with_its_line() -> None:
    (problem,) = problems("[search]\nlr = { low = 0.1 high = 1 }\n")
    assert problem.startswith("not valid TOML: ")
    assert "line 2" in problem


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file or directory"), (b"\xff\xfe[search]", "not UTF-8 text")]
)
def test_an_unreadable_file_is_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "cars.toml"
    if content:
        path.write_bytes(content)
    with pytest.raises(SpaceError) as caught:
        load_space(path)
    assert str(caught.value) == f"{path}: cannot be read: {reason}. Give the path of a .toml file"


def test_a_folder_is_no_space(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="cannot be read: Is a directory"):
        load_space(tmp_path)


def test_a_pinned_setting_overrides_fixed_and_is_no_longer_searched() -> None:
    space = parse(GOOD, epochs=2, lr=0.5, image_size=64)
    assert space.fixed == {"backbone": "mobilenet_v2", "epochs": 2, "lr": 0.5, "image_size": 64}
    assert "lr" not in space.parameters
    assert all("lr" not in point for point in space.start)
    assert space.pinned == {"epochs": 2, "lr": 0.5, "image_size": 64}
    assert space.config(space.start[0]).lr == 0.5


@pytest.mark.parametrize(("optimizer", "momentum"), [("sgd", 0.85), ("adamw", TrialConfig().momentum)])
def test_pinning_a_choice_decides_what_depends_on_it(optimizer: str, momentum: float) -> None:
    assert parse(GOOD, optimizer=optimizer).config({"momentum": 0.85}).momentum == momentum


def test_everything_may_be_pinned() -> None:
    space = parse("[search]\nlr = { low = 0.1, high = 1 }\n", lr=0.5)
    assert (space.parameters, space.start) == ({}, ())
    assert space.config({}).lr == 0.5


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("lr", 99, r"--set lr=99: Input should be less than or equal to 10"),
        ("learning_rate", 1, r"--set learning_rate=1: is no setting\. Did you mean 'lr'\?"),
        ("seed", 1, r"--set seed=1: is derived from --seed\. Remove it"),
    ],
)
def test_a_wrong_pin_is_told_as_it_was_typed(name: str, value: Value, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        parse(GOOD, **{name: value})


def test_pins_that_do_not_fit_the_file_are_told() -> None:
    assert "pack_size 128 must be at least image_size 224" in problems(GOOD, image_size=224, pack_size=128)[0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-3", 0.001),
        ("true", True),
        ("True", "True"),
        ('"all"', "all"),
        ("all", "all"),
        ("/a b/w.pth", "/a b/w.pth"),
        ("[1, 2]", "[1, 2]"),
        ("2026-01-01", "2026-01-01"),
        ("", ""),
    ],
)
def test_a_value_is_read_as_toml_or_else_as_text(text: str, value: Value) -> None:
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_without_a_start_point_the_first_has_low_ends_of_the_right_type() -> None:
    first = parse("[search]\nbatch_size={low=16,high=64}\nlr={low=1,high=2}\noptimizer={choices=['sgd','adam']}").first
    assert first == {"batch_size": 16, "lr": 1.0, "optimizer": "sgd"}
    assert [type(value) for value in first.values()] == [int, float, str]


APART = ["depth = { low = 3, high = 6 }", "image_size = { choices = [128, 32] }", "lr = { low = 0.1, high = 1 }"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_values_of_which_some_do_not_fit_together_are_taken_in_any_order(order: tuple[int, ...]) -> None:
    text = "[fixed]\nbackbone = 'cnn'\n[search]\n" + "\n".join(APART[at] for at in order)
    assert parse(text).first == {"depth": 3, "image_size": 128, "lr": 0.1}
    (problem,) = problems(text, image_size=32)
    assert "depth: 6 fits with nothing else here: depth 6 halves the picture to nothing at image_size 32" in problem


def test_the_first_point_fits_where_the_low_ends_do_not() -> None:
    space = parse("[search]\nimage_size={choices=[96,32]}\npack_size={choices=[64,96]}\n")
    assert space.first == {"image_size": 96, "pack_size": 96}


def test_a_condition_can_keep_apart_what_does_not_fit_together() -> None:
    search = "backbone={choices=['resnet18','cnn']}\ndepth={low=2,high=6,when={backbone='cnn'}}\n"
    parse(f"[fixed]\nimage_size=32\n[search]\n{search}", backbone="resnet18")
    assert len(list(parse(f"[fixed]\nimage_size=32\n[search]\n{search}").meetings())) == 4


@pytest.mark.parametrize("backbone", [None, "resnet18"])
def test_settings_of_the_cnn_are_refused_beside_another_backbone(backbone: str | None) -> None:
    text = "[fixed]\nhidden = 256\n[search]\nlr = { low = 0.1, high = 1 }\ndepth = { low = 3, high = 5 }\n"
    parse(text, backbone="cnn")
    found = problems(text, **({"backbone": backbone} if backbone else {}))
    there = backbone or TrialConfig().backbone
    assert found == [
        f"line {line}: {name}: is for backbone = 'cnn' alone, and here it is {there!r}. Leave it out"
        for line, name in ((2, "hidden"), (5, "depth"))
    ]


def test_a_pinned_setting_of_the_cnn_is_refused_beside_another_backbone() -> None:
    with pytest.raises(ConfigError, match=r"^--set hidden=256: is for backbone = 'cnn' alone, and here it is 'mobilen"):
        parse(GOOD, hidden=256)


@pytest.mark.parametrize("where", ["[search]\nbackbone={choices=['cnn','resnet18']}", "[fixed]\nbackbone = 'cnn'"])
def test_a_file_for_both_kinds_of_network_may_be_pinned_to_one(where: str) -> None:
    text = f"{where}\n[search.depth]\nlow = 3\nhigh = 5\nwhen = {{ backbone = 'cnn' }}\n"
    space = parse(text, backbone="resnet18")
    assert space.config({"depth": 3}).depth == TrialConfig().depth


@pytest.mark.parametrize(("value", "same"), [("1.0", True), ("1", True), ("true", False), ("1.5", False)])
def test_a_number_is_the_same_choice_however_it_is_written(value: str, same: bool) -> None:
    text = f"[search]\nhead_lr_factor = {{ choices = [1, 10], default = {value} }}"
    if same:
        assert parse(text).start == ({"head_lr_factor": 1},)
    else:
        assert "is outside. Allowed: one of 1, 10" in problems(text)[0]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "cars.toml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert load_space(path).text == GOOD


def test_a_sweep_keeps_its_files_of_weights_by_their_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "b.pth").touch()
    (tmp_path / "cars.toml").write_text("[search]\nweights = { choices = ['imagenet', 'b.pth'], default = 'b.pth' }\n")
    monkeypatch.chdir(tmp_path)
    space = load_new_space(Path("cars.toml"), {})
    monkeypatch.undo()
    whole = str(tmp_path / "b.pth")
    assert space.parameters["weights"].choices == ("imagenet", whole)
    assert space.start == ({"weights": whole},)
    assert parse(space.text).parameters == space.parameters
