from pathlib import Path

import pytest

from carsray.errors import ConfigError, SpaceError
from carsray.published.experiments import Experiments
from carsray.published.experiments_file import find_experiments, parse_experiments

GOOD = """\
[common]
average = "weighted"
epochs = 3
distance = "cosine"

[[experiment]]
id = "a"
title = "first"
backbone = "cnn"
lr = 0.1

[[experiment]]
id = "b"
like = "a"
lr = 0.2
report = ["test", "val"]

[[experiment]]
id = "c"
embeddings = "b"
k = 3

[[experiment]]
id = "d"
like = "c"
k = 7
average = "macro"
"""


def parse(text: str) -> Experiments:
    return parse_experiments(text, "reports/mine.toml")


def problems(text: str) -> list[str]:
    with pytest.raises(SpaceError) as caught:
        parse(text)
    return caught.value.problems


def test_a_good_file_says_all_it_says() -> None:
    file = parse(GOOD)
    assert (file.name, list(file.all)) == ("mine", ["a", "b", "c", "d"])
    a, b, c, d = file.all.values()
    assert dict(a.settings) == {"epochs": 3, "backbone": "cnn", "lr": 0.1}
    assert dict(b.settings) == {**a.settings, "lr": 0.2}
    assert (a.title, a.splits, b.splits) == ("first", ("test",), ("test", "val"))
    assert dict(c.settings) == {"distance": "cosine", "k": 3}
    assert (c.embeddings, d.embeddings, d.retrieval().k) == ("b", "b", 7)
    assert [e.reporting.average for e in (a, b, c, d)] == ["weighted", "weighted", "weighted", "macro"]
    assert a.config(5).seed == a.config(5).view_seed == 5


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("[comon]\nlr = 1\n", "line 1: [comon] is no section. Sections are [common] and [[experiment]]"),
        ("[common]\navrage = 1\n", "line 2: [common] 'avrage' is no setting. Did you mean 'average'?"),
        ("[common]\nid = 'x'\n", "line 2: [common] 'id' belongs in [[experiment]]"),
        ("[common]\nseed = 1\n", "line 2: [common] 'seed' is derived from --seed. Remove it"),
        ("[common]\nk = 0\n", "line 2: k = 0: Input should be greater than or equal to 1"),
    ],
)
def test_a_problem_outside_of_experiments_comes_with_its_line(wrong: str, problem: str) -> None:
    assert problems(wrong + '[[experiment]]\nid = "x"\nbackbone = "cnn"\n') == [problem]


@pytest.mark.parametrize(
    ("wrong", "line", "problem"),
    [
        ('id = "e"\nlearning_rate = 1', 2, "[experiment] 'learning_rate' is no setting. Did you mean 'lr'?"),
        ('id = "e"\nlr = "fast"', 2, "lr = 'fast': Input should be a valid number"),
        ('id = "e"\nk = 2', 2, "k does not belong here: it goes with embeddings ="),
        (
            'id = "e"\nembeddings = "a"\nlr = 1',
            3,
            "lr does not belong here: a retrieval takes it from its embeddings",
        ),
        ('id = "e"\nembeddings = "c"', 2, "embeddings = 'c': is not trained here. Trained are a, b"),
        ('id = "e"\nlike = "f"', 2, "like = 'f' names no experiment above. These are: a, b, c"),
        ('id = "b"', 1, "id = 'b' is there twice"),
        ("lr = 1", 0, 'id = None: every [[experiment]] needs one, as id = "cnn-1"'),
        ('id = "e"\npack_size = 20', 1, "e: pack_size 20 must be at least image_size 224"),
    ],
)
def test_a_problem_of_an_experiment_comes_with_its_line(wrong: str, line: int, problem: str) -> None:
    before = GOOD[: GOOD.index('[[experiment]]\nid = "d"')]
    found = problems(before + "[[experiment]]\n" + wrong + "\n")
    assert f"line {len(before.splitlines()) + 1 + line}: {problem}" in found


def test_all_problems_come_at_once_in_the_order_of_lines() -> None:
    found = problems('[common]\nlr = -1\n[[experiment]]\nid = "a"\nbatch = 3\n[[experiment]]\nid = "a"\n')
    assert [line.split(":")[0] for line in found] == ["line 2", "line 5", "line 7"]


@pytest.mark.parametrize("text", ["", "[common]\nlr = 1\n", "experiment = 3\n"])
def test_a_file_without_experiments_is_refused(text: str) -> None:
    assert any("no [[experiment]] table" in problem for problem in problems(text))


def test_text_that_is_no_toml_is_refused() -> None:
    assert problems("[common\n")[0].startswith("not valid TOML")


def test_a_name_is_found_here_before_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_experiments("almog2025").parts[-3:] == ("search_spaces", "published", "almog2025.toml")
    own = tmp_path / "search_spaces" / "published" / "almog2025.toml"
    own.parent.mkdir(parents=True)
    own.write_text(GOOD)
    assert find_experiments("almog2025") == own
    assert find_experiments("other/mine.toml") == Path("other/mine.toml")


def test_an_unknown_report_or_experiment_names_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match=r"almog: is no published report\. Known are almog2025, vizniuk2024"):
        find_experiments("almog")
    with pytest.raises(ConfigError, match="experiment 'e': mine has a, b, c, d"):
        parse(GOOD).of("e")
