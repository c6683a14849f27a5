"""The report and the app work in a real Chromium, with keys alone, and nothing a text says runs, loads or hides there.

Needs Debian's chromium and chromium-driver, selenium, and axe-core (its `axe.min.js` by `DEDUPE_AXE_JS`, in
`node_modules`, or from the package axe-core-python). Skipped where one is missing, but never where `CI` is set.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_samples import HOSTILE_TEXTS, write_ledger

from dedupe.decisions import read_decisions
from dedupe.review.html import html_report

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to the collector

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def missing(what: str) -> None:
    message = f"no {what}: install chromium, chromium-driver, selenium and axe-core to run the browser tests"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def axe_source() -> str:
    """Return the source of axe-core, wherever it was installed."""
    places = [Path(os.environ.get("DEDUPE_AXE_JS", "no such file"))]
    places += [folder / "node_modules/axe-core/axe.min.js" for folder in (Path.cwd(), Path.cwd() / "build")]
    spec = importlib.util.find_spec("axe_core_python")
    if spec and spec.origin:
        places.append(Path(spec.origin).with_name("axe.min.js"))
    for place in places:
        if place.is_file():
            return place.read_text("utf-8")
    missing("axe-core")
    raise AssertionError


class Browser:
    """Drive one Chromium: open a page, press keys, ask the page."""

    def __init__(self, downloads: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, "--window-size=1400,900", f"--user-data-dir={downloads / 'profile'}"):
            options.add_argument(flag)
        options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.downloads = downloads

    def open(self, address: str) -> None:
        self.js("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
        self.driver.get("about:blank")
        self.driver.get_log("performance")
        self.driver.get_log("browser")
        self.driver.get(address)
        self.until("return document.body.dataset.ready === 'true'")

    def js(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def until(self, script: str, *values: Any) -> Any:
        """Wait until the page answers with something true; return it."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            found = self.js(script, *values)
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"not so within 20 s: {script} {values}\n{self.driver.get_log('browser')}")

    def keys(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()
            self.settle()

    def settle(self) -> None:
        """Wait until the page has done what it was told, or asks something back."""
        self.js("return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 10)))")
        self.until("return !document.body.dataset.busy || document.querySelector('#dialog').open")

    def text(self, selector: str) -> str:
        return str(self.js("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def click(self, selector: str) -> None:
        self.js("document.querySelector(arguments[0]).click()", selector)

    def facet(self, key: str) -> None:
        """Click a facet by its id and key, such as "rule cue"."""
        name = key.replace(" ", "\n", 1)
        self.js(
            "[...document.querySelectorAll('#facets input')].find((i) => i.dataset.facetKey === arguments[0]).click()",
            name,
        )
        self.settle()

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for since it was opened, data and blobs of its own apart."""
        sent = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:", "about:"))]

    def complaints(self) -> list[Any]:
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        missing("chromium or chromedriver")
    if importlib.util.find_spec("selenium") is None:
        missing("selenium")
    found = Browser(tmp_path_factory.mktemp("browser"))
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    path = tmp_path_factory.mktemp("run") / "removals.jsonl"
    return path, write_ledger(path, 40, seed=2, hostile=True)


@pytest.fixture(scope="module")
def report(sample: tuple[Path, dict[str, bytes]]) -> str:
    out = sample[0].with_name("report.html")
    html_report(
        sample[0], sample[1], out, title="Sample", command="dedupe clean pages -o clean --decisions decisions.jsonl"
    )
    return out.as_uri()


@pytest.fixture
def app(sample: tuple[Path, dict[str, bytes]], tmp_path: Path) -> tuple[str, Path]:
    """Start the app; return its address and where its decisions go."""
    pytest.importorskip("starlette")
    from dedupe.review.app import serve

    found: list[str] = []
    options: dict[str, Any] = {
        "decisions_path": tmp_path / "decisions.jsonl",
        "store_path": tmp_path / "store",
        "announce": found.append,
    }
    threading.Thread(target=serve, args=sample, kwargs=options, daemon=True).start()
    while not found:
        time.sleep(0.02)
    return found[0], tmp_path / "decisions.jsonl"


@pytest.fixture(params=["file", "app"])
def opened(request: pytest.FixtureRequest, browser: Browser) -> Callable[[], str]:
    """Open the front end over each of its two adapters; return where it came from."""

    def open_it() -> str:
        address = request.getfixturevalue("report") if request.param == "file" else request.getfixturevalue("app")[0]
        browser.open(address)
        return str(request.param)

    return open_it


def totals(browser: Browser) -> str:
    return browser.text("#found")


def test_hostile_texts_are_shown_and_do_nothing(browser: Browser, opened: Callable[[], str]) -> None:
    """Each one is opened in the panel; what it holds of scripts stays text, and unseen characters are written out."""
    opened()
    for name, text in HOSTILE_TEXTS.items():
        browser.js("document.querySelector('#search').value = arguments[0]", _words_of(text))
        browser.js("document.querySelector('#search').dispatchEvent(new Event('input'))")
        browser.until("return document.querySelector('#chips').childElementCount === 1")
        found = browser.until(
            "const marks = [...document.querySelectorAll('.side.removed mark, .side.found mark')];"
            "return marks.length ? marks[0].textContent : null"
        )
        assert found.strip(), name
        browser.js("const s = document.querySelector('#search'); s.value = ''; s.dispatchEvent(new Event('input'))")
        browser.until("return document.querySelector('#chips').childElementCount === 0")
    assert browser.js("return window.__pwned") is None
    assert "pwned" not in browser.driver.title
    assert browser.js("return document.querySelectorAll('#detail script, #detail img, #list img, iframe').length") == 0
    assert not browser.complaints()


def _words_of(text: str) -> str:
    """Return two words of a text that a search by words and one by substrings both find."""
    import re

    return " ".join(re.findall(r"[^\W_]{3,}", text)[:2]) or text.split()[0]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("invoice", ["RLO", "PDF", "LRI", "PDI", "RLM"]),
        ("red bell", ["\u241b", "\u2407", "U+009B"]),
        ("first second third", ["LS", "PS", "NEL"]),
        ("pass word", ["ZWSP", "BOM", "SHY", "U+E0041"]),
    ],
)
def test_unseen_characters_are_written_out(browser: Browser, report: str, query: str, shown: list[str]) -> None:
    browser.open(report)
    browser.keys("/", *query, "\ue007")
    browser.until("return document.querySelector('#chips').childElementCount === 1")
    browser.until("return document.querySelectorAll('.side mark .unseen').length > 0")
    found = browser.js("return [...document.querySelectorAll('.side mark .unseen')].map((node) => node.textContent)")
    assert set(shown) <= set(found)
    raw = browser.js("return document.querySelector('.side mark').textContent")
    assert not set(raw) & set("\u202e\u2066\x1b\u2028\u200b")


def test_the_report_asks_the_network_for_nothing(browser: Browser, report: str) -> None:
    """Every view is opened; the only address asked for is the file itself."""
    browser.open(report)
    browser.keys("j", "j", "o", "2", "3", "4", "1", "?", "\ue00c")
    assert browser.requests() == [report]
    assert not browser.complaints()


def test_the_app_asks_only_its_own_server(browser: Browser, app: tuple[str, Path]) -> None:
    browser.open(app[0])
    browser.keys("j", "o", "2", "3", "1")
    own = app[0].split("?")[0]
    asked = browser.requests()
    assert asked
    assert all(url.startswith(own) for url in asked)
    assert "token" not in browser.driver.current_url
    assert not browser.complaints()


def test_both_adapters_give_the_same_answers(browser: Browser, report: str, app: tuple[str, Path]) -> None:
    """Totals, facets, rows, members, documents and plots agree for several filters, so one front end serves both."""
    script = """
      const done = arguments[arguments.length - 1];
      const nodes = () => [...document.querySelectorAll('#facets .key')].map((n) => n.textContent);
      const read = () => ({ found: document.querySelector('#found').textContent, facets: nodes(),
        rows: [...document.querySelectorAll('#list .row')].slice(0, 6).map((n) => n.textContent),
        detail: document.querySelector('#detail').innerText });
      done(read());
    """
    answers: dict[str, list[Any]] = {}
    for name, address in (("file", report), ("app", app[0])):
        browser.open(address)
        seen = [browser.driver.execute_async_script(script)]
        for facet in ("rule excerpt", "kind kept", "lost 0"):
            browser.facet(facet)
            seen.append(browser.driver.execute_async_script(script))
        for order in ("documents", "doubt"):
            browser.js(
                "const o = document.querySelector('#order');"
                "o.value = arguments[0]; o.dispatchEvent(new Event('change'))",
                order,
            )
            browser.settle()
            seen.append(browser.driver.execute_async_script(script))
        for view in ("2", "3", "4"):
            browser.keys(view)
            browser.settle()
            seen.append(
                browser.js("return [...document.querySelectorAll('.wide:not([hidden])')].map((n) => n.innerText)")
            )
        answers[name] = seen
    for at, (of_file, of_app) in enumerate(zip(answers["file"], answers["app"], strict=True)):
        assert of_file == of_app, at


def test_filter_search_and_their_totals(browser: Browser, opened: Callable[[], str]) -> None:
    opened()
    everything = totals(browser)
    browser.facet("rule cue")
    browser.until("return document.querySelector('#found').textContent !== arguments[0]", everything)
    assert set(browser.js("return [...document.querySelectorAll('#list .tag')].map((n) => n.textContent)")) == {"Cue"}
    browser.keys("/", *"photo reuters", "\ue007")
    browser.until("return document.querySelectorAll('#list .row').length === 1")
    assert "Photo: Reuters" in browser.text("#list .row .snippet")
    for _ in range(2):
        browser.click("#chips button")
        browser.settle()
    browser.until("return document.querySelector('#found').textContent === arguments[0]", everything)


def decided(browser: Browser) -> str:
    return browser.text("#progress")


def test_accept_in_bulk_covers_the_filter_and_one_key_takes_it_back(
    browser: Browser, opened: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    where = opened()
    browser.facet("rule site-boilerplate")
    number = browser.until(
        "const f = document.querySelector('#found').textContent.match(/([\\d,]+) removal/); return f && f[1]"
    )
    browser.keys("A")
    browser.until("return document.querySelector('#dialog').open")
    assert f"Accept {number} removals" in browser.text("#dialog")
    browser.js("document.querySelector('#dialog button[value=yes]').click()")
    browser.until("return document.querySelector('#progress').textContent.startsWith(arguments[0] + ' of')", number)
    if where == "app":
        path = request.getfixturevalue("app")[1]
        assert {line.verdict for line in read_decisions(path).lines} == {"accept"}
    browser.keys("u")
    browser.until("return document.querySelector('#progress').textContent.startsWith('0 of')")


def test_keys_alone_decide_swap_undo_and_save(
    browser: Browser, opened: Callable[[], str], request: pytest.FixtureRequest
) -> None:
    """A whole review without a pointer: the file that is saved says what the keys said."""
    where = opened()
    target = browser.downloads / "decisions.jsonl"
    target.unlink(missing_ok=True)
    browser.keys("a", "r", "s", "d", "u")
    browser.until("return document.querySelector('#toast').textContent.startsWith('Undone')")
    marks = browser.until(
        "const m = [...document.querySelectorAll('#list .status')].map((n) => n.className.slice(-2));"
        "return m.length === 3 && m"
    )
    assert marks == ["s1", "s2", "s3"]
    browser.click("#save")
    browser.until("return document.querySelector('#dialog').open")
    assert "--decisions" in browser.text("#dialog .command")
    browser.keys("\ue00c")
    if where == "app":
        lines = read_decisions(request.getfixturevalue("app")[1]).lines
        assert [line.verdict for line in lines] == ["accept", "reject", "swap", "defer", "withdraw"]
        return
    end = time.monotonic() + 10
    while not target.exists() and time.monotonic() < end:
        time.sleep(0.05)
    lines = read_decisions(target).lines
    assert [line.verdict for line in lines] == ["accept", "reject", "swap"]
    assert lines[0].max_lost_words is not None
    assert lines[1].max_lost_words is None


def test_what_has_no_copy_cannot_be_swapped(browser: Browser, report: str) -> None:
    browser.open(report)
    browser.facet("rule shape")
    assert browser.js("return document.querySelector('.verdict.swap').disabled")
    browser.keys("s")
    assert "nothing to swap" in browser.text("#toast")
    assert decided(browser).startswith("0 of")


def test_saved_decisions_open_again(browser: Browser, sample: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    """The report of the next run begins with the decisions it obeyed, and lists those that match nothing."""
    row = next(json.loads(line) for line in sample[0].read_bytes().split(b"\n") if b'"rule":"shape"' in line)
    raw = b'{"verdict":"reject","fingerprint":"%s"}\n{"verdict":"accept","fingerprint":"p1:gone","text":"lost one"}\n'
    html_report(sample[0], sample[1], tmp_path / "r.html", decisions=raw % row["fingerprint"].encode())
    browser.open((tmp_path / "r.html").as_uri())
    browser.facet("decision reject")
    assert browser.until("return document.querySelector('#list .tag')?.textContent") == "Shape"
    browser.keys("2")
    assert "lost one" in browser.until("return document.querySelector('.problems + .problems')?.textContent")


def test_a_document_shows_its_removals_in_place(
    browser: Browser, opened: Callable[[], str], sample: tuple[Path, dict[str, bytes]]
) -> None:
    opened()
    browser.keys("o")
    name = browser.until("return document.querySelector('#view-document h2')?.textContent")
    rows = [json.loads(line) for line in sample[0].read_bytes().split(b"\n") if line]
    expected = [row["text"] for row in rows if row["type"] == "removal" and row["doc"] == name]
    shown = browser.until(
        "const d = [...document.querySelectorAll('#view-document del')]; return d.length && d.map((n) => n.textContent)"
    )
    assert shown == expected
    assert browser.text("#view-document .page") == sample[1][name].decode()
    browser.click("#hide-removed")
    assert browser.js(
        "return [...document.querySelectorAll('#view-document del')].every((n) => n.offsetParent === null)"
    )
    browser.keys("\ue00c")
    browser.until("return !document.querySelector('[data-view=removals]').hidden")


def test_right_to_left_text_keeps_its_direction(browser: Browser, report: str) -> None:
    browser.open(report)
    browser.facet("language ar")
    browser.until("return document.querySelector('#chips').childElementCount === 1")
    rows = "[...document.querySelectorAll('#list .snippet')].filter((n) => /^[\\u0600-\\u06ff]/.test(n.textContent))"
    assert browser.until(
        f"const r = {rows}; return r.length && r.every((n) => getComputedStyle(n).direction === 'rtl')"
    )
    assert browser.js("return getComputedStyle(document.querySelector('.side .text')).unicodeBidi") == "plaintext"
    assert browser.js("return getComputedStyle(document.body).direction") == "ltr"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, report: str, scheme: str) -> None:
    """WCAG A and AA over every view, in both schemes and in a narrow window."""
    source = axe_source()
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    run = (
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations"
        ".filter((v) => ['serious', 'critical'].includes(v.impact))"
        ".map((v) => [v.id, v.nodes.map((n) => n.html + n.failureSummary)])))"
    )
    try:
        browser.open(report)
        browser.js(source)
        for width in (1400, 500):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            for view in ("1", "a", "2", "3", "4", "1", "o", "?"):
                browser.keys(view)
                browser.settle()
                assert browser.driver.execute_async_script(run) == [], (scheme, width, view)
            browser.keys("\ue00c", "\ue00c")
    finally:
        for command, values in (
            ("Page.setBypassCSP", {"enabled": False}),
            ("Emulation.setEmulatedMedia", {"features": []}),
        ):
            browser.driver.execute_cdp_cmd(command, values)
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize(("limit", "shown"), [(1000, True), (100_000_000, False)])
def test_a_file_that_is_large_says_so_and_names_the_app(
    browser: Browser, sample: tuple[Path, dict[str, bytes]], tmp_path: Path, limit: int, shown: bool
) -> None:
    html_report(*sample, tmp_path / "r.html", large_file_bytes=limit)
    browser.open((tmp_path / "r.html").as_uri())
    assert browser.js("return !document.querySelector('#notice').hidden") is shown
    assert ("dedupe review" in browser.text("#notice")) is shown


def test_a_printed_report_holds_the_list_and_the_passage(browser: Browser, report: str) -> None:
    browser.open(report)
    browser.until("return document.querySelectorAll('#print-list .row').length > 20")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        seen = browser.js(
            "return ['#print-list', '#detail', '#list', '.tools']"
            ".map((s) => document.querySelector(s).offsetHeight > 0)"
        )
        assert seen == [True, True, False, False]
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
