"""Cut texts into blocks: non-empty lines, or paragraphs where the lines of a text are wrapped.

Blocks hold no white space at their ends and never cross a document. Sentences are cut only where a
span has to be snapped (`sentence_ends`), never for a whole text.
"""

from __future__ import annotations

import numpy as np
import regex

from dedupe import kernels
from dedupe.records import Bytes, Flags, Offsets, Texts

_ENDS_ASCII = (0x0A, 0x0D)
_SPACE_ASCII = np.zeros(256, np.bool_)
_SPACE_ASCII[[0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x00]] = True
# White space and invisible marks: those of ASCII, no-break and wide spaces, zero-width characters, BOM.
_SPACES = "\0\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u205f\u2060\u3000\ufeff" + "".join(
    map(chr, (*range(0x2000, 0x2010), *range(0x2028, 0x2030)))
)
_LEADING = regex.compile(rb"(?:[\x00\t-\r\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8f\xa8-\xaf]|"
                         rb"\xe2\x81[\x9f\xa0]|\xe3\x80\x80|\xef\xbb\xbf)*+")
_LINE = regex.compile(rb"\r\n|[\n\r]|\xe2\x80[\xa8\xa9]")
_SCAN_STEPS = 24  # white-space characters stripped in step for all lines; longer margins go one by one

# Wrapped text, after the definition of greedy line filling: the first word of the next line would not
# have fitted on this one. Column bounds from common mail and book settings (RFC 3676: 66-78).
_WRAP_MIN_COLUMNS, _WRAP_MAX_COLUMNS = 40, 120
_WRAP_MIN_PAIRS, _WRAP_MIN_FRACTION = 3, 0.9


def segment(texts: Texts) -> tuple[Offsets, Offsets, Offsets]:
    """Find the blocks of every text.

    Returns doc_start int64 (num_docs + 1,), start and end int64 (num_blocks,) as `Blocks` defines them.

    >>> [array.tolist() for array in segment(Texts.of([b"A b\\r\\n\\n  c \\n", b"", b"d"]))]
    [[0, 2, 2, 3], [0, 8, 11], [3, 9, 12]]
    """
    start, end, blank_before = _compiled_lines(texts) if kernels.are_on() else _filled_lines(texts)
    doc_start = np.searchsorted(start, texts.offsets)
    doc_start[-1] = len(start)
    return _join_wrapped(texts.data, doc_start, start, end, blank_before)


def _filled_lines(texts: Texts) -> tuple[Offsets, Offsets, Flags]:
    """Give where lines that are not blank begin and end, stripped, and whether a blank one stands before each."""
    start, end = _strip(texts.data, *_lines(texts))
    filled = start < end
    return start[filled], end[filled], _blank_before(filled)


def _compiled_lines(texts: Texts) -> tuple[Offsets, Offsets, Flags]:
    from dedupe.kernels.lines import lines

    return lines(texts, _SPACE_ASCII)


def _lines(texts: Texts) -> tuple[Offsets, Offsets]:
    """Cut at line ends and document bounds; pieces may be empty and may hold the CR of a CR LF."""
    data = texts.data
    ends = np.flatnonzero((data == 0x0A) | (data == 0x0D))
    wide = np.flatnonzero(data[:-2] == 0xE2) if len(data) > 2 else np.empty(0, np.int64)
    wide = wide[(data[wide + 1] == 0x80) & ((data[wide + 2] & 0xFE) == 0xA8)]
    if len(wide):  # not where the bytes of two texts only seem to make one
        wide = wide[wide + 3 <= texts.offsets[np.searchsorted(texts.offsets, wide, side="right")]]
    cuts = np.concatenate([ends, wide, texts.offsets])
    cuts.sort()
    return cuts[:-1].astype(np.int64), cuts[1:].astype(np.int64)


def _wide_space_width(data: Bytes, at: Offsets) -> Offsets:
    """Measure the white space that begins at each byte: 0 where there is none, else its bytes."""
    last = len(data) - 1
    a, b, c = data[at], data[np.minimum(at + 1, last)], data[np.minimum(at + 2, last)]
    width = _SPACE_ASCII[a].astype(np.int64)
    if (a >= 0x80).any():
        width[(a == 0xC2) & ((b == 0xA0) | (b == 0x85))] = 2
        general = (b == 0x80) & (((c >= 0x80) & (c <= 0x8F)) | ((c >= 0xA8) & (c <= 0xAF)))
        wide = (a == 0xE2) & (general | ((b == 0x81) & ((c == 0x9F) | (c == 0xA0))))
        wide |= ((a == 0xE3) & (b == 0x80) & (c == 0x80)) | ((a == 0xEF) & (b == 0xBB) & (c == 0xBF))
        wide |= (a == 0xE1) & (b == 0x9A) & (c == 0x80)
        width[wide] = 3
    return width


def _strip(data: Bytes, start: Offsets, end: Offsets) -> tuple[Offsets, Offsets]:
    """Move both ends of every piece inward past white space; an empty piece ends where it starts."""
    start, end = start.copy(), end.copy()
    active = np.flatnonzero(start < end)
    for _ in range(_SCAN_STEPS):
        width = _wide_space_width(data, start[active])
        blank = (width > 0) & (start[active] + width <= end[active])
        active = active[blank]
        if not len(active):
            break
        start[active] += width[blank]
        active = active[start[active] < end[active]]
    for row in active.tolist():
        skipped = _LEADING.match(data[start[row]:end[row]].tobytes())
        start[row] += skipped.end() if skipped else 0
    active = np.flatnonzero(start < end)
    for _ in range(_SCAN_STEPS):
        width = _width_before(data, start[active], end[active])
        active = active[width > 0]
        if not len(active):
            break
        end[active] -= width[width > 0]
        active = active[start[active] < end[active]]
    for row in active.tolist():
        text = data[start[row]:end[row]].tobytes().decode("utf-8", "surrogateescape")
        end[row] = start[row] + len(text.rstrip(_SPACES).encode("utf-8", "surrogateescape"))
    return start, end


