"""Find notices about cookies that read as prose.

They stand apart from the paragraphs of a page, which speaks of cookies nowhere else. A recipe for cookies, and an
article about what browsers store, speak of them amid their text, and keep all of it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import regex

from dedupe.decide.page import Page, propose
from dedupe.decide.weights import evidence
from dedupe.decide.words import any_of, words
from dedupe.records import Finding, Observed

_MAX_NOTICES = 8
_LEAST_PROSE = 300  # bytes of other paragraphs


@cache
def _signs() -> tuple[bytes, ...]:
    return tuple(name.replace(" ", "").encode() for name in words("consent", "cookies"))


@cache
def _consent() -> regex.Pattern[str]:
    return regex.compile(rf"(?<!\p{{L}}){any_of('consent', 'begins')}|{any_of('consent', 'holds')}", regex.IGNORECASE)


def rows_about_cookies(seen: Observed) -> list[int]:
    """Find the paragraphs of a batch that speak of cookies, ascending."""
    blocks, stream = seen.blocks, seen.blocks.stream.tobytes()
    rows = set()
    for sign in _signs():
        at = stream.find(sign)
        while at >= 0:
            row = int(np.searchsorted(blocks.stream_start, at, side="right")) - 1
            end = int(blocks.stream_start[row + 1])
            if at + len(sign) <= end and seen.shapes.is_prose[row]:
                rows.add(row)
                at = end - 1
            at = stream.find(sign, at + 1)
    return sorted(rows)


def consent_notices(page: Page, gone: set[int], about_cookies: list[int]) -> list[Finding]:
    """Propose paragraphs about cookies that stand apart, of a document that speaks of them nowhere else."""
    rows = set(about_cookies)
    others = [row for row in page.prose_rows if row not in rows and row not in gone and page.has_sentences(row)]
    if not rows or len(rows) > _MAX_NOTICES or sum(map(page.size, others)) < _LEAST_PROSE:
        return []
    if any(not _is_notice(page, row, others) for row in rows):
        return []
    reasons = [evidence("shape", "consent-notice")]
    return [propose(page, "shape", row, reasons) for row in sorted(rows - gone)]


def _is_notice(page: Page, row: int, others: list[int]) -> bool:
    apart = row - 1 not in others and row + 1 not in others
    return apart and bool(_consent().search(page.text(row)))
