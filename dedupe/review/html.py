"""Write a ledger as one offline HTML file that shows every removal beside the copy that stays.

The file loads nothing: its style and its script stand inside it, and a content security policy names both by hash, so
nothing that a scraped text says can run. Texts travel as JSON in inert data blocks and reach the page by `textContent`.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from dedupe.errors import InputError
from dedupe.review.island import Island, build_island
from dedupe.review.ledger import visible
from dedupe.write import replacing

MODULES = (
    "dom.js",
    "diff.js",
    "names.js",
    "log.js",
    "columns.js",
    "island.js",
    "vlist.js",
    "facets.js",
    "detail.js",
    "document.js",
    "overview.js",
    "dialogs.js",
    "main.js",
)
LARGE_FILE_BYTES = 30_000_000  # beyond this a browser tab gets slow: the page says so and names the app
_PACK_FROM_BYTES = 200_000  # smaller islands stay readable, and greppable, as plain JSON
_PACK_LEVEL = 4  # a third of the time of 7 for a twentieth more bytes
_NUM_TABLE_ROWS = 500
_IMPORT = re.compile(r"^import [^;]*;\n", re.M)
_EXPORT = re.compile(r"^export (?=async |class |const |function |let )", re.M)


def html_report(
    ledger_path: str | os.PathLike[str],
    texts: Mapping[str, bytes] | None,
    out_path: str | os.PathLike[str],
    *,
    title: str | None = None,
    command: str | None = None,
    decisions: bytes | None = None,
    max_text_chars: int = 16_000_000,
    large_file_bytes: int = LARGE_FILE_BYTES,
) -> int:
    """Write the report of a ledger to `out_path`; return the size of the file in bytes.

    Args:
        ledger_path: a `removals.jsonl`.
        texts: the documents' original bytes by the ledger's `doc`; without them the report shows what the ledger holds.
        title: what the page is called; the ledger's folder and name otherwise.
        command: the command that applies saved decisions, shown when they are saved.
        decisions: the `decisions.jsonl` the run obeyed, so that the page begins with them.
        max_text_chars: how much text to carry in all; removed texts always are, whole documents and context where there
            is room. The default keeps a run of 100,000 removals below 10 MB.
        large_file_bytes: beyond this much data the page says that a browser gets slow, and names the app.

    Raises:
        InputError: the ledger cannot be read.
        DedupeError: the report cannot be written.
    """
    ledger_path, out_path = Path(ledger_path), Path(out_path)
    island = build_island(ledger_path, texts or {}, max_text_chars)
    island.core["title"] = title or f"{ledger_path.resolve().parent.name}/{ledger_path.name}"
    island.core["command"] = command
    island.core["decisions"] = _decision_rows(decisions)
    page = page_of(island, large_file_bytes)
    with replacing(str(out_path)) as file:
        file.write(page)
    return len(page)


def page_of(island: Island, large_file_bytes: int = LARGE_FILE_BYTES) -> bytes:
    """Return the whole page of an island; its size is told to the page itself, which warns above `large_file_bytes`."""
    style, script = front_file("style.css"), bundle()
    blocks = [_block("contexts", island.contexts)]
    blocks += [_block(f"strings-{at}", texts) for at, texts in enumerate(island.strings)]
    blocks += [_block(f"documents-{at}", texts) for at, texts in enumerate(island.documents)]
    core = _block("core", island.core)
    num_bytes = len(core) + sum(map(len, blocks))
    size = f'<data id="file-bytes" value="{num_bytes}" data-large="{large_file_bytes}" hidden></data>'
    policy = (
        f"default-src 'none'; script-src '{_source_hash(script)}'; style-src '{_source_hash(style)}'; "
        f"base-uri 'none'; form-action 'none'"
    )
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>'
    table = "".join(_noscript_table(island))
    parts = {
        "<!--title-->": html.escape(visible(island.core["title"])),
        '<link rel="stylesheet" href="style.css">': head,
        '<script type="module" src="main.js"></script>': f'<script type="module">{script}</script>',
        "<!--noscript-->": table,
        "<!--islands-->": "\n".join([size, core, *blocks]),
    }
    page = front_file("index.html")
    pattern = re.compile("|".join(map(re.escape, parts)))
    return pattern.sub(lambda found: parts[found.group()], page).encode()


def front_file(name: str) -> str:
    """Return one file of the front end as text."""
    return resources.files("dedupe.review").joinpath("front", name).read_text(encoding="utf-8")


def bundle() -> str:
    """Return the modules as one script: the same text, without the lines that import and the words that export.

    The modules share one scope then, so no two may give the same name to different things (a test looks).
    """
    script = "".join(_EXPORT.sub("", _IMPORT.sub("", front_file(name))) for name in MODULES)
    if re.search(r"<(!--|/?script)", script, re.I):
        raise AssertionError("the front end must not contain what ends or nests a script element")
    return script


def _source_hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _block(name: str, value: Any) -> str:
    """Return a data block: plain JSON where it is small, gzip in base64 where it is not. Neither holds a "<"."""
    raw = msgspec.json.encode(value)
    if len(raw) < _PACK_FROM_BYTES:
        escaped = raw.replace(b"<", b"\\u003c").decode()
        return f'<script type="application/json" id="island-{name}">{escaped}</script>'
    packer = zlib.compressobj(_PACK_LEVEL, zlib.DEFLATED, 31)
    packed = base64.b64encode(packer.compress(raw) + packer.flush()).decode()
    return f'<script type="application/gzip" id="island-{name}">{packed}</script>'


def _decision_rows(decisions: bytes | None) -> list[Any]:
    if not decisions:
        return []
    rows = []
    for number, line in enumerate(decisions.split(b"\n"), 1):
        if line.strip():
            try:
                rows.append(msgspec.json.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputError(f"decisions, line {number}: not JSON ({error})") from error
    return rows


def _noscript_table(island: Island) -> Iterator[str]:
    """Yield a plain table of the removals that lose most words, for a browser without scripts."""
    core, columns = island.core, island.core["removals"]
    strings = [text for chunk in island.strings for text in chunk]
    lost, words = columns["lost"], columns["words"]
    order = sorted(range(len(lost)), key=lambda row: (-lost[row], -words[row], row))
    yield (
        f"<table><caption>{min(len(order), _NUM_TABLE_ROWS):,} of {len(order):,} removals and kept repeats, "
        "most words lost first</caption><thead><tr>"
        "<th>Document<th>Line<th>Rule<th>Confidence<th>Words lost<th>Text</thead><tbody>"
    )
    for row in order[:_NUM_TABLE_ROWS]:
        cells = (
            core["docs"]["name"][columns["doc"][row]],
            columns["line_start"][row],
            core["rules"][columns["rule"][row]],
            columns["confidence"][row] / 1000,
            lost[row],
            strings[columns["text"][row]][:400],
        )
        yield "<tr>" + "".join(f'<td dir="auto">{html.escape(visible(str(cell)))}</td>' for cell in cells) + "</tr>"
    yield "</tbody></table>"
