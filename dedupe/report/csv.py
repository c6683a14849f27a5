"""Write removals as CSV (RFC 4180, UTF-8) for a spreadsheet.

Cells that a spreadsheet would take for a formula get an apostrophe in front, controls are made visible, and texts
end at what a cell holds. The exact text is in the ledger.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from dedupe.records import Removal
from dedupe.report.text import visible
from dedupe.report.view import DocRow, Source, entries

COLUMNS = (
    "doc", "host", "type", "id", "rule", "confidence", "first_line", "last_line", "byte_start", "byte_end",
    "num_words", "num_words_lost", "resemblance", "containment", "kept_doc", "kept_first_line", "kept_last_line",
    "fingerprint", "evidence", "text",
)  # fmt: skip
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\u2212")  # full-width ones act too
_MAX_CELL_CHARS = 32_000  # Excel refuses 32,768


def csv_lines(source: Source) -> Iterator[str]:
    """Yield the header and one line a finding, every cell in quotes, lines ended by CR LF."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries(source):
        for item in (*entry.removals, *entry.kept):
            yield _taken(buffer)
            writer.writerow(_cells(entry.row, item))
    yield _taken(buffer)


def _taken(buffer: io.StringIO) -> str:
    line = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return line


def _cells(row: DocRow, item: Removal) -> tuple[str | int | float | None, ...]:
    kept = item.kept
    evidence = "; ".join(f"{reason.name} {reason.weight:+g}" for reason in item.evidence)
    return (
        cell(row.doc), cell(row.host or ""), "removal" if item.removed else "kept", cell(item.id), cell(item.rule),
        round(item.confidence, 6), item.place.line[0], max(item.place.line[0], item.place.line[1] - 1),
        *item.place.byte, item.num_words, item.num_words_lost, item.resemblance, item.containment,
        cell(kept.doc) if kept else "", kept.line[0] if kept else "",
        max(kept.line[0], kept.line[1] - 1) if kept else "", cell(item.fingerprint), cell(evidence), cell(item.text),
    )  # fmt: skip


def cell(text: str) -> str:
    r"""Make a text safe in a cell.

    >>> cell("=1+1"), cell(" @x"), cell("a\nb")
    ("'=1+1", "' @x", 'a␊b')
    """
    shown = visible(text[: _MAX_CELL_CHARS + 1])
    if len(shown) > _MAX_CELL_CHARS:
        shown = shown[: _MAX_CELL_CHARS - 1] + "…"
    return "'" + shown if shown.lstrip(" \xa0\u3000'\"").startswith(_FORMULA_STARTS) else shown
