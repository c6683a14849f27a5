"""Find notices about cookies that read as prose.

They stand apart from the paragraphs of a page, which speaks of cookies nowhere else. A recipe for cookies, and an
article about what browsers store, speak of them amid their text, and keep all of it.
"""

from __future__ import annotations

import numpy as np
import regex

from dedupe.decide.page import Page, propose
from dedupe.decide.weights import evidence
from dedupe.records import Finding, Observed

_NAMES = "cookie куки クッキー 쿠키 çerezler ciasteczk eväste تعريفالارتباط کوکی"  # as streams have them
_SIGNS = tuple(name.encode() for name in _NAMES.split(" "))
_CONSENT = regex.compile(  # words that begin so; scripts without spaces have them anywhere
    r"(?<!\p{L})(?:website|site|webseite|browser|brows|navega|naviga|accept|akzept|consent|zustimm|einwillig|privacy|privat"
    r"|datenschutz|confidentialit|preferen|setting|einstellung|aceptar|aceita|accett|sito|sitio|witryn|stron[ayęi]|zgod"
    r"|sayfa|сайт|согла|згод|ιστότοπ|ιστοσελίδ)|サイト|同意|사이트|동의|网站|網站|الموقع|سایت",
    regex.IGNORECASE,
)
_MAX_NOTICES = 8
_LEAST_PROSE = 300  # bytes of other paragraphs


def rows_about_cookies(seen: Observed) -> list[int]:
    """Find the paragraphs of a batch that speak of cookies, ascending."""
    blocks, stream = seen.blocks, seen.blocks.stream.tobytes()
    rows = set()
    for sign in _SIGNS:
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
    return apart and bool(_CONSENT.search(page.text(row)))
