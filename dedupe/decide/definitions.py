"""Find the addresses of links that have gone.

Markdown may keep an address apart from its link: "[the report][3]" in the text, "[3]: https://example.org/report" at
the end of it. When the lines with the links go, such a definition is left for nothing. One that a line that stays
refers to is kept, and so is one that nothing ever referred to: a list of sources somebody wrote.
"""

from __future__ import annotations

from itertools import takewhile

import regex

from dedupe.decide.page import Page, propose
from dedupe.decide.weights import evidence
from dedupe.records import Finding

_SIGN = b"]:"
_MAX_BYTES = 2000
_DEFINITION = regex.compile(r"\[(?!\^)([^\[\]\n]{1,60}+)\]:\s*+<?[^\s<>]*[./#:][^\s<>]*+>?(?:\s++[\"'(][^\n]*+)?")
_LABEL = regex.compile(r"\[([^\[\]\n]{1,60}+)\]")
_WRAPPED = 60  # columns and more of a line whose address goes on in the next


def unused_definitions(page: Page, removed: dict[int, Finding]) -> list[Finding]:
    """Propose the definitions of links whose links have all gone, with the lines their addresses are wrapped into."""
    labels = _definitions(page) if removed and page.holds(_SIGN) else {}
    if not labels:
        return []
    gone = {row for row, finding in removed.items() if finding.span == page.span(row)}
    stay, went = set[str](), set[str]()
    for row in page.rows:
        if row not in labels and b"[" in page.raw(row):
            (went if row in gone else stay).update(map(str.casefold, _LABEL.findall(page.text(row))))
    unused = went - stay
    rows = [row for row, label in labels.items() if label in unused and row not in gone]
    reasons = [evidence("shape", "unused-definition")]
    return [propose(page, "shape", row, reasons) for row in rows]


def _definitions(page: Page) -> dict[int, str]:
    """Give the label that each line of a definition defines, by row, ascending."""
    labels: dict[int, str] = {}
    for row in page.rows:
        raw = page.raw(row)
        if raw[:1] == b"[" and _SIGN in raw[:200] and len(raw) <= _MAX_BYTES:
            found = _DEFINITION.fullmatch(page.text(row))
            if found is not None:
                rest = takewhile(lambda at: _goes_on(page, at), range(row, page.high - 1))
                labels |= dict.fromkeys((row, *(at + 1 for at in rest)), found[1].casefold())
    return dict(sorted(labels.items()))


def _goes_on(page: Page, row: int) -> bool:
    """Say whether the address at the end of a line goes on in the next: no space in it, and no other definition."""
    if not page.touches(row, row + 1) or len(page.text(row)) < _WRAPPED:
        return False
    below = page.text(row + 1)
    return not below.startswith("[") and not any(char.isspace() for char in below)
