"""Classify every byte of a batch by the kind of character it begins, in any script.

Only classes that mean the same everywhere are told apart (letters with and without case, digits, ends of
sentences, separators, ...). Bytes that continue a letter have the kind INSIDE; other bytes that begin no
character, and control characters, NONE.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dedupe import kernels
from dedupe.records import Bytes

(NONE, SPACE, LOWER, UPPER, UNCASED, IDEOGRAPH, DIGIT, END, COMMA, COLON, QUOTE, DASH, SLASH, BAR, BRACKET,
 SYMBOL, PICTURE, INSIDE) = range(18)
NUM_KINDS = 18

# Characters of one kind, by kind. Letters and digits follow from Unicode's own tables (see `_of_code_point`).
_MARKS = {
    SPACE: "\t\n\x0b\x0c\r \x85\xa0"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u3000",
    END: ".!?\u2026\u061f\u06d4\u0964\u0965"
    "\u3002\uff01\uff1f\uff0e\u203c\u2047\u2048\u2049\u1362\u104b\u17d4\u0e2f\uff61",
    COMMA: ",;\u060c\u061b\u3001\uff0c\uff1b\u104a\u1363",
    COLON: ":\uff1a\u1361",
    QUOTE: "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e"
    "\u2039\u203a\xab\xbb\u300c\u300d\u300e\u300f\u300a\u300b\uff02",
    DASH: "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u301c\uff0d",
    SLASH: "/\\\uff0f",
    BAR: "|*\xb7\u2022\u2023\u2219\u25a0\u25aa\u25b6\u25ba\u25b8"
    "\u25cf\u25cb\u25e6\u2190\u2192\u2191\u2193\u21d2\uff5c\u30fb\u2502",
    BRACKET: "()[]{}<>\uff08\uff09\u3010\u3011\u3008\u3009\u3014\u3015",
}
_IDEOGRAPHS = (
    (0x3040, 0x3100), (0x31F0, 0x3200), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xAC00, 0xD7B0), (0xF900, 0xFB00),
)
_PICTURES = ((0x2190, 0x2300), (0x2300, 0x2400), (0x2500, 0x2C00), (0xFE00, 0xFE10), (0x200B, 0x2010), (0x202A, 0x202F))
_MAX_CODE_POINT = 0x10000


def _of_code_point(char: str) -> int:
    """Name the kind of one character that no table lists.

    >>> [_of_code_point(c) for c in "aA"] == [LOWER, UPPER]
    True
    """
    if char.isupper() or char.istitle():
        return UPPER
    if char.islower():
        return LOWER
    if char.isdigit():
        return DIGIT
    return UNCASED if char.isalpha() else SYMBOL


@cache
def kinds_of_code_points() -> Bytes:
    """Tabulate the kinds of all code points below 2^16: uint8 (65536,). Letters without case are the default."""
    kinds = np.full(_MAX_CODE_POINT, UNCASED, np.uint8)
    cased = [*range(0x0590), *range(0x10A0, 0x1100), *range(0x1E00, 0x2000), *range(0xFF00, 0xFF70)]
    digits = [*range(0x0660, 0x066A), *range(0x06F0, 0x06FA), *range(0x0966, 0x0970), *range(0x09E6, 0x09F0)]
    for code in (*cased, *digits):
        kinds[code] = _of_code_point(chr(code))
    kinds[0x2010:0x2100] = SYMBOL
    for first, last in _PICTURES:
        kinds[first:last] = PICTURE
    for first, last in _IDEOGRAPHS:
        kinds[first:last] = IDEOGRAPH
    kinds[:0x20] = NONE
    kinds[0x7F:0xA0] = NONE
    for kind, chars in _MARKS.items():
        kinds[[ord(char) for char in chars]] = kind
    return kinds


@cache
def kinds_of_bytes() -> Bytes:
    """Tabulate the kinds of bytes that stand alone: uint8 (256,); lead bytes get UNCASED until decoded."""
    kinds = np.zeros(256, np.uint8)
    kinds[:0x80] = kinds_of_code_points()[:0x80]
    kinds[0xC2:0xF0] = UNCASED
    kinds[0xF0:0xF5] = PICTURE
    return kinds


def kinds_of(data: Bytes) -> Bytes:
    """Give the kind of every byte: uint8 (num_bytes + 1,), the last one NONE; invalid bytes never raise.

    >>> kinds_of(np.frombuffer("Aé。".encode(), np.uint8)).tolist() == [UPPER, LOWER, INSIDE, END, NONE, NONE, NONE]
    True
    """
    if kernels.are_on():
        from dedupe.kernels.looks import kinds_of as compiled

        return compiled(data)
    kinds = np.zeros(len(data) + 1, np.uint8)
    np.take(kinds_of_bytes(), data, out=kinds[:-1], mode="clip")  # "raise" would go by way of a copy
    leads = np.flatnonzero(data >= 0xC2)
    if not leads.size:
        return kinds
    padded = np.concatenate([data, np.zeros(2, np.uint8)])
    lead = padded[leads].astype(np.int32)
    second = padded[leads + 1].astype(np.int32) & 0x3F
    third = padded[leads + 2].astype(np.int32) & 0x3F
    code = np.where(lead < 0xE0, (lead & 0x1F) << 6 | second, (lead & 0x0F) << 12 | second << 6 | third)
    found = np.where(lead < 0xF0, kinds_of_code_points()[code], np.uint8(PICTURE))
    kinds[leads] = found
    letters = leads[(found >= LOWER) & (found <= UNCASED)]
    kinds[letters + 1] = INSIDE
    letters = letters[padded[letters] >= 0xE0]
    kinds[np.minimum(letters + 2, len(data))] = INSIDE
    kinds[-1] = NONE
    return kinds
