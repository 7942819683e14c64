import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from made_report import Told, add_finalists, add_retrain, add_retrieval, made, made_sweep

from carsray.report.page import breakable, code, render
from carsray.report.reading import read_sweep

EVIL = ("</script><img src=x onerror=alert(1)>", '"><svg onload=alert(2)>', "`x` & 'y'")
EVIL_REASON = "<img src=x onerror=alert(3)>\nTraceback </pre><script>alert(4)</script>"


class Elements(HTMLParser):
    """Every element with its attributes, and the text of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._within = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in self.raw:
            self.raw[self._within][-1] += data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of a sweep that has been through all stages, over classes with dangerous names."""
    told = [Told([0.2, 0.4]), Told([0.1], state="pruned"), Told([], state="failed", reason=EVIL_REASON)]
    folder = made_sweep(tmp_path_factory.mktemp("page"), [*told, *told], classes=EVIL)
    for add in (add_retrieval, add_retrain):
        add(folder, read_sweep(folder).split)
    return render([read_sweep(folder)])


def test_all_that_people_named_is_text_and_nothing_else(whole: str) -> None:
    elements = Elements(whole)
    assert not [tag for tag, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    assert {attributes["src"][:5] for tag, attributes in elements.found if tag == "img"} == {"data:"}
    assert len(elements.raw["script"]) == 4  # the data and the three scripts of the page
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in whole


def test_data_for_the_script_cannot_end_its_element(tmp_path: Path) -> None:
    told = [Told([0.1], {"lr": 0.1, "optimizer": EVIL[0], "batch_size": 8})]
    data = Elements(render([made(tmp_path, told)])).raw["script"][0]
    assert "<" not in data
    assert json.loads(data)["trials"][0]["values"][5] == EVIL[0]


def test_nothing_is_asked_from_anywhere(whole: str) -> None:
    for tag, attributes in Elements(whole).found:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        for name in ("src", "href", "action", "srcset", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;"))
    assert "url(" not in whole
    assert "@import" not in whole


def test_the_policy_lets_in_the_page_s_own_scripts_and_style_and_nothing_else(whole: str) -> None:
    elements = Elements(whole)
    (policy,) = (a["content"] for _, a in elements.found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src ")
    assert "unsafe" not in policy
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    there = [*elements.raw["style"], *elements.raw["script"][1:]]
    digests = {f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}" for text in there}
    assert digests == allowed
    assert not [tag for tag, attributes in elements.found if "style" in attributes]  # the policy forbids them


def test_every_chart_is_described_and_every_picture_has_words(whole: str) -> None:
    elements = Elements(whole).found
    drawn = [attributes for _, attributes in elements if attributes.get("role") == "img"]
    assert len(drawn) > 10
    assert all(attributes.get("aria-label") for attributes in drawn)
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")


def test_no_id_is_there_twice_and_every_link_leads_somewhere(whole: str) -> None:
    elements = Elements(whole).found
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {(a["href"] or "")[1:] for tag, a in elements if tag == "a"} <= set(ids)


def test_headings_leave_out_no_level(whole: str) -> None:
    levels = [int(tag[1]) for tag, _ in Elements(whole).found if re.fullmatch(r"h\d", tag)]
    assert levels[:2] == [1, 2]
    assert all(second <= first + 1 for first, second in pairwise(levels))


def test_what_is_missing_is_named_with_its_command(tmp_path: Path) -> None:
    page = render([made(tmp_path)])
    for stage in ("confirm", "retrieval", "retrain"):
        assert f"<code>carsray {stage} made --results " in page
    assert "No weights are kept yet" in page


def test_test_pictures_are_not_opened_before_retrain_has(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path)
    split = read_sweep(folder).split
    add_finalists(folder, split)
    add_retrieval(folder, split)
    for row in split.test:
        Path(row.path).unlink()  # opening one would leave a gap
        Path(row.path).mkdir()
    page = render([read_sweep(folder)])
    assert "not there" not in re.sub("Not there yet", "", page)


def test_a_running_sweep_says_so_with_a_time(tmp_path: Path) -> None:
    folder = made_sweep(tmp_path, ended=None)
    with folder.alone():
        page = render([read_sweep(folder)])
    assert re.search(
        r"Still running\.</strong> 4 of 4 trials have ended\. Read on \d{4}-\d\d-\d\d at \d\d:\d\d:\d\d;", page
    )


@pytest.mark.parametrize(
    "told",
    [[], [Told([], state="running")], [Told([0.25], state="running")], [Told([], state="failed", reason="no memory")]],
    ids=["no trial", "no epoch", "one epoch", "failed"],
)
def test_a_sweep_that_has_hardly_begun_has_a_page(tmp_path: Path, told: list[Told]) -> None:
    page = render([made(tmp_path, told, ended=None)])
    assert "<h1>made</h1>" in page
    assert page.rstrip().endswith("</html>")


def test_two_thousand_trials_fit_into_a_page(tmp_path: Path) -> None:
    told = [
        Told(
            [at % 97 / 100] * (1 + at % 3),
            {"lr": 10 ** (-4 * (at % 89) / 89), "optimizer": "sgd", "momentum": 0.7, "batch_size": 8 + at % 25},
            "pruned",
        )
        for at in range(2000)
    ]
    assert len(render([made(tmp_path, told)]).encode()) < 3e6


def test_text_between_backticks_is_code_and_all_of_it_is_escaped() -> None:
    assert code("a <b> `c <d>` e") == "a &lt;b&gt; <code>c &lt;d&gt;</code> e"


def test_a_name_may_be_broken_after_its_parts() -> None:
    assert breakable("val/accuracy_best<") == "val/<wbr>accuracy_<wbr>best&lt;"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "soft", "accent", "bad", "lit"])
def test_words_stand_out_from_the_paper(name: str, dark: bool, whole: str) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    colours = dict(
        re.findall(r"--(\w+(?:-\w+)?): (#\w{6})", whole.split("@media screen", 1)[int(dark)].split("* {")[0])
    )
    assert contrast(colours[name], colours["paper"]) >= 4.5
    if name in ("ink", "soft"):
        assert contrast(colours[name], colours["raised"]) >= 4.5


def contrast(first: str, second: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
