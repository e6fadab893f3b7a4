"""The built site in a browser: pictures, links, formulas and the console, at desk and phone width.

It needs Debian's `chromium` and `chromium-driver`. `make site` runs all but the last test, and
`make test-all` that one, too.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[2] / "docs"
DESK, PHONE = (1280, 900), (390, 844)
FEW = ["index.html", "api.html", "course/descent.html", "howto/from_pytorch.html"]

BROKEN = """
const wide = document.documentElement.scrollWidth - window.innerWidth;
return {
  pictures: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src),
  tooWide: wide > 1 ? wide : 0,
  links: [...document.links].map(a => a.href).filter(href => href.startsWith("file:")),
  formulas: document.querySelectorAll("math").length,
  errors: document.querySelectorAll("merror, .problematic").length,
};
"""


def build(folder, *options):
    """The site below a folder, built as `make docs` does it."""
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *options, "-b", "html"]
    done = subprocess.run(
        [*words, "-d", folder / "trees", DOCS, folder / "html"],
        capture_output=True, text=True, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-8000:]
    return folder / "html"


@pytest.fixture(scope="module")
def unexecuted(tmp_path_factory):
    """The site with its cells as they stand, which takes seconds."""
    pytest.importorskip("myst_nb")
    pytest.importorskip("furo")
    return build(tmp_path_factory.mktemp("site"), "-D", "nb_execution_mode=off")


@pytest.fixture(scope="module")
def browser():
    """Chromium without a window."""
    webdriver = pytest.importorskip("selenium.webdriver")
    names = shutil.which("chromium"), shutil.which("chromedriver")
    if not all(names):
        pytest.skip("no chromium and chromedriver: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = names[0]
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(names[1]))
    yield driver
    driver.quit()


def faults(browser, site, page, size):
    """What is wrong with a page at some size of the window, one sentence each."""
    width, height = size
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
    )
    browser.get((site / page).as_uri())
    seen = browser.execute_script(BROKEN)
    found = [f"{page}: console: {entry['message']}" for entry in browser.get_log("browser")]
    found += [f"{page}: no picture {source}" for source in seen["pictures"]]
    found += [f"{page}: {seen['errors']} formulas or words that are not drawn"] * bool(
        seen["errors"]
    )
    found += [f"{page}: {seen['tooWide']} pixels wider than {width}"] * bool(seen["tooWide"])
    return found + [f"{page}: broken link {link}" for link in seen["links"] if broken(link)]


def broken(link):
    """Whether a link of the site leads to no file, or to no place in it."""
    address, anchor = urldefrag(link)
    file = Path(unquote(address.removeprefix("file://")))
    if not file.is_file():
        return True
    return bool(anchor) and f'id="{unquote(anchor)}"' not in text(file)


_TEXTS = {}


def text(file):
    if file not in _TEXTS:
        _TEXTS[file] = file.read_text(encoding="utf-8", errors="replace")
    return _TEXTS[file]


def test_it_builds_without_warnings(unexecuted):
    assert {page.removesuffix(".html") for page in FEW} <= {
        file.relative_to(unexecuted).with_suffix("").as_posix()
        for file in unexecuted.rglob("*.html")
    }
    assert "<math" in text(unexecuted / "course/descent.html")
    assert "cdn" not in text(unexecuted / "course/descent.html")  # it needs no network
    assert text(unexecuted / "index.html").count('class="card') >= 20


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_few_pages_in_a_browser(browser, unexecuted, size):
    assert [fault for page in FEW for fault in faults(browser, unexecuted, page, size)] == []


def test_every_page_with_its_pictures_in_a_browser(browser, tmp_path):
    """Every cell is executed, every page opened."""
    site = build(tmp_path)
    pages = [file.relative_to(site).as_posix() for file in sorted(site.rglob("*.html"))]
    pages = [page for page in pages if not page.startswith("_")]
    wrong = [
        f for page in pages for size in (DESK, PHONE) for f in faults(browser, site, page, size)
    ]
    assert wrong == []
    gallery = text(site / "index.html")
    assert gallery.count('class="card') == gallery.count("<img") >= 20
