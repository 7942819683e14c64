"""The page in a headless Chromium, from disk. Left out where there is none."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from made_report import Told, add_finalists, add_retrain, add_retrieval, made_sweep
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from carsray.report.page import render
from carsray.report.reading import read_sweep

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
EVIL = ("</script><img src=x onerror=alert(1)>", '"><svg onload=alert(2)>', "plain")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a sweep of eight trials that has been through all stages."""
    root = tmp_path_factory.mktemp("browser")
    told = [
        Told([0.1, 0.1 + at / 20], {"lr": 10.0 ** (-at / 2), "optimizer": name, "batch_size": 8 + 3 * at})
        for at, name in enumerate(["adam", "sgd"] * 4)
    ]
    folder = made_sweep(root, told, classes=EVIL)
    for add in (add_finalists, add_retrieval, add_retrain):
        add(folder, read_sweep(folder).split)
    path = root / "report.html"
    path.write_text(render([read_sweep(folder)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Where tests run as root, as in a container, Chromium's own sandbox cannot.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, file: Path) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(file.as_uri())
    yield page
    context.close()


def shown(page: Page) -> list[str]:
    """The trials that the table shows, from top to bottom."""
    return page.locator("#trial-table tbody tr:visible .pin").all_inner_texts()


def end_of(page: Page, axis: str, which: str) -> Locator:
    return page.get_by_role("slider", name=f"{axis}, {which}")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_an_error_asks_for_nothing_and_fits(browser: Browser, file: Path, width: int, scheme) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: None if request.url.startswith("data:") else said.append(request.url))
    page.goto(file.as_uri())
    page.mouse.wheel(0, 100_000)  # pictures come when they are in sight
    assert said == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    charts = page.locator(".drawing .area, .bar, .estimate, .threads").all()
    boxes = [chart.bounding_box() for chart in charts]
    assert len(boxes) > 20
    assert all(box and box["width"] > 100 and box["height"] > 10 for box in boxes)
    context.close()


def test_text_keeps_its_size_on_a_phone(browser: Browser, file: Path) -> None:
    heights = []
    for width in (1280, 390):
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.goto(file.as_uri())
        box = page.locator("#curves text.tick").first.bounding_box()
        assert box is not None
        heights.append(box["height"])
        page.close()
    assert heights[0] == pytest.approx(heights[1])
    assert heights[0] > 10


def test_the_keyboard_moves_an_end_of_an_axis_and_filters_the_table(page: Page) -> None:
    assert len(shown(page)) == 8
    end = end_of(page, "batch_size", "from")
    end.focus()
    for _ in range(50):
        end.press("ArrowRight")
    # batch sizes 8, 11, ... 29 of 8 to 32: from 20 on there are four.
    assert sorted(shown(page)) == ["4", "5", "6", "7"]
    assert end.get_attribute("aria-valuetext") == "20"
    assert page.get_by_role("status").filter(has_text="of 8").inner_text() == "4 of 8 trials are left"


def test_the_ends_of_an_axis_do_not_pass_each_other(page: Page) -> None:
    end_of(page, "batch_size", "to").press("Home")
    end_of(page, "batch_size", "from").press("End")
    assert end_of(page, "batch_size", "from").input_value() == end_of(page, "batch_size", "to").input_value() == "0"


def test_dragging_along_an_axis_filters_the_table(page: Page) -> None:
    track = page.locator(".axis", has_text="batch_size").locator(".known")
    track.scroll_into_view_if_needed()
    box = track.bounding_box()
    assert box is not None
    height = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], height)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], height, steps=4)
    page.mouse.up()
    assert sorted(shown(page)) == ["3", "4"]  # 17 and 20, at 37.5 and 50 %


def test_a_choice_that_is_taken_away_takes_its_trials_along(page: Page) -> None:
    page.get_by_role("checkbox", name="sgd").uncheck()
    assert sorted(shown(page)) == ["0", "2", "4", "6"]


def test_a_brushed_axis_leaves_out_trials_without_a_value(page: Page) -> None:
    end_of(page, "momentum", "from").press("ArrowRight")
    assert shown(page) == []


def test_brushes_work_together_and_are_taken_back_at_once(page: Page) -> None:
    page.get_by_role("checkbox", name="adam").uncheck()
    end_of(page, "val/accuracy_best", "from").press("End")
    assert shown(page) == ["7"]
    assert page.locator(".threads .out").count() == 7
    page.get_by_role("button", name="Show all").click()
    assert len(shown(page)) == 8
    assert page.locator(".out").count() == 0


def test_the_table_is_sorted_by_a_click_on_a_head(page: Page) -> None:
    head = page.get_by_role("button", name="batch_size", exact=True)
    head.click()
    assert shown(page) == list("01234567")
    head.click()
    assert shown(page) == list("76543210")
    assert page.locator("th[aria-sort] button").get_attribute("aria-label") == "batch_size"


def test_a_trial_is_marked_in_every_chart_while_its_button_is_pressed(page: Page) -> None:
    button = page.locator("#trial-table").get_by_role("button", name="3", exact=True)
    button.press("Enter")
    page.keyboard.press("Tab")
    assert button.get_attribute("aria-pressed") == "true"
    for place in ("#best_so_far circle", ".threads path", "#parameters circle", "#curves path", "#spending .row"):
        assert page.locator(f"{place}.lit[data-t='3']").count() > 0
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-pressed") == "false"


def test_pointing_at_a_mark_tells_its_trial(page: Page) -> None:
    page.locator("#curves circle[data-t='7']").hover()
    assert page.locator("#tip").inner_text() == "trial 7: 0.4500, finished after 2 epochs"


def test_without_a_script_charts_and_table_are_there(browser: Browser, file: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator(".threads path").count() == 8
    assert page.locator("#trial-table tbody tr:visible").count() == 8
    assert page.locator("input:visible").count() == 0
    context.close()


def test_a_printed_page_is_black_on_white_even_where_the_screen_is_dark(browser: Browser, file: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(file.as_uri())
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(251, 251, 249)"
    assert page.locator("nav:visible").count() == 0
    context.close()
