"""Journeys through the interface in a real browser: search, match, classify, label, library.

The server is the real one, over a library of real footage and the encoder that ships.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.app.browser import FLAGS, command, find_browser, running_server

pytestmark = pytest.mark.browser

TIMEOUT_MS = 60_000
FILE_B = re.compile(r"\bb\s*\.mp4")
"""Gradio sets stem and suffix apart, at times with a space between them."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = find_browser()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(
    chromium: Browser,
    tmp_path_factory: pytest.TempPathFactory,
    bikes: Path,
    bunny: Path,
    world: Path,
) -> Iterator[str]:
    library = tmp_path_factory.mktemp("served") / "library"
    films = [str(path) for path in (bikes, bunny, world)]
    subprocess.run(command("ingest", *films, "--library", str(library)), check=True, timeout=180)
    with running_server(library) as address:
        yield address


@pytest.fixture(scope="module")
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """One for all pages, so that the interface's scripts are read once and then cached."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, address: str) -> Iterator[Page]:
    """A fresh page; whatever it asks of another host or throws is a failure."""
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    foreign: list[str] = []
    thrown: list[str] = []
    own = urlsplit(address).netloc

    def note_request(url: str) -> None:
        if urlsplit(url).scheme.startswith("http") and urlsplit(url).netloc != own:
            foreign.append(url)

    page.on("request", lambda request: note_request(request.url))
    page.on("pageerror", lambda error: thrown.append(str(error)))
    page.goto(address)
    expect(page.locator("#header")).to_contain_text("3")
    yield page
    page.close()
    assert foreign == []
    assert thrown == []


def _open(page: Page, tab: str) -> None:
    page.get_by_role("tab", name=tab).click()


def _is_playing(page: Page, selector: str) -> None:
    """The video has a picture, and its time goes on."""
    page.wait_for_function(
        """selector => { const video = document.querySelector(selector);
        return video.readyState >= 2 && video.videoWidth > 0 && video.currentTime > 0.2; }""",
        arg=selector,
    )


def test_without_a_browser_it_skips_or_fails_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEPRINT_BROWSER", "/nowhere/chromium")
    monkeypatch.delenv("SCENEPRINT_REQUIRE_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception, match="install chromium"):
        find_browser()
    monkeypatch.setenv("SCENEPRINT_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="/nowhere/chromium"):
        find_browser()


def test_search_and_play_a_hit(page: Page) -> None:
    page.locator("#search-text input").fill("a bicycle leaning against a wall")
    page.keyboard.press("Enter")
    hits = page.locator(".sp-hit")
    expect(hits.first).to_contain_text("bikes.mp4")
    expect(hits.first).to_contain_text("picture #1")
    assert hits.first.locator("img").evaluate("image => image.decode().then(() => image.width)") > 0
    second = hits.nth(1)
    start_to_end = second.locator(".sp-time").inner_text()
    second.click()
    expect(page.locator(".sp-player-range")).to_have_text(start_to_end)
    _is_playing(page, ".sp-player video")
    shown = float(second.locator(".sp-length").inner_text().removesuffix(" s"))
    duration = page.locator(".sp-player video").evaluate("video => video.duration")
    assert duration == pytest.approx(shown, abs=0.15)  # the segment, not the film


def test_search_in_chinese_within_one_film(page: Page) -> None:
    page.get_by_text("Search by picture, clip or sound").click()
    page.get_by_label("In film").click()
    page.get_by_role("option", name="world.mp4").click()
    page.locator("#search-text input").fill("夜晚的地球")
    page.locator("#search-go").click()
    expect(page.locator(".sp-hit").first).to_contain_text("world.mp4")
    assert "bikes.mp4" not in page.locator("#search-results").inner_text()


def test_search_by_clip(page: Page, b_clip: Path) -> None:
    page.get_by_text("Search by picture, clip or sound").click()
    page.locator("#search-clip input[type=file]").set_input_files(b_clip)
    expect(page.locator("#search-clip")).to_contain_text(FILE_B)
    page.locator("#search-go").click()
    expect(page.locator(".sp-hit").first).to_contain_text("world.mp4")
    expect(page.locator(".sp-hit").first).to_contain_text("clip #1")


def test_search_by_sound(page: Page, bunny: Path) -> None:
    page.get_by_text("Search by picture, clip or sound").click()
    page.locator("#search-sound input[type=file]").set_input_files(bunny)
    expect(page.locator("#search-sound")).to_contain_text("bigbuckbunny")
    page.locator("#search-go").click()
    expect(page.locator(".sp-hit").first).to_contain_text("bigbuckbunny.mp4")
    expect(page.locator(".sp-hit").first).to_contain_text("sound #1")


def test_an_empty_question_is_answered_kindly(page: Page) -> None:
    page.locator("#search-go").click()
    expect(page.locator("#search-results")).to_contain_text("Nothing to look for yet")


def test_match_shows_and_plays_both_sides(page: Page, b_clip: Path) -> None:
    _open(page, "Match")
    page.locator("#suspect input[type=file]").set_input_files(b_clip)
    expect(page.locator("#suspect")).to_contain_text(FILE_B)
    page.locator("#match-go").click()
    row = page.locator("tr.sp-match").first
    expect(row).to_contain_text("world.mp4")
    expect(row).to_contain_text("1.00 ×")
    row.get_by_role("button", name="Compare").click()
    page.get_by_role("button", name="Play both").click()
    _is_playing(page, ".sp-pair-query")
    _is_playing(page, ".sp-pair-ref")
    expect(page.locator("#match-evidence .ev-pair").first).to_be_visible()
    matrix = page.locator("#match-evidence .ev-matrix img")
    assert matrix.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480


def test_match_saves_a_table_and_a_report(page: Page, b_clip: Path) -> None:
    _open(page, "Match")
    page.locator("#suspect input[type=file]").set_input_files(b_clip)
    expect(page.locator("#suspect")).to_contain_text(FILE_B)
    page.locator("#match-go").click()
    with page.expect_download() as table:
        page.locator("#match-csv").click()
    assert "\nb,world," in table.value.path().read_text(encoding="utf-8")
    page.locator("#match-report-go").click()
    with page.expect_download() as report:
        page.locator("#match-report").click()
    assert report.value.suggested_filename == "copies in b.html"
    assert "data:image/png" in report.value.path().read_text(encoding="utf-8")


def test_match_without_a_copy_says_so(page: Page, carphone: Path) -> None:
    _open(page, "Match")
    page.locator("#suspect input[type=file]").set_input_files(carphone)
    expect(page.locator("#suspect")).to_contain_text("carphone")
    page.locator("#match-go").click()
    expect(page.locator("#match-results")).to_contain_text("No copies found")


def test_match_refuses_what_is_not_a_film(page: Page, tmp_path: Path) -> None:
    fake = tmp_path / "fake.mp4"
    fake.write_bytes(b"this is no film" * 100)
    _open(page, "Match")
    page.locator("#suspect input[type=file]").set_input_files(fake)
    expect(page.locator("#suspect")).to_contain_text("fake")
    page.locator("#match-go").click()
    expect(page.locator("#match-results")).to_contain_text("Not compared")
    notice = page.locator(".toast-body")
    expect(notice).to_contain_text("fake.mp4")
    assert "Traceback" not in page.content()


def test_classify_a_film_of_the_library(page: Page) -> None:
    _open(page, "Classify")
    page.get_by_label("Or a film of the library").click()
    page.get_by_role("option", name="bikes.mp4").click()
    page.locator("#classify-labels textarea, #classify-labels input").first.fill(
        "a street with cars, a dog in the snow"
    )
    page.locator("#classify-go").click()
    bars = page.locator("#classify-results .sp-bar")
    expect(bars).to_have_count(2)
    expect(bars.first).to_contain_text("a street with cars")
    shares = [
        float(text.removesuffix("%")) for text in page.locator(".sp-bar-value").all_inner_texts()
    ]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_classify_each_shot_with_the_groups_that_ship(page: Page) -> None:
    _open(page, "Classify")
    page.get_by_label("Or a film of the library").click()
    page.get_by_role("option", name="bikes.mp4").click()
    page.get_by_label("Each shot").check()
    page.locator("#classify-go").click()
    parts = page.locator("#classify-results .sp-part")
    expect(parts.first).to_contain_text("Shot 1")
    assert parts.count() >= 4
    for group in ("Place", "Time", "Action", "Mood"):
        expect(parts.first).to_contain_text(group)


def test_label_three_shots_undo_one_and_learn(page: Page) -> None:
    _open(page, "Label")
    page.get_by_text("New group, or more classes").click()
    page.get_by_label("Group", exact=True).last.fill("subject")
    page.get_by_label("Classes").fill("street with bicycles, animal")
    page.get_by_role("button", name="Save group").click()
    card, status = page.locator(".sp-label"), page.locator("#label-status")
    expect(card).to_contain_text("Guess by the words alone")
    expect(card).to_contain_text("bikes.mp4")  # the likeliest example of the first class
    _is_playing(page, ".sp-label video")
    for count, answer in enumerate(("1", "2", "1"), start=1):
        shot = card.get_attribute("data-shot")
        if count == 2:
            card.get_by_role("button", name="animal").click()
        else:
            page.keyboard.press(answer)
        expect(card).not_to_have_attribute("data-shot", shot or "")
    expect(status).to_contain_text("street with bicycles 2")
    page.keyboard.press("z")
    expect(status).to_contain_text("street with bicycles 1")
    expect(card).to_have_attribute("data-shot", shot or "")
    page.locator("#label-learn").click()
    expect(status).to_contain_text("Learned subject/1")
    expect(status).to_contain_text("cross-fitted")
    expect(card).to_contain_text("Guess of subject/1")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(300)
    widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert widths[0] <= widths[1]


def test_add_a_film_and_remove_it_again(page: Page, carphone: Path) -> None:
    _open(page, "Library")
    expect(page.locator("#library tbody tr")).to_have_count(3)
    page.locator("#library-uploads input[type=file]").set_input_files(carphone)
    expect(page.locator("#library-uploads")).to_contain_text("carphone")
    page.locator("#library-go").click()
    expect(page.locator("#library-status")).to_contain_text("1 added")
    expect(page.locator("#library tbody tr")).to_have_count(4)
    expect(page.locator("#header")).to_contain_text("4")

    row = page.locator("#library tbody tr", has_text="carphone")
    row.get_by_role("button", name="Remove").click()
    confirm = page.locator("#library-confirm")
    expect(confirm).to_contain_text("carphone")
    confirm.get_by_role("button", name="Keep it").click()
    expect(confirm).to_be_hidden()
    expect(page.locator("#library tbody tr")).to_have_count(4)

    row.get_by_role("button", name="Remove").click()
    page.locator("#remove-yes").click()
    expect(page.locator("#library tbody tr")).to_have_count(3)


def test_a_narrow_page_does_not_scroll_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("#search-text input").fill("a bicycle")
    page.keyboard.press("Enter")
    expect(page.locator(".sp-hit").first).to_be_visible()
    for tab in ("Search", "Library"):
        _open(page, tab)
        page.wait_for_timeout(300)
        widths = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert widths[0] <= widths[1]
