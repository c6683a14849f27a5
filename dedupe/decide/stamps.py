"""Find lines that only say when a page was published: "Updated 6:51 PM EST, Nov. 19, 2019"."""

from __future__ import annotations

from functools import cache

import numpy as np
import regex

from dedupe.decide.page import Page, propose
from dedupe.decide.weights import evidence
from dedupe.decide.words import any_of
from dedupe.hashing import ranges
from dedupe.records import Finding, Observed

_MAX_BYTES = 120
_LEAST_TOKENS, _MAX_TOKENS = 4, 16
_MAX_WORDS = 5  # "Published at 6:51 PM EST on Tuesday"; more say something
_MAX_STAMPS = 4  # more are a log, a chat, or the entries of a live report
_AT_THE_START = 2  # of the kinds of cues
_ZERO, _NINE, _COLON, _WIDE_COLON = 0x30, 0x39, 0x3A, 0x9A  # the last byte of a wide colon
_CLOCK = regex.compile(r"(?<![\p{N}:：.,])(?:[01]?\d|2[0-3])[:：]([0-5]\d)(?:[:：][0-5]\d)?(?![\p{N}:：.]\p{N}|\p{N})")
_DAY = regex.compile(
    r"(?<!\p{N})(?:19|20)\d\d(?!\p{N})|(?<!\p{N})\d{1,2}([/.-])\d{1,2}\1\d{2}(?!\p{N})|\p{N}{4}\s?[年년]"
)
_WORD = regex.compile(r"\p{L}[\p{L}\p{M}.]*+")
_DATA = regex.compile(r"[\"“”{}\[\]=<>$€£]|:\s*$")


def stamped_rows(seen: Observed) -> list[int]:
    """Find the lines of a batch that only say when a page was published, ascending."""
    blocks, shapes, data = seen.blocks, seen.shapes, seen.texts.data
    fits = (shapes.num_tokens >= _LEAST_TOKENS) & (shapes.num_tokens <= _MAX_TOKENS) & (shapes.num_bytes <= _MAX_BYTES)
    rows = np.flatnonzero(fits & ~shapes.is_prose)
    sizes = blocks.end[rows] - blocks.start[rows]
    held, ends = data[ranges(blocks.start[rows], sizes)], np.cumsum(sizes)
    digit = (held >= _ZERO) & (held <= _NINE)
    part = (held == _COLON) | (held == _WIDE_COLON)
    part[1:] &= digit[:-1] | (held[1:] == _WIDE_COLON)
    part[:-1] &= digit[1:]
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(part)])
    rows = rows[before[ends] > before[ends - sizes]]
    told = (seen.cues.kind[rows] == _AT_THE_START) & (seen.cues.category[rows] == _code_of(seen, "date"))
    lines = zip(rows.tolist(), blocks.start[rows].tolist(), blocks.end[rows].tolist(), told.tolist(), strict=True)
    return [row for row, start, end, is_told in lines
            if is_stamp(data[start:end].tobytes().decode("utf-8", "replace"), is_told)]


@cache
def _somebody() -> regex.Pattern[str]:
    return regex.compile(rf"(?<!\p{{L}}){any_of('stamp', 'by')}(?!\p{{L}})", regex.IGNORECASE)


def _code_of(seen: Observed, category: str) -> int:
    return seen.categories.index(category) if category in seen.categories else -1


def stamps(page: Page, gone: set[int], stamped: list[int]) -> list[Finding]:
    """Propose the lines that say when a page was published, unless the document is a log of many."""
    if len(stamped) > _MAX_STAMPS or not page.prose_rows:
        return []
    reasons = [evidence("shape", "time-stamp")]
    return [propose(page, "shape", row, reasons) for row in stamped if row not in gone]


def is_stamp(text: str, told: bool = False) -> bool:
    """Say whether a line is a day and a time with few words, and not when people meet; `told`: it begins "Updated".

    What people plan begins at full hours, their quarters and fives; the clock of a computer stops anywhere.

    >>> is_stamp("Nov. 19, 2019, 8:03 am ET"), is_stamp("Saturday, Nov. 23, 2019, 7:30 pm")
    (True, False)
    """
    minutes = _CLOCK.findall(text) if ":" in text or "：" in text else []
    if not minutes or not _DAY.search(text) or len(_WORD.findall(text)) > _MAX_WORDS:
        return False
    if _somebody().search(text) or _DATA.search(text):
        return False
    return told or any(int(minute) % 5 for minute in minutes)
