"""The pages do what they say in a real browser, and everybody can use them."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.site

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "site" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "site" / "_build" / "screenshots"
PHONE = {"viewport": {"width": 390, "height": 844}}
LOOKS = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": PHONE,
}
LESSON = "notebooks/03_upsampling.html"
SHOWN = ("index.html", LESSON, "compare.html", "try_it.html")
BROKEN = "[...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_every_page_opens_and_fits_a_phone(page, site, pages):
    page.set_viewport_size(PHONE["viewport"])
    for place in pages:
        page.goto(f"{site}/{place}", wait_until="load")
        assert page.evaluate(BROKEN) == 0, place
        assert page.evaluate(WIDER) == 0, place


def serious(page):
    """The serious faults that axe finds in a page, with the places."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        (each["id"], node["target"], node["failureSummary"])
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:2]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(open_page, pages, scheme, site):
    page = open_page("index.html", color_scheme=scheme)
    faults = {}
    for place in pages:
        page.goto(f"{site}/{place}")
        faults[place] = serious(page)
    assert {place: found for place, found in faults.items() if found} == {}


def test_search_leads_to_the_lesson(open_page):
    page = open_page("index.html")
    page.get_by_placeholder("Search").fill("transposed convolution")
    page.keyboard.press("Enter")
    first = page.locator("#search-results li a").first
    first.wait_for()
    assert "03_upsampling.html" in first.get_attribute("href")
    first.click()
    page.wait_for_url("**/03_upsampling.html*")
    assert page.locator("h1").inner_text().startswith("How do 4")


def test_the_sliders_choose_and_fade_by_keyboard(open_page):
    page = open_page("compare.html")
    shown = page.locator(".stage img").nth(1)
    network = page.get_by_role("slider", name="Network")
    network.focus()
    seen = {}
    page.keyboard.press("Home")
    for _ in range(5):
        seen[network.get_attribute("aria-valuetext")] = shown.get_attribute("src")
        page.keyboard.press("ArrowRight")
    assert list(seen) == ["Picture", "FCN-32s", "FCN-16s", "FCN-8s", "Truth"]
    assert len(set(seen.values())) == 5
    assert "true label map" in shown.get_attribute("alt")

    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("Home")
    assert shown.evaluate("image => getComputedStyle(image).opacity") == "0"


def test_without_scripts_the_frames_are_a_list(open_page):
    page = open_page("compare.html", java_script_enabled=False)
    assert page.locator(".frames img").count() == 5
    assert page.get_by_text("FCN-16s", exact=True).first.is_visible()


def test_formulas_are_set_with_fonts_of_the_site(open_page):
    page = open_page(LESSON)
    page.locator("mjx-container").first.wait_for()
    raw = page.locator("span.math, div.math").all_inner_texts()
    assert len(raw) > 5 and not any("\\(" in text or "\\[" in text for text in raw)
    page.evaluate("document.fonts.ready")
    status = page.evaluate(
        "[...document.fonts].filter(font => font.family.startsWith('MJX'))"
        ".map(font => font.status)"
    )
    assert "loaded" in status and "error" not in status


def test_hints_and_explorers_open_by_keyboard(open_page):
    page = open_page(LESSON)
    for text in ("Hint 1", "The code of an explorer"):
        summary = page.locator("summary", has_text=text).first
        closed = summary.locator("xpath=..")
        assert closed.get_attribute("open") is None
        summary.focus()
        page.keyboard.press("Enter")
        assert closed.get_attribute("open") is not None


def test_a_lesson_shows_its_text_within_a_second(open_page, site):
    page = open_page(LESSON)
    # Nothing is there before the page is painted.
    painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    times = []
    for _ in range(4):
        page.goto(f"{site}/{LESSON}")
        page.wait_for_function(f"{painted} > 0")
        times.append(page.evaluate(painted))
    assert min(times) < 1000, times


@pytest.mark.parametrize("look", LOOKS)
def test_screenshots_for_a_person_to_look_at(open_page, look):
    SCREENSHOTS.mkdir(exist_ok=True)
    for place in SHOWN:
        page = open_page(place, **LOOKS[look])
        path = SCREENSHOTS / f"{place.split('/')[-1].removesuffix('.html')}-{look}.png"
        page.screenshot(path=path)
        assert path.stat().st_size > 10_000
