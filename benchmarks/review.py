"""Measure the report and the review app on made-up ledgers: is a large run still pleasant to look at?

What the figures do not show: other browsers, slower machines, and texts that compress otherwise than made-up ones do.
Times in the browser include drawing; each answer is checked before its time counts.

    python benchmarks/review.py                        100,000 removals in a file, 1,000,000 in the app
    python benchmarks/review.py --file 10000 --app 0   smaller, and the file alone

Targets: file ≤ 10 MB, first view ≤ 1.5 s, filter ≤ 100 ms; app: first view ≤ 1 s, search ≤ 200 ms, bulk accept of
100,000 ≤ 2 s, server ≤ 300 MB.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

REMOVALS_PER_DOCUMENT = 8
# Times one act on the page, until the number of what was found is written anew.
TIMED = """
const [act, value, done] = arguments, found = document.getElementById('found');
const start = performance.now();
new MutationObserver((_, observer) => { observer.disconnect(); done(performance.now() - start); })
  .observe(found, { childList: true });
if (act === 'facet') [...document.querySelectorAll('#facets input')].find((i) => i.dataset.facetKey === value).click();
else { const s = document.getElementById('search'); s.value = value; s.dispatchEvent(new Event('input')); }
"""
DEBOUNCE_MS = 120  # the page waits that long after a key before it searches; not work
SERVER = """
import sys
from dedupe.review.app import serve
serve(sys.argv[1], {}, announce=lambda address: print(address, flush=True))
"""


def main() -> None:
    """Print one line of JSON for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", type=int, default=100_000, help="removals in the HTML file, 0 to leave it out")
    parser.add_argument("--app", type=int, default=1_000_000, help="removals in the app, 0 to leave it out")
    parser.add_argument("--folder", help="where the ledgers are kept between runs; a temporary folder if not given")
    asked = parser.parse_args()
    folder = Path(asked.folder or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    driver = chromium()
    try:
        if asked.file:
            measure_file(driver, folder, asked.file)
        if asked.app:
            measure_app(driver, folder, asked.app)
    finally:
        driver.quit()
        if not asked.folder:
            shutil.rmtree(folder)


def report(name: str, value: float, unit: str, target: float | None = None) -> None:
    """Print a figure beside its target."""
    row: dict[str, Any] = {"what": name, "value": round(value, 1), "unit": unit}
    if target is not None:
        row |= {"target": target, "met": value <= target}
    print(json.dumps(row), flush=True)


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = act()
    return (time.perf_counter() - start) * 1000, result


def chromium() -> Any:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync"):  # fmt: skip
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    driver.set_script_timeout(60)
    return driver


def first_view(driver: Any, address: str) -> float:
    """Open a page; return milliseconds from the start of the navigation to the first passage beside its list."""
    driver.get(address)
    end = time.monotonic() + 60
    while not driver.execute_script("return document.body.dataset.ready"):
        if time.monotonic() > end:
            raise SystemExit(f"{address} was not ready within 60 s")
        time.sleep(0.01)
    return float(driver.execute_script("return performance.getEntriesByName('first-view')[0].startTime"))


def on_page(driver: Any, act: str, value: str) -> float:
    """Return the median of five times of a filter or a search, each taken back in between."""
    times = []
    for _ in range(5):
        times.append(driver.execute_async_script(TIMED, act, value))
        assert "removal" in driver.execute_script("return document.getElementById('found').textContent"), value
        driver.execute_async_script(TIMED, act, value if act == "facet" else "")
        driver.execute_script("return new Promise((done) => setTimeout(done, 100))")
    return float(sorted(times)[2]) - (DEBOUNCE_MS if act == "search" else 0)


def measure_file(driver: Any, folder: Path, num_removals: int) -> None:
    from ledger_samples import write_ledger

    from dedupe.review.html import html_report

    ledger, page = folder / "file.jsonl", folder / "file.html"
    texts = write_ledger(ledger, num_removals // REMOVALS_PER_DOCUMENT)
    milliseconds, num_bytes = timed(lambda: html_report(ledger, texts, page))
    report("file: written", milliseconds / 1000, "s")
    report("file: size", num_bytes / 1e6, "MB", 10)
    views = sorted(first_view(driver, page.as_uri()) for _ in range(3))
    report("file: first view", views[1], "ms", 1500)
    driver.execute_script("return new Promise((done) => setTimeout(done, 3000))")
    report("file: filter by rule", on_page(driver, "facet", "rule\nsite-boilerplate"), "ms", 100)
    report("file: filter by host", on_page(driver, "facet", "host\ndaily-post.example"), "ms", 100)
    report("file: search", on_page(driver, "search", "minister"), "ms", 100)


def measure_app(driver: Any, folder: Path, num_removals: int) -> None:
    from ledger_samples import write_ledger

    from dedupe.review.store import open_store

    ledger = folder / f"app-{num_removals}.jsonl"
    if not ledger.exists():
        write_ledger(ledger, num_removals // REMOVALS_PER_DOCUMENT, keep_texts=False)
    ledger.with_name(ledger.name + ".review.sqlite").unlink(missing_ok=True)
    ledger.with_name("decisions.jsonl").unlink(missing_ok=True)
    milliseconds, store = timed(lambda: open_store(ledger))
    report("app: index built", milliseconds / 1000, "s")
    assert store.num_rows >= num_removals
    store.close()
    process = subprocess.Popen([sys.executable, "-c", SERVER, ledger], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode().strip()
        report("app: first view", first_view(driver, address), "ms", 1000)
        own = address.split("?")[0]
        report("app: first view again", sorted(first_view(driver, own) for _ in range(3))[1], "ms", 1000)
        report("app: filter by rule", on_page(driver, "facet", "rule\nsite-boilerplate"), "ms", 200)
        for query in ("newsletter", "minister", "harbor treaty"):
            report(f"app: search {query!r}", on_page(driver, "search", query), "ms", 200)
        measure_bulk(driver)
        report("app: server memory, at most", peak_bytes(process.pid) / 1e6, "MB", 300)
    finally:
        process.terminate()
        process.wait(20)


def measure_bulk(driver: Any) -> None:
    """Accept everything under a rule by the keys that a person presses, and take it back."""
    driver.execute_async_script(TIMED, "facet", "rule\nnear-repeated-block")
    script = """
      const [question, asked, done] = arguments, start = performance.now();
      const options = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(asked) };
      fetch('/api/' + question, options).then((r) => r.json()).then((got) => done([performance.now() - start, got]));
    """
    chosen = {"filter": {"rule": ["near-repeated-block"], "kind": ["removed"]}, "verdict": "accept"}
    milliseconds, number = driver.execute_async_script(script, "bulk", chosen)
    report(f"app: bulk accept of {number:,}", milliseconds, "ms", 2000 * max(number, 100_000) / 100_000)
    milliseconds, _ = driver.execute_async_script(script, "undo", {})
    report("app: undo of it", milliseconds, "ms", 2000)


def peak_bytes(pid: int) -> int:
    """Return the most memory that a process had resident, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    os.environ.setdefault("SE_OFFLINE", "true")
    main()
