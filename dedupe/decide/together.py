"""Know what a sure hand leaves alone: part of a group of lines, half a sentence, sentences with a time, quoted posts.

All of it holds for the preset `careful` only. What is judged line by line is often right about the lines and wrong
about what they belong to: of an address set off by blank lines the hours go, of a sentence its second line. And two
marks of menus mean little inside a sentence: "at 5:45 p.m." is no time stamp, "/Star Trek/" no part of an address.
A post that an article quotes looks like a share bar, with its handles and short addresses.
"""

from __future__ import annotations

import regex

from dedupe.config import PRESETS
from dedupe.decide.page import Page

_MAX_GROUP, _LEAST_GROUP = 8, 4  # lines; longer groups are menus, or a document without blank lines
_LEAST_COLUMNS = 40  # shorter lines end where a list or a verse wants them to
_LEAST_TIMED_LETTERS, _MAX_SENTENCE_BYTES = 50, 1000
_LEAST_EMPHASIS_TOKENS = 8
_POST_SIGN = b"pic.twitter.com/"  # its picture; a share bar has none
_TIME = regex.compile(r"(?<![\p{N}:.])\p{N}{1,2}:\p{N}{2}(?![\p{N}:])")
_LETTER = regex.compile(r"\p{L}")
_EMPHASIS = regex.compile(r"(?<!\S)/\p{L}[^\s/]*+(?:\s|/(?![\p{L}\p{N}]))")  # "/Star Trek/", but no path
_SENTENCE_END = regex.compile(r"[.!?。！？।][\"'”’»)\]*_/~]*+$")


def held_together(page: Page, going: set[int], gone: set[int]) -> set[int]:
    """Choose the rows of `going`, which the model alone takes for debris, that stay; `gone` went for other reasons."""
    held = {row for row in going if _is_timed_sentence(page, row) or _has_emphasis(page, row) or _is_post(page, row)}
    held |= _torn(page, going - held, gone)
    for step in (-1, 1):
        for row in sorted(going - held, reverse=step > 0):
            other = row + step
            stays = other in held or (other not in gone and other not in going and _is_text(page, other))
            if stays and goes_on(page, min(row, other)):
                held.add(row)
    return held


def goes_on(page: Page, row: int) -> bool:
    """Say whether a sentence of a block goes on in the next: no final mark, no blank line, then a small letter."""
    if row < page.low or not page.touches(row, row + 1) or page.ends_sentence(row):
        return False
    return len(page.text(row)) >= _LEAST_COLUMNS and page.text(row + 1)[:1].islower()


def _is_text(page: Page, row: int) -> bool:
    """Say whether a block is there and stays at `standard`, too."""
    junk = page.seen.junk
    return junk is not None and page.low <= row < page.high and float(junk[row]) < PRESETS["standard"]


def _torn(page: Page, going: set[int], gone: set[int]) -> set[int]:
    """List what would go of groups of a few lines, set off by blank ones, most of which is text."""
    held: set[int] = set()
    last = page.low - 1
    for row in sorted(going):
        if row <= last:
            continue
        top, end = row, row + 1
        while row - top <= _MAX_GROUP and page.touches(top - 1, top):
            top -= 1
        while end - row <= _MAX_GROUP and page.touches(end - 1, end):
            end += 1
        last = end - 1
        rows = range(top, end)
        stays = sum(page.size(at) for at in rows if at not in gone and at not in going and _is_text(page, at))
        if _LEAST_GROUP <= len(rows) <= _MAX_GROUP and 2 * stays > sum(page.size(at) for at in rows):
            held.update(at for at in rows if at in going)
    return held


def _is_timed_sentence(page: Page, row: int) -> bool:
    """Say whether a block is a sentence that tells a time of day, as notes of the editor do."""
    raw = page.raw(row)
    if len(raw) > _MAX_SENTENCE_BYTES or b":" not in raw:
        return False
    text = page.text(row)
    told = _TIME.search(text) and len(_LETTER.findall(text)) >= _LEAST_TIMED_LETTERS
    unfinished = page.touches(row, row + 1) and page.text(row + 1)[:1].islower() if told else False
    return bool(told) and (unfinished or bool(_SENTENCE_END.search(text)))


def _is_post(page: Page, row: int) -> bool:
    """Say whether a block is a post of some words with a picture, as articles quote them."""
    return page.num_tokens(row) >= _LEAST_EMPHASIS_TOKENS and _POST_SIGN in page.raw(row)


def _has_emphasis(page: Page, row: int) -> bool:
    """Say whether a block of some words has some of them between slashes, and no address."""
    raw = page.raw(row)
    if len(raw) > _MAX_SENTENCE_BYTES or b"/" not in raw or page.num_tokens(row) < _LEAST_EMPHASIS_TOKENS:
        return False
    return b"://" not in raw and not raw.startswith(b"[") and bool(_EMPHASIS.search(page.text(row)))
