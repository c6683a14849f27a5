"""Take the decided passages out of a document, and say exactly where each of them was.

A block goes with its lines and the blank lines behind it, so that what stays keeps its own spacing; at the
end of a document the blank lines before it go instead. Original bytes = cleaned bytes + removals.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from msgspec import Struct

from dedupe.decisions import passage_fingerprint
from dedupe.records import Cleaned, Document, Finding, Offsets, Place, Removal, Span

WordsOf: TypeAlias = Callable[[Sequence[bytes], bytes], list[tuple[bytes, int, int]]]
_BOM = b"\xef\xbb\xbf"
_MAY_BE_WIDE = b"\xe2\x80"  # what U+2028 and U+2029 begin with
_COUNTED = 8  # look-ups of lines for which it takes less to count them


def line_starts(data: bytes) -> Offsets:
    """Find where lines begin; line ends are LF, CR LF, CR, U+2028 and U+2029.

    >>> line_starts(b"a\\r\\nb\\rc").tolist()
    [0, 3, 5]
    """
    text = np.frombuffer(data, np.uint8)
    ends = text == 0x0A
    if b"\r" in data:
        carriage = text == 0x0D
        ends |= carriage
        ends[:-1] &= ~(carriage[:-1] & (text[1:] == 0x0A))
    found = np.flatnonzero(ends)
    starts = np.zeros(len(found) + 1, np.int64)
    np.add(found, 1, out=starts[1:])
    if _MAY_BE_WIDE not in data:
        return starts
    wide = np.flatnonzero(text[:-2] == 0xE2)
    wide = wide[(text[wide + 1] == 0x80) & ((text[wide + 2] & 0xFE) == 0xA8)]
    return np.sort(np.concatenate([starts, wide + 3]))


def _has_plain_lines(data: bytes) -> bool:
    """Say whether LF is the only line end of a text."""
    return b"\r" not in data and b"\xe2\x80\xa8" not in data and b"\xe2\x80\xa9" not in data


class Layout(Struct, frozen=True):
    """Say where the blocks and the lines of a document stand in its UTF-8 bytes.

    `blocks`: spans, ascending. `lines`: int64, where lines begin, ascending from 0.
    """

    blocks: Sequence[Span]
    lines: Offsets


class Cut(Struct, frozen=True):
    """Pair a finding with the bytes of the document's UTF-8 text that go with it."""

    finding: Finding
    span: Span


def passages_of(
    document: Document, cuts: Sequence[Cut], stays: Sequence[Finding]
) -> tuple[list[bytes], bytes | None]:
    """Give the passages that cuts and repeats are about, and what is left of the document; None where all of it is."""
    findings = [*(cut.finding for cut in cuts), *stays]
    left = without(document.utf8, [cut.span for cut in cuts]) if cuts else None
    return [document.utf8[finding.span[0]:finding.span[1]] for finding in findings], left


def apply(
    document: Document, cuts: Sequence[Cut], stays: Sequence[Finding], guarded: bool,
    words: Sequence[tuple[bytes, int, int]],
) -> Cleaned:
    """Take cuts (ascending, disjoint) out of a document and record them, and the repeats that stay.

    `words`: of each of `passages_of`, its stream, its number of words, and how many of them are not in what is left.
    """
    flags = ("guard",) if guarded else ()
    if not cuts and not stays:
        return Cleaned(document, document.raw, (), (), flags)
    places = Places(document)
    removals, num_bytes, num_chars = [], 0, 0
    for cut, of_passage in zip(cuts, words, strict=False):
        place = places(cut.span)
        removals.append(_describe(places, cut.finding, place, of_passage, (num_bytes, num_chars)))
        num_bytes += place.byte[1] - place.byte[0]
        num_chars += place.char[1] - place.char[0]
    kept = [
        _describe(places, finding, places(finding.span), of_passage, None)
        for finding, of_passage in zip(stays, words[len(cuts):], strict=True)
    ]
    cleaned = without(document.raw, [removal.place.byte for removal in removals]) if cuts else document.raw
    return Cleaned(document, cleaned, tuple(removals), tuple(kept), flags)


def without(text: bytes, spans: Sequence[Span]) -> bytes:
    """Leave out spans, which ascend and do not overlap.

    >>> without(b"abcdef", [(1, 2), (4, 6)])
    b'acd'
    """
    pieces, at = [], 0
    for start, end in spans:
        pieces.append(text[at:start])
        at = end
    return b"".join([*pieces, text[at:]])