def _width_before(data: Bytes, start: Offsets, end: Offsets) -> Offsets:
    """Measure the white space that ends right before each `end`, not looking before `start`."""
    width = _SPACE_ASCII[data[end - 1]].astype(np.int64)
    for size in (2, 3):
        at = end - size
        fits = np.flatnonzero((at >= start) & (width == 0) & (data[end - 1] >= 0x80))
        if len(fits):
            width[fits] = np.where(_wide_space_width(data, at[fits]) == size, size, 0)
    return width


def _blank_before(filled: Flags) -> Flags:
    """Say for every non-empty line whether an empty one stands before it.

    The CR and the LF of one line end make an empty piece too; it is told apart by `_lines` pieces of
    width one, which `_strip` empties: two such pieces in a row are a blank line only with CR LF CR LF.
    """
    rows = np.flatnonzero(filled)
    gap = np.diff(rows, prepend=-1) - 1
    return gap > 0


def _join_wrapped(
    data: Bytes, doc_start: Offsets, start: Offsets, end: Offsets, gap_before: Flags
) -> tuple[Offsets, Offsets, Offsets]:
    """Join the lines of paragraphs in documents whose lines are filled to a width."""
    num_lines = np.diff(doc_start)
    columns = end - start
    fits = (columns >= _WRAP_MIN_COLUMNS) & (columns <= _WRAP_MAX_COLUMNS)
    filled = np.concatenate([[0], np.cumsum(fits)])
    share = filled[doc_start[1:]] - filled[doc_start[:-1]]
    likely = np.flatnonzero((num_lines > _WRAP_MIN_PAIRS) & (share * 2 >= num_lines))
    joined = np.zeros(len(start), np.bool_)
    for doc in likely.tolist():
        rows = slice(int(doc_start[doc]), int(doc_start[doc + 1]))
        joined[rows] = _wrapped_rows(data, start[rows], end[rows], gap_before[rows])
    if not joined.any():
        return doc_start, start, end
    first = np.flatnonzero(~joined)
    last = np.append(first[1:], len(start)) - 1
    doc_start = np.searchsorted(first, doc_start)
    return doc_start, start[first], end[last]


def _wrapped_rows(data: Bytes, start: Offsets, end: Offsets, gap_before: Flags) -> Flags:
    """Mark the lines that continue the line before them; none where the text is not wrapped."""
    none = np.zeros(len(start), np.bool_)
    follows = ~_blank_lines_between(data, start, end, gap_before)
    follows[0] = False
    pairs = np.flatnonzero(follows)
    if len(pairs) < _WRAP_MIN_PAIRS:
        return none
    columns = end - start
    width = int(columns[columns <= _WRAP_MAX_COLUMNS].max(initial=0))
    if width < _WRAP_MIN_COLUMNS or (columns > _WRAP_MAX_COLUMNS).mean() > 1 - _WRAP_MIN_FRACTION:
        return none
    first_word = np.array([_first_word_bytes(data, start[row], end[row]) for row in pairs.tolist()])
    too_wide = columns[pairs - 1] + 1 + first_word > width
    wide_enough = columns[pairs - 1] * 2 >= width
    if (too_wide & wide_enough).mean() < _WRAP_MIN_FRACTION:
        return none
    continues = none.copy()
    continues[pairs[too_wide]] = True
    return continues


def _first_word_bytes(data: Bytes, start: int, end: int) -> int:
    word = data[start:min(end, start + _WRAP_MAX_COLUMNS)].tobytes().split(maxsplit=1)
    return len(word[0]) if word else 0


def _blank_lines_between(data: Bytes, start: Offsets, end: Offsets, gap_before: Flags) -> Flags:
    """Say where a blank line stands before a line: a gap of more than one line end."""
    blank = gap_before.copy()
    rows = np.flatnonzero(gap_before[1:]) + 1
    low = end[rows - 1]
    plain = (start[rows] - low == 2) & (data[low] == 0x0A) & (data[low + 1] == 0x0A)  # nearly all are LF LF
    for row in rows[~plain].tolist():
        between = data[end[row - 1]:start[row]].tobytes()
        blank[row] = len(_LINE.findall(between)) > 1
    return blank


_SENTENCE_END = regex.compile(
    r"(?:[.!?…‽。！？｡։؟۔।॥܀።፧၊။។៕᠃᙮]+[\p{Pe}\p{Pf}\"'”’»]*+(?=\s|\Z|(?<=[。！？｡।॥။។][\p{Pe}\p{Pf}]*)))|\Z"
)


def sentence_ends(text: str) -> list[int]:
    """Find where sentences end: positions right after the final mark and closing quotes, and the text's end.

    A cheap rule for snapping spans; abbreviations ("U.S. ") cut too often, which only makes spans smaller.

    >>> sentence_ends("One. Two?” Three")
    [4, 10, 16]
    """
    return sorted({match.end() for match in _SENTENCE_END.finditer(text)})
