"""The page in a headless Chromium, from a real server. Left out where there is none."""

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from uploads import BAD, GOOD

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CAR = {"name": "car.jpg", "mimeType": "image/jpeg", "buffer": GOOD["jpeg"]}
TEXT = {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": BAD["text"]}
DROP = """
([event, kind, text]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  transfer.items.add(new File([bytes], "car.jpg", { type: "image/jpeg" }));
  const made = { bubbles: true, cancelable: true, [kind]: transfer };
  document.body.dispatchEvent(event === "paste" ? new ClipboardEvent(event, made) : new DragEvent(event, made));
}
"""
expect.set_options(timeout=120_000)  # milliseconds: a busy machine takes longer than the usual five seconds

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Where tests run as root, as in a container, Chromium's own sandbox cannot.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(server)
    yield page
    context.close()


def upload(page: Page, file: dict[str, object]) -> None:
    page.get_by_label("Choose a picture").set_input_files([file])


def neighbours(page: Page) -> list[str]:
    return page.locator("#neighbours button").all_inner_texts()


def test_a_chosen_picture_gets_classes_and_neighbours(page: Page) -> None:
    upload(page, CAR)
    expect(page.get_by_role("heading", name="The model says")).to_be_visible()
    expect(page.locator("#guesses li")).to_have_count(3)
    expect(page.locator("#guesses li").first).to_contain_text("%")
    expect(page.locator("#neighbours button")).to_have_count(12)
    expect(page.get_by_role("status")).to_contain_text("12 similar pictures")
    expect(page.get_by_role("img", name="Searched for: car.jpg")).to_be_visible()


@pytest.mark.parametrize(("event", "kind"), [("drop", "dataTransfer"), ("paste", "clipboardData")])
def test_a_picture_may_be_dropped_or_pasted(page: Page, event: str, kind: str) -> None:
    page.evaluate(DROP, [event, kind, base64.b64encode(GOOD["jpeg"]).decode()])
    expect(page.locator("#neighbours button")).to_have_count(12)


def test_a_neighbour_is_searched_from_with_the_keyboard(page: Page) -> None:
    upload(page, CAR)
    first = page.locator("#neighbours button").first
    expect(first).to_be_visible()
    before, name = neighbours(page), first.locator("span").inner_text()
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    expect(page.locator("#guesses li")).to_have_count(0)
    assert neighbours(page) != before
    assert page.evaluate("document.activeElement.id") == "result"


def test_the_filter_leaves_one_class(page: Page) -> None:
    expect(page.locator("#classes option")).to_have_count(3)
    upload(page, CAR)
    expect(page.locator("#neighbours button")).to_have_count(12)
    with page.expect_response("**/api/search?*class=*"):
        page.get_by_label("Similar pictures of").fill("Car 2 1992")
    expect(page.locator("#neighbours button span", has_text="Car 2 1992")).to_have_count(12)


def test_what_is_no_picture_is_told_and_the_next_one_is_answered(page: Page) -> None:
    upload(page, TEXT)
    expect(page.get_by_role("alert")).to_contain_text("is no picture that can be read")
    expect(page.locator("#result")).to_be_hidden()
    upload(page, CAR)
    expect(page.get_by_role("alert")).to_be_empty()
    expect(page.locator("#result")).to_be_visible()


def test_a_server_that_is_gone_is_told(page: Page) -> None:
    page.context.set_offline(True)
    upload(page, CAR)
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_asks_no_other_host_says_no_error_and_fits(
    browser: Browser, server: str, tmp_path: Path, width: int, scheme: str
) -> None:
    phone = width < 600
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, has_touch=phone, is_mobile=phone
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if server not in request.url else None)
    page.goto(server)
    upload(page, CAR)
    expect(page.locator("#neighbours button")).to_have_count(12)
    assert said == []
    assert page.get_by_text("Take a photograph").is_visible() == phone
    assert page.evaluate("document.documentElement.scrollWidth") == width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 27)"
    assert dark == (scheme == "dark")
    context.close()


def test_every_control_has_a_name(page: Page) -> None:
    upload(page, CAR)
    expect(page.locator("#neighbours button")).to_have_count(12)
    nameless = page.evaluate("""
        [...document.querySelectorAll("button, input")].filter((one) => !(one.innerText.trim() || one.labels?.length))
            .map((one) => one.outerHTML)
    """)
    assert nameless == []
