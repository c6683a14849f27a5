"""Know single code points: what each gives to the canonical stream, and which stand together as one.

The canonical form of a character is what is left of it after NFKC and case folding: letters, digits and marks as UTF-8
bytes, or nothing. Tables of it are filled as characters turn up, so a text pays only for the characters it has.
"""

from __future__ import annotations

import unicodedata
from typing import Any, TypeVar

import numpy as np
import regex
from numpy.typing import NDArray

from dedupe.hashing import BASE, distinct, powers
from dedupe.records import Bytes, Flags, Offsets

DROPPED, LETTER, SINGLE, MARK, SINGLE_MARK = range(5)
UNKNOWN = 255  # kind of a code point that was not looked up yet
# Scripts written without spaces between words: each character is a token (Unicode 15 block ranges).
_SINGLE_RANGES = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x19E0, 0x19FF), (0x3005, 0x3007),
    (0x3021, 0x3029), (0x3031, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)  # fmt: skip
# Up to 30 marks are put in order together (Unicode's stream-safe form): that takes the square of their number.
_CLUSTER = regex.compile(
    r"[^\p{M}]?\p{M}{1,30}+|[\u1100-\u115f\uac00-\ud7a3][\u1160-\u11ff]++|[\uff66-\uff9d][\uff9e\uff9f]"
)
# These are no marks to Unicode, but compose with what stands before them: vowels and finals of Hangul, and the voicing
# of half-width kana, whose full-width forms are marks.
JAMO, VOICING = (0x1160, 0x11FF), (0xFF9E, 0xFF9F)
_VOICING_MARKS = chr(VOICING[0]), chr(VOICING[1])
_MAX_CODE = 0x110000
_POWERS = powers(BASE, 256)  # no code point has more canonical bytes
_Code = TypeVar("_Code", bound=np.integer[Any])


class CodeTables:
    """Map code points to their canonical bytes; filled on demand, shared by the whole process.

    `kind`: uint8 (0x110000,). `num_bytes`: uint8, canonical bytes of a code point. `at`: int32, where they stand in
    `pool`. `sums`: uint64, what they add to the sum of a token (dedupe.tokens) when they stand at its beginning.
    """

    def __init__(self) -> None:
        self.kind = np.full(_MAX_CODE, UNKNOWN, np.uint8)
        self.num_bytes = np.zeros(_MAX_CODE, np.uint8)
        self.at = np.zeros(_MAX_CODE, np.int32)
        self.pool = np.empty(0, np.uint8)
        self.sums = np.zeros(_MAX_CODE, np.uint64)

    def learn(self, codes: NDArray[np.uint32]) -> None:
        """Fill in the code points among `codes` that are not known yet."""
        unknown = self.kind[codes] == UNKNOWN
        if not unknown.any():
            return
        new = distinct(codes[unknown])
        pool, size = [self.pool.tobytes()], len(self.pool)
        for code in new.tolist():
            kind, canonical = canonical_of_code(code)
            self.num_bytes[code], self.at[code] = len(canonical), size
            pool.append(canonical)
            size += len(canonical)
            self.kind[code] = kind
        self.pool = np.frombuffer(b"".join(pool), np.uint8)
        for step in range(int(self.num_bytes[new].max(initial=0))):
            has = new[self.num_bytes[new] > step]
            self.sums[has] += (self.pool[self.at[has] + step] + np.uint64(1)) * _POWERS[step]


TABLES = CodeTables()


def canonical_of_code(code: int) -> tuple[int, bytes]:
    """Give the kind and the canonical bytes of one code point.

    >>> canonical_of_code(ord("É")), canonical_of_code(ord("½")), canonical_of_code(ord("—"))
    ((1, b'\\xc3\\xa9'), (1, b'12'), (0, b''))
    """
    if 0xD800 <= code <= 0xDFFF or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:
        return DROPPED, b""  # surrogates stand for invalid bytes; variation selectors change no word
    nfkc = unicodedata.normalize("NFKC", chr(code))
    folded = unicodedata.normalize("NFKC", nfkc.casefold())
    kept = "".join(char for char in folded if unicodedata.category(char)[0] in "LNM")
    if not kept:
        return DROPPED, b""
    is_mark = unicodedata.category(chr(code))[0] == "M"
    is_single = any(low <= code <= high for low, high in _SINGLE_RANGES)
    kind = (SINGLE_MARK if is_mark else SINGLE) if is_single else (MARK if is_mark else LETTER)
    return kind, kept.encode()


def _ascii_canonical() -> Bytes:
    table = np.zeros(256, np.uint8)
    for code in range(128):
        kind, canonical = canonical_of_code(code)
        table[code] = canonical[0] if kind != DROPPED else 0
    return table


ASCII_BYTES = _ascii_canonical()


def is_composed_text(text: str) -> bool:
    """Say whether each character of a text can be read by itself: composed (NFC), no voiced half-width kana."""
    return unicodedata.is_normalized("NFC", text) and not any(mark in text for mark in _VOICING_MARKS)


def may_compose(codes: NDArray[np.integer[Any]]) -> Flags:
    """Say which code points may compose with what stands before though they are no marks: jamo, half-width voicing."""
    found: Flags = (codes >= JAMO[0]) & (codes <= JAMO[1]) | (codes >= VOICING[0]) & (codes <= VOICING[1])
    return found


def starts_token(kind: Bytes, before: Bytes) -> Flags:
    """Say which characters begin a token, from their kinds and those of the characters before them."""
    starts: Flags = (kind == SINGLE) | ((kind == LETTER) & ~((before == LETTER) | (before == MARK)))
    starts |= ((kind == MARK) | (kind == SINGLE_MARK)) & (before == DROPPED)
    return starts


def decode_at(data: Bytes, lead: Offsets) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Decode the characters of two to four bytes that begin at `lead`, in valid UTF-8."""
    last = len(data) - 1
    first = data[lead].astype(np.uint32)
    tail = [data[np.minimum(lead + step, last)].astype(np.uint32) & 0x3F for step in (1, 2)]
    wide, widest = first >= 0xE0, first >= 0xF0
    codes = np.where(wide, (first & 0x0F) << 12 | tail[0] << 6 | tail[1], (first & 0x1F) << 6 | tail[0])
    if widest.any():
        fourth = data[np.minimum(lead + 3, last)].astype(np.uint32) & 0x3F
        codes = np.where(widest, (first & 0x07) << 18 | tail[0] << 12 | tail[1] << 6 | fourth, codes)
    return codes, 2 + wide.astype(np.int64) + widest


def compose(text: str, codes: NDArray[_Code]) -> tuple[NDArray[_Code], Flags]:
    """Put letters with their marks, and Hangul jamo, into composed form (NFC), cluster by cluster.

    Returns a copy of `codes` and which of them stay: a composed character stands where its cluster began. A
    cluster that would grow keeps its characters: only composition exclusions do that, and their tables decompose
    them anyway.
    """
    codes = codes.copy()
    keep = np.ones(len(codes), np.bool_)
    composed: dict[str, str] = {}
    for match in _CLUSTER.finditer(text):
        cluster = match.group()
        if cluster not in composed:
            nfc = unicodedata.normalize("NFKC" if cluster.endswith(_VOICING_MARKS) else "NFC", cluster)
            composed[cluster] = nfc if len(nfc) <= len(cluster) else cluster
        nfc = composed[cluster]
        if nfc != cluster:
            at = match.start()
            codes[at:at + len(nfc)] = [ord(char) for char in nfc]
            keep[at + len(nfc):match.end()] = False
    return codes, keep
