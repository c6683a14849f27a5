"""Make scraped text safe and readable where people see it: no control character, no bidi trick, cut to a width.

Used for terminals, Markdown, CSV and SARIF messages. The exact text stays in the ledger.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

# Controls, marks that reorder or hide text (bidi, zero width, soft hyphen, tags), line and paragraph separators,
# lone surrogates. Joiners stay: Persian, Hindi and emoji need them.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
_SPACES = re.compile(r"[ \t\r\n\v\f\xa0\u2028\u2029\x85]+")


def visible(text: str) -> str:
    r"""Make every character that could act on a terminal or hide something stand for itself in print.

    >>> visible("a\x1b[31m\tb\n"), visible("exe\u202egnp"), visible("\udcff\x9b")
    ('a␛[31m␉b␊', 'exe<U+202E>gnp', '\\xff\\x9b')
    """
    return _UNSAFE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if code < 0xA0:
        return f"\\x{code:02x}"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that is not UTF-8
    return f"<U+{code:04X}>"


def one_line(text: str, width: int) -> str:
    r"""Fit text into `width` columns of one line: white space runs as one space, the rest visible, cut with "…".

    >>> one_line("  two\n\n words ", 20), one_line("日本語の文章", 7)
    ('two words', '日本語…')
    """
    head = text[: 8 * width + 64]  # a line of many megabytes costs no more than a short one
    line = visible(_SPACES.sub(" ", head).strip())
    return cut(line if len(head) == len(text) else line + "…", width)


@cache
def word_pattern() -> Any:
    """Give the pattern of a word: a run of letters, digits and marks, or one character of a script without spaces."""
    import regex  # 30 ms, only where words of other than ASCII are told apart

    singles = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    return regex.compile(rf"[{singles}]\p{{M}}*+|[\p{{L}}\p{{N}}\p{{M}}--[{singles}]]++", regex.V1)


def cut(line: str, width: int) -> str:
    """Cut a line to `width` columns, the ellipsis included; combining marks stay with their letter, at most eight."""
    if len(line) <= width and line.isascii():
        return line
    kept: list[str] = []
    used = marks = fits = 0
    for character in line:
        columns = char_width(character)
        marks = 0 if columns else marks + 1
        if marks > 8:
            continue
        if used + columns > width:
            return "".join(kept[:fits]) + "…"
        used += columns
        kept.append(character)
        if used <= width - 1:
            fits = len(kept)
    return "".join(kept)


@cache
def char_width(character: str) -> int:
    """Give the columns a character takes on a terminal: 0, 1 or 2, as the table's own measure has it."""
    try:
        from wcwidth import wcwidth
    except ImportError:
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
            return 0
        return 2 if unicodedata.east_asian_width(character) in "WF" else 1
    return max(0, int(wcwidth(character)))
