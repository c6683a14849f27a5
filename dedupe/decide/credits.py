"""Find captions that end in the credit of their picture.

A caption may read as prose: "The mayor opens the bridge. (Jo Hill/Reuters)". What tells it from a paragraph is
how it ends: in a word for pictures with a name, or in a name with an agency. Reports end in agencies, too, or in
the reporter and the agency: agencies alone are no credit, and a name with an agency is one above other prose only.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

import numpy as np
import regex
from msgspec import Struct

from dedupe.decide.page import Page, propose
from dedupe.decide.weights import evidence
from dedupe.decide.words import any_of, words
from dedupe.hashing import ranges
from dedupe.records import Bytes, Finding, Flags, Observed, Offsets

MAX_CAPTION_BYTES = 900
_MAX_LETTERS, _MAX_SENTENCES, _MAX_NAMES = 420, 3, 8
_TAIL, _NEAR_END = 160, 100  # characters that are searched, and bytes in which a sign of a credit must stand
_MANY, _MAX_SHARE = 3, 0.34  # captions, and of the prose: with more the document is about its pictures
_BELOW = 8  # blocks among which a caption has prose

_NAME = r"\p{Lu}[\p{L}\p{M}.'’-]*+"
_ALONE = r"(?<![\p{L}\p{N}])"
_BRACKET = regex.compile(r"[(\[（【]\s*+([^()\[\]（）【】\n]{2,90})[)\]）】][\s.。\"”]*$")
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}.]*+")
_SMALL_WORD = regex.compile(r"(?<![\p{L}\p{N}’'./-])\p{Ll}[\p{L}\p{M}]*+")
_SENTENCE_END = frozenset(".!?。！？…)”\"")
_SENTENCE = regex.compile(r"\p{L}{3}[.!?][\"”’»)]*+(?:\s|$)|[。！？]")
_PARTING, _CLOSING = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_PARTING[[*b":/|"]] = True
_CLOSING[[*b")]", 0x91]] = True  # the last byte of a black bracket, too
_WIDE = ((0xEF, 0xBC, 0x9A), (0xEF, 0xBC, 0x89), (0x76, 0x69, 0x61))  # colon, bracket, "via"


class _Patterns(Struct, frozen=True):
    """Hold what is made of the words of data/forms.toml: a label, one before names, and names with an agency."""

    labelled: regex.Pattern[str]
    loose_label: regex.Pattern[str]
    by_agency: regex.Pattern[str]
    agency_first: regex.Pattern[str]
    any_agency: regex.Pattern[str]
    in_names: frozenset[str]


@cache
def _patterns() -> _Patterns:
    picture, credit = any_of("picture", "words"), any_of("picture", "credits")
    agency = rf"(?:(?i:{any_of('picture', 'agencies')})|{any_of('picture', 'short_agencies')})"
    later = rf"(?:,?\s(?i:{any_of('picture', 'later')}))*"
    name = _NAME
    return _Patterns(
        regex.compile(
            rf"{_ALONE}(?i:{picture}|{credit})(?:\s?[:：/©]|\s(?i:{any_of('picture', 'by')})\s)"
        ),
        regex.compile(
            rf"(?P<before>^|.)\s*{_ALONE}(?:(?P<credit>(?i:{credit}))|(?i:{picture}))\s?[:：]\s?"
            r"(?P<names>[^:：!?\n]{2,70})$"
        ),
        regex.compile(
            rf"(?:^|[\s(.])(?!{agency}\s?/){name}(?:\s{name}){{0,6}}(?:/[^/\n]{{2,40}})?\s?(?:/|\||,?\svia)\s?"
            rf"{agency}{later}\W*$"
        ),
        regex.compile(rf"(?:^|[\s(]){agency}\s?/\s?{name}\s{name}(?:\s{name})?{later}\W*$"),
        regex.compile(rf"{_ALONE}{agency}(?![\p{{L}}\p{{N}}])"),
        frozenset(words("picture", "in_names")),
    )


Credit: TypeAlias = tuple[int, str]  # a row, and "label" or "agency"


def credited_rows(seen: Observed) -> list[Credit]:
    """Find the blocks of a batch that end in the credit of a picture, ascending, and what says so."""
    blocks, num_bytes, data = seen.blocks, seen.shapes.num_bytes, seen.texts.data
    rows = np.flatnonzero((num_bytes > 0) & (num_bytes <= MAX_CAPTION_BYTES))
    rows = rows[_may_end_in_credit(data, blocks.start[rows], blocks.end[rows])]
    spans = zip(rows.tolist(), blocks.start[rows].tolist(), blocks.end[rows].tolist(), strict=True)
    signs = ((row, ends_in_credit(data[start:end].tobytes().decode("utf-8", "replace"))) for row, start, end in spans)
    return [(row, sign) for row, sign in signs if sign]


def _may_end_in_credit(data: Bytes, start: Offsets, end: Offsets) -> Flags:
    """Say which spans end in a bracket, or have one of the signs that part names near their end."""
    sizes = np.minimum(end - start, _NEAR_END)
    held, ends = data[ranges(end - sizes, sizes)], np.cumsum(sizes)
    hit: Flags = _PARTING[held]
    for first, second, third in _WIDE:
        hit[:-2] |= (held[:-2] == first) & (held[1:-1] == second) & (held[2:] == third)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(hit)])
    closes = _CLOSING[data[end - 1]] | (_CLOSING[data[np.maximum(end - 2, 0)]] & (sizes > 1))
    found: Flags = closes | (before[ends] > before[ends - sizes])
    return found


def picture_credits(page: Page, gone: set[int], credited: list[Credit]) -> list[Finding]:
    """Propose the captions that end in the credit of their picture, unless the document is little but captions."""
    captions = {row for row, sign in credited if _is_caption(page, row, sign)}
    if not captions:
        return []
    prose = sum(page.size(row) for row in page.prose_rows if row not in captions and row not in gone)
    if sum(map(page.size, captions)) > prose * (_MAX_SHARE if len(captions) >= _MANY else 1):
        return []
    reasons = [evidence("shape", "picture-credit")]
    return [propose(page, "shape", row, reasons) for row in sorted(captions - gone)]


def _is_caption(page: Page, row: int, sign: str) -> bool:
    if page.letters(row) > _MAX_LETTERS or len(_SENTENCE.findall(page.text(row))) > _MAX_SENTENCES:
        return False
    below = range(row + 1, min(page.high, row + _BELOW + 1))
    return sign == "label" or any(page.is_prose(other) for other in below)


def ends_in_credit(text: str) -> str:
    """Say how a text ends: in the credit of a picture with a "label", with an "agency", or "" for neither.

    >>> [ends_in_credit(text) for text in ("Bees. (Photo: Jo Hill)", "Bees at work (Jo Hill/AFP)", "Bees. (dpa)")]
    ['label', 'agency', '']
    """
    tail = text[-_TAIL:].rstrip()
    bracket = _BRACKET.search(tail)
    if bracket is not None:
        inside = bracket[1].strip()
        if "://" in inside or "www." in inside:
            return ""
        return "label" if _patterns().labelled.search(inside) else _agency(inside)
    loose = _patterns().loose_label.search(tail)
    if loose is not None and _are_names(loose["names"]):
        set_off = not loose["before"].strip() or loose["before"] in _SENTENCE_END
        if loose["credit"] or set_off or _patterns().any_agency.search(loose["names"]):
            return "label"
    return _agency(tail)


def _agency(text: str) -> str:
    return "agency" if _patterns().by_agency.search(text) or _patterns().agency_first.search(text) else ""


def _are_names(text: str) -> bool:
    """Say whether all words are written as names are; in scripts without capitals, whether they are few."""
    found = _WORD.findall(text)
    small = (word.casefold() for word in _SMALL_WORD.findall(text))
    return 0 < len(found) <= _MAX_NAMES and all(word in _patterns().in_names for word in small)
