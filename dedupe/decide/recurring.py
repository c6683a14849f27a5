"""Weigh blocks that recur on other documents of the same site."""

from __future__ import annotations

import math

from dedupe.decide.page import Page
from dedupe.decide.weights import confidence, evidence
from dedupe.records import Evidence, Finding, Recurrences

_RULE = "site-boilerplate"
_MAX_DOUBLINGS = 8.0
_MIN_LETTERS = 4


def recurring_blocks(page: Page) -> list[Finding]:
    """Propose every block that several documents of the site have, digits apart; all copies may go."""
    counts = page.seen.recurrences
    if counts is None:
        return []
    num_documents = counts.num_documents[page.low:page.high].tolist()
    return [_recurring(page, row, counts) for row, count in zip(page.rows, num_documents, strict=True) if count]


def _recurring(page: Page, row: int, counts: Recurrences) -> Finding:
    count, on_site = int(counts.num_documents[row]), int(counts.num_site_documents[row])
    edge, num_sites = float(counts.edge_fraction[row]), int(counts.num_sites[row])
    doublings = min(math.log2(count), _MAX_DOUBLINGS)
    reasons = [
        evidence(_RULE, "base"),
        evidence(_RULE, "documents", count, f"of {on_site} documents of the site", times=doublings),
        evidence(_RULE, "all-documents", count / on_site, times=count / on_site),
        evidence(_RULE, "edge", edge, times=edge),
    ]
    tests = (
        ("several-sites", num_sites > 1, num_sites),
        ("own-title", row in counts.own_titles, 1.0),
        ("prose-apart", page.is_prose(row) and page.prose_distance(row) > 1, page.prose_distance(row)),
        ("prose", page.is_prose(row), page.num_tokens(row)),
        ("short-sentence", page.ends_sentence(row) and not page.is_prose(row), page.num_tokens(row)),
        ("few-letters", page.letters(row) < _MIN_LETTERS, page.letters(row)),
        ("between-prose", _between_prose(page, row), 1.0),
        ("table-or-code", page.is_table_or_code(row), 1.0),
    )
    reasons += [evidence(_RULE, name, value) for name, holds, value in tests if holds]
    return _finding(page, row, reasons, counts)


def _between_prose(page: Page, row: int) -> bool:
    return page.low < row < page.high - 1 and page.is_prose(row - 1) and page.is_prose(row + 1)


def _finding(page: Page, row: int, reasons: list[Evidence], counts: Recurrences) -> Finding:
    return Finding(
        page.span(row), _RULE, confidence(reasons), tuple(reasons), kept_place=counts.examples.get(row)
    )
