"""A server for the built site, and a browser that is watched."""

import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "site" / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class Handler(SimpleHTTPRequestHandler):
    """Hands out files and writes no log."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def html():
    """The folder of the built site."""
    if not (HTML / "index.html").is_file():
        pytest.fail("site/_build/html holds no site: run make site")
    return HTML


@pytest.fixture(scope="session")
def pages(html):
    """The addresses of all pages, relative to the site."""
    return sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html"))


@pytest.fixture(scope="session")
def site(html):
    """The address of a server that hands out the site."""
    handler = partial(Handler, directory=html)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """A browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: install one of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as program:
        chromium = program.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, site):
    """A function that opens a page; what went wrong in any fails the test."""
    faults, contexts = [], []

    def open_one(place, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        watch(page, site, faults)
        page.goto(f"{site}/{place}")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(browser, site):
    """A fresh page; what goes wrong in it fails the test at its end."""
    faults = []
    context = browser.new_context()
    page = context.new_page()
    watch(page, site, faults)
    yield page
    context.close()
    assert faults == []


def watch(page, site, faults):
    """Note errors, requests to other hosts, and what could not be loaded."""

    def note(what, text):
        faults.append(f"{page.url.removeprefix(site)}: {what}: {text}")

    def leaves(address):
        return not address.startswith((site, "data:", "blob:"))

    page.on("console", lambda each: each.type == "error" and note("error", each.text))
    page.on("pageerror", lambda error: note("exception", error))
    page.on("request", lambda each: leaves(each.url) and note("other host", each.url))
    page.on("response", lambda each: each.status >= 400 and note("broken", each.url))
