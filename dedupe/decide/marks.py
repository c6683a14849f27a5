"""Weigh cues, what follows them, and shapes: separators and captions whose words run together."""

from __future__ import annotations

import math

import numpy as np
import regex

from dedupe.decide.forms import belongs
from dedupe.decide.page import SURE, Page, is_glued, propose
from dedupe.decide.together import held_together
from dedupe.decide.weights import evidence
from dedupe.records import Evidence, Finding

_MIN_PROSE_FRACTION = 0.4
MIN_GLUED_TOKENS = 4
_MAX_GLUED_TOKENS = 25  # a caption, not a paragraph that lost a space or its final mark
_SENTENCES = regex.compile(r"\p{Ll}[.!?:](?:\s|$)|\p{Sc}\p{N}|\p{N}%")  # "to come.", "as follows:", prices and rates
LEAST_JUNK = 0.5  # nothing below goes at any preset
MAX_GLUED_BYTES = 200
_SLUG_WORDS = regex.compile(r"[\p{L}\p{N}]+")
_KINDS = ("", "the whole block", "its beginning", "its end")


def cued_blocks(page: Page) -> list[Finding]:
    """Propose every block that a cue names, each with the strength of its phrase."""
    strength = page.seen.cues.strength
    return [_cued(page, row, float(strength[row])) for row in page.rows if strength[row] > 0 and not page.is_prose(row)]


def _cued(page: Page, row: int, strength: float) -> Finding:
    rule = "cue"
    odds = math.log(strength / (1 - strength)) if strength < 1 else 7.0
    kind = int(page.seen.cues.kind[row])
    reasons = [Evidence(f"cue:{page.category(row)}", round(odds, 4), round(strength, 4), _KINDS[kind])]
    has_prose = len(page.prose_rows) > 0
    reasons.append(evidence(rule, "prose-in-document" if has_prose else "no-prose-in-document"))
    if kind == 1:
        reasons.append(evidence(rule, "stands-alone"))
    if page.is_marked_line(row) and kind != 2:
        reasons.append(evidence(rule, "marked-line"))
    return propose(page, rule, row, reasons)


def continuations(page: Page, gone: set[int]) -> list[Finding]:
    """Propose what stands under a cue that is gone: its address, and the headline the address spells."""
    found = []
    for row in sorted(gone):
        if page.category(row) not in page.seen.continued:
            continue
        below = row + 1
        if below < page.high and below not in gone and page.is_url(below):
            reasons = [evidence("cue-continuation", name) for name in ("base", "bare-url", "next-line")]
            found.append(propose(page, "cue-continuation", below, reasons))
            headline = below + 1
            if headline < page.high and headline not in gone and _spells(page.text(below), page.text(headline)):
                reasons = [evidence("cue-continuation", name) for name in ("base", "slug-words", "next-line")]
                found.append(propose(page, "cue-continuation", headline, reasons))
    return found


def _spells(url: str, headline: str) -> bool:
    """Say whether at least three words of a headline, and most of them, stand in an address.

    >>> _spells("https://example.org/rivers-rise-again-in-north/", "Rivers rise again")
    True
    """
    slug = set(_SLUG_WORDS.findall(url.rsplit("/", 1)[-1].casefold() or url.rstrip("/").rsplit("/", 1)[-1].casefold()))
    words = _SLUG_WORDS.findall(headline.casefold())
    return sum(word in slug for word in words) >= max(3, 0.75 * len(words))


def debris(page: Page, gone: set[int], least_confidence: float) -> list[Finding]:
    """Propose what the fitted model takes for debris of the page, with the features that said so most.

    Nothing below `least_confidence` is proposed: such lines stay and are not listed.
    """
    junk = page.seen.junk
    if junk is None or page.seen.explain_junk is None:
        return []
    likely = (np.flatnonzero(junk[page.low:page.high] >= LEAST_JUNK) + page.low).tolist()
    first = page.seen.first
    copied = {int(first[row]) for row in gone} - {-1}  # the last copy of a block is no debris
    open_rows = [row for row in likely if row not in gone and int(first[row]) not in copied]
    restated = {other for row, other in page.copies if row not in gone}  # a bio under and beside the article: one stays
    sure = [row for row in open_rows if round(float(junk[row]), 4) >= least_confidence]
    sure = [row for row in sure if junk[row] >= SURE or row not in restated or not page.ends_sentence(row)]
    rows = [row for row in sure if not belongs(page, row, gone, float(junk[row]))]
    if least_confidence >= SURE:
        held = held_together(page, set(rows), gone)
        rows = [row for row in rows if row not in held]
    whys = page.seen.explain_junk(rows, page.doc)
    return [
        Finding(page.span(row), "debris", round(float(junk[row]), 4), why) for row, why in zip(rows, whys, strict=True)
    ]


def scripts(page: Page, gone: set[int]) -> list[Finding]:
    """Propose what is no text on a whole page: lines of program and data."""
    if not page.is_page:
        return []
    reasons = [evidence("shape", "script")]
    return [propose(page, "shape", row, reasons) for row in page.rows if row not in gone and page.is_script(row)]


def shapes(page: Page, gone: set[int]) -> list[Finding]:
    """Propose separators, and title-like lines between paragraphs whose words run together."""
    if page.prose_fraction < _MIN_PROSE_FRACTION:
        return []
    found = []
    for row in _short_rows(page):
        if row in gone:
            continue
        if page.size(row) == 0:
            found.append(_separator(page, row, gone))
        elif _is_glued_caption(page, row):
            found.append(propose(page, "shape", row, [evidence("shape", "glued-caption")]))
    return found


def _short_rows(page: Page) -> list[int]:
    """List the blocks without a letter, and short ones of some words that do not end like a sentence."""
    shapes, rows = page.seen.shapes, slice(page.low, page.high)
    size = shapes.num_bytes[rows]
    short = (size <= MAX_GLUED_BYTES) & (shapes.num_tokens[rows] >= MIN_GLUED_TOKENS) & ~shapes.ends_sentence[rows]
    found: list[int] = (np.flatnonzero(short | (size == 0)) + page.low).tolist()
    return found


def _separator(page: Page, row: int, gone: set[int]) -> Finding:
    reasons = [evidence("shape", "separator")]
    if row - 1 in gone or row + 1 in gone:
        reasons.append(evidence("shape", "separator-beside-debris"))
    return propose(page, "shape", row, reasons)


def _is_glued_caption(page: Page, row: int) -> bool:
    return (
        page.num_tokens(row) <= _MAX_GLUED_TOKENS
        and is_glued(page.text(row))
        and not _SENTENCES.search(page.text(row))
        and not page.is_marked_line(row)
        and not page.is_table_or_code(row)
        and not page.is_url(row)
    )