def cut_blocks(text: bytes, layout: Layout, removed: Sequence[Finding]) -> list[Cut]:
    """Widen findings that are whole blocks to their lines and the blank lines behind them."""
    rows = {span: row for row, span in enumerate(layout.blocks)}
    lead = _line_starts_of(text, layout)
    whole = {rows[finding.span] for finding in removed if finding.span in rows}
    last_kept = next((row for row in range(len(layout.blocks) - 1, -1, -1) if row not in whole), -1)
    cuts = []
    for finding in removed:
        row = rows.get(finding.span)
        if row is None:
            cuts.append(Cut(finding, finding.span))
            continue
        end = lead[row + 1] if row + 1 < len(lead) else len(text)
        trails = row == last_kept + 1 and row > 0
        start = _after_line(layout, layout.blocks[row - 1][1], lead[row]) if trails else lead[row]
        cuts.append(Cut(finding, (start, end)))
    return cuts


def _line_starts_of(text: bytes, layout: Layout) -> list[int]:
    """Find the start of the line on which each block begins; the first line begins after a BOM."""
    starts = np.array([start for start, _ in layout.blocks], np.int64)
    at = layout.lines[np.searchsorted(layout.lines, starts, side="right") - 1]
    if text.startswith(_BOM):
        at = np.maximum(at, len(_BOM))
    return [int(start) for start in at]


def _after_line(layout: Layout, end: int, limit: int) -> int:
    """Find where the line after position `end` begins, not past `limit`."""
    at = int(np.searchsorted(layout.lines, end, side="right"))
    return min(int(layout.lines[at]), limit) if at < len(layout.lines) else limit


class Places:
    """Turn spans of a document's UTF-8 text into bytes of the file, code points and lines."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._lines: list[int] | None = None
        self._num_asked = _COUNTED if _has_plain_lines(document.utf8) else 0
        self._known: dict[int, tuple[int, int]] = {0: (0, 0)}
        self._offsets = [0]
        self._same_bytes = document.raw == document.utf8
        self._plain = self._same_bytes and document.utf8.isascii()

    def __call__(self, span: Span) -> Place:
        start, end = span
        line = (self._line(start), self._line(max(start, end - 1)) + 1)
        if self._plain:
            return Place(self.document.doc, span, span, line)
        (first_char, first_byte), (last_char, last_byte) = self._at(start), self._at(end)
        return Place(self.document.doc, (first_byte, last_byte), (first_char, last_char), line)

    def _line(self, offset: int) -> int:
        """Number the line of an offset; the first few by counting line ends, more by a list of all lines."""
        if self._num_asked:
            self._num_asked -= 1
            return self.document.utf8.count(b"\n", 0, offset) + 1
        if self._lines is None:
            self._lines = line_starts(self.document.utf8).tolist()
        return bisect_right(self._lines, offset)

    def _at(self, offset: int) -> tuple[int, int]:
        """Count code points and bytes of the file before an offset, from the nearest one known."""
        if offset not in self._known:
            at = bisect_right(self._offsets, offset)
            known = self._offsets[at - 1]
            self._offsets.insert(at, offset)
            num_chars, num_raw = self._known[known]
            text = self.document.utf8[known:offset].decode("utf-8", self.document.errors)
            size = offset - known
            if not self._same_bytes:
                size = len(text.encode(self.document.encoding, self.document.errors))
            self._known[offset] = (num_chars + len(text), num_raw + size)
        return self._known[offset]


def _describe(
    places: Places,
    finding: Finding,
    place: Place,
    words: tuple[bytes, int, int],
    gone: tuple[int, int] | None,
) -> Removal:
    """Make the record of one removal, or (`gone` None) of a repeat that stays.

    `words`: stream of the passage, number of its words and of those lost. `gone`: bytes and code points removed
    before it.
    """
    document, (stream, num_words, num_words_lost) = places.document, words
    kept = finding.kept_place
    if finding.kept is not None:
        kept = places(finding.kept[1])
        kept = kept if finding.kept[0] is None else replace(kept, doc=finding.kept[0])
    raw = document.raw[place.byte[0]:place.byte[1]]
    return Removal(
        id=removal_id(document, place),
        place=place,
        rule=finding.rule,
        confidence=finding.confidence,
        evidence=finding.evidence,
        removed=gone is not None,
        fingerprint=passage_fingerprint(stream, document.utf8[finding.span[0]:finding.span[1]]),
        text=raw.decode(document.encoding, document.errors),
        raw=raw,
        num_words=num_words,
        num_words_lost=num_words_lost if gone is not None else 0,
        output_byte=place.byte[0] - gone[0] if gone is not None else 0,
        output_char=place.char[0] - gone[1] if gone is not None else 0,
        resemblance=None if finding.resemblance is None else round(finding.resemblance, 4),
        containment=None if finding.containment is None else round(finding.containment, 4),
        kept=kept,
    )


def removal_id(document: Document, place: Place) -> str:
    """Name a removal by its document and its bytes there; the same in every run over the same document."""
    key = f"{document.doc}\0{place.byte[0]}\0{place.byte[1]}".encode("utf-8", "surrogatepass")
    return "r" + hashlib.blake2b(key, digest_size=6).hexdigest()
