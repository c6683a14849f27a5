"""Weigh blocks that recur on other documents of the same site."""

from __future__ import annotations

import math
from functools import lru_cache

from dedupe.decide.page import Page
from dedupe.decide.weights import confidence, evidence
from dedupe.records import Evidence, Finding, Recurrences

_RULE = "site-boilerplate"
_MAX_DOUBLINGS = 8.0
_MIN_LETTERS = 4
_TESTS = (
    "own-title", "prose-apart", "prose", "short-sentence", "few-letters", "between-prose", "table-or-code",
    "near-form",
)  # fmt: skip


def recurring_blocks(page: Page) -> list[Finding]:
    """Propose every block that several documents of the site have, digits apart; all copies may go."""
    counts = page.seen.recurrences
    if counts is None:
        return []
    num_documents = counts.num_documents[page.low:page.high].tolist()
    return [_recurring(page, row, counts) for row, count in zip(page.rows, num_documents, strict=True) if count]


def _recurring(page: Page, row: int, counts: Recurrences) -> Finding:
    is_prose = page.is_prose(row)
    holds = (
        row in counts.own_titles,
        is_prose and page.prose_distance(row) > 1,
        is_prose,
        page.ends_sentence(row) and not is_prose,
        page.size(row) < _MIN_LETTERS or page.letters(row) < _MIN_LETTERS,
        _between_prose(page, row),
        page.is_table_or_code(row),
        row in counts.near_forms,
    )
    count, on_site = int(counts.num_documents[row]), int(counts.num_site_documents[row])
    told = (counts.learned_from, counts.learned[row]) if row in counts.learned else None
    if told is not None and holds[0] and not told[1]:
        told = None  # who read the file saw a link to this page, not its headline
    sure, reasons = _weighed(count, on_site, int(counts.num_sites[row]), float(counts.edge_fraction[row]), holds, told)
    return Finding(page.span(row), _RULE, sure, reasons, kept_place=counts.examples.get(row))


@lru_cache(maxsize=1 << 14)  # the lines of a menu have the same evidence on every page
def _weighed(
    count: int, on_site: int, num_sites: int, edge: float, holds: tuple[bool, ...], told: tuple[str, bool] | None = None
) -> tuple[float, tuple[Evidence, ...]]:
    """Add up what counts say; `told`: the file of site rules they are from, and whether a person wrote the entry."""
    reasons = [evidence(_RULE, "base")]
    if told is not None:
        name = "site-rules-written" if told[1] else "site-rules"
        reasons.append(evidence(_RULE, name, note=f"an entry of {told[0]}"))
    if told is None or not told[1]:
        share, doublings = count / max(1, count, on_site), min(math.log2(count), _MAX_DOUBLINGS)
        reasons += [
            evidence(_RULE, "documents", count, f"of {on_site} documents of the site", times=doublings),
            evidence(_RULE, "all-documents", share, times=share),
            evidence(_RULE, "edge", edge, times=edge),
        ]
    if num_sites > 1:
        reasons.append(evidence(_RULE, "several-sites", num_sites))
    reasons += [evidence(_RULE, name) for name, says_so in zip(_TESTS, holds, strict=True) if says_so]
    return confidence(reasons), tuple(reasons)


def confidence_of_counts(
    count: int, on_site: int, num_sites: int, edge: float, *, is_prose: bool, is_short_sentence: bool, is_tiny: bool
) -> float:
    """Say how sure a block is boilerplate of its site by its counts and form alone, whatever the page around it."""
    holds = (False, False, is_prose, is_short_sentence, is_tiny, False, False, False)
    return _weighed(count, on_site, num_sites, edge, holds)[0]


def _between_prose(page: Page, row: int) -> bool:
    return page.low < row < page.high - 1 and page.is_prose(row - 1) and page.is_prose(row + 1)
