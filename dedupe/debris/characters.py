"""Look at the characters of blocks: how many of each kind, how a block begins and ends, which forms it holds.

What comes out are the features that a block alone gives, and a first guess whether it is prose.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.debris import kinds as kind
from dedupe.debris.layout import Values
from dedupe.records import Blocks, Bytes, Flags, Floats, Offsets, Texts

# A block reads as prose from about 12 words on (70 letters, 35 ideographs) if it ends like a sentence,
# from about 30 words on if it has two sentence ends or commas.
PROSE_LETTERS, LONG_PROSE_LETTERS = 70, 170
MAX_BLOCK_BYTES = 1 << 20  # characters behind the first MiB of a block are not counted
_PIECE_BYTES = 255  # what a counter of eight bits holds
_CHUNK_BYTES = 1 << 16  # counters summed at a time: 512 KB, the second-level cache
_NUM_COUNTED = 16  # kinds from SPACE on, eight in each of two packed counters
_CLOSING = np.zeros(256, np.bool_)
_CLOSING[[kind.QUOTE, kind.BRACKET]] = True
_OPENING = np.zeros(256, np.bool_)
_OPENING[[0x28, 0x5B]] = True  # "](" and "][" are links of Markdown
_IDLE = np.zeros(256, np.bool_)
_IDLE[[kind.NONE, kind.SPACE, kind.INSIDE]] = True
_STEPS = 6  # bytes passed over at the end of a block: one character and what closes it


def _packed_table(first: int) -> NDArray[np.uint64]:
    """Give each of eight kinds, from `first` on, a byte of its own to count in."""
    table = np.zeros(256, "<u8")
    for place in range(8):
        table[first + place] = 1 << (8 * place)
    return table


_TABLES = (_packed_table(kind.SPACE), _packed_table(kind.SPACE + 8))


class Look(Struct, frozen=True):
    """Hold what the characters of blocks tell; arrays are (num_blocks,).

    `size`: float32, letters and digits, an ideograph counted as two. `num_tokens`: float32. `first`: uint8,
    the kind of the first character. `prose`: bool. `columns`: features by name.
    """

    size: Floats
    num_tokens: Floats
    first: Bytes
    prose: Flags
    columns: dict[str, Values]


def look_at(texts: Texts, blocks: Blocks) -> Look:
    """Describe every block by its characters alone."""
    kinds = kind.kinds_of(texts.data)
    count, forms = _counts(texts.data, kinds, blocks)
    first = kinds[blocks.start]
    last, closing, dots, question = _ends(texts.data, kinds, blocks)
    num_tokens = np.diff(blocks.token_start).astype(np.float32)
    letters = count[kind.LOWER] + count[kind.UPPER] + count[kind.UNCASED] + 2 * count[kind.IDEOGRAPH]
    size = letters + count[kind.DIGIT]
    ended = closing == kind.END
    sentence = ended & ~dots
    inner = np.maximum(count[kind.END] - ended - 2 * dots, 0)
    prose = (size >= PROSE_LETTERS) & sentence
    prose |= (size >= LONG_PROSE_LETTERS) & (inner + count[kind.COMMA] >= 2)
    prose &= (forms["titled"] < 0.6 * forms["cased"]) | (forms["cased"] < 8)
    prose &= forms["markdown"] * 150 <= size + 300
    columns = _of_length(size, letters, num_tokens, prose)
    columns |= {
        "ends_sentence": sentence, "ends_dots": dots, "ends_question": question, "ends_colon": closing == kind.COLON,
        "ends_comma": closing == kind.COMMA, "ends_closed": (last != closing) & ~ended,
        "ends_digit": closing == kind.DIGIT, "unended": (size >= 60) & ~ended, "short_sentence": (size < 60) & sentence,
    }
    columns |= _of_opening(first)
    columns |= _of_punctuation(count, size, inner, forms)
    columns |= _of_case(count, forms, ended)
    columns |= _of_links(count, size, num_tokens, forms)
    return Look(size, num_tokens, first, prose, columns)


def _counts(data: Bytes, kinds: Bytes, blocks: Blocks) -> tuple[Floats, dict[str, Floats]]:
    if kernels.are_on():
        from dedupe.kernels.looks import count

        return count(data, kinds, blocks, MAX_BLOCK_BYTES)
    return _count_kinds(kinds, blocks), _find_forms(data, kinds, blocks)


def _count_kinds(kinds: Bytes, blocks: Blocks) -> Floats:
    """Count the characters of each kind: float32 (NUM_KINDS, num_blocks)."""
    counts = np.zeros((kind.NUM_KINDS, len(blocks)), np.float32)
    if not len(blocks):
        return counts
    bounds, first = _pieces(blocks)
    packed = np.empty((len(bounds), 2), "<u8")
    scratch = np.empty(_CHUNK_BYTES, np.uint64)
    at = 0
    while at < len(bounds):
        stop = _chunk_stop(bounds, at, len(kinds))
        chunk = kinds[bounds[at]:bounds[stop] if stop < len(bounds) else len(kinds)]
        places = bounds[at:stop] - bounds[at]
        out = scratch[:len(chunk)] if len(chunk) <= _CHUNK_BYTES else None
        for column, table in enumerate(_TABLES):
            packed[at:stop, column] = np.add.reduceat(np.take(table, chunk, out=out, mode="clip"), places)
        at = stop
    single = packed.view(np.uint8)  # (num_pieces, 16), pieces of a block, then the gap behind it
    counts[kind.SPACE:kind.SPACE + _NUM_COUNTED] = np.add.reduceat(single, first, axis=0, dtype=np.int64)[::2].T
    return counts


def _chunk_stop(bounds: Offsets, at: int, num_bytes: int) -> int:
    """End a chunk before a piece that begins at most _CHUNK_BYTES on, and after no empty one; a long gap is its own."""
    limit = int(bounds[at]) + _CHUNK_BYTES
    if limit >= num_bytes:
        return len(bounds)
    last = bounds[int(np.searchsorted(bounds, limit, side="right")) - 1]
    return max(at + 1, int(np.searchsorted(bounds, last)))


def _pieces(blocks: Blocks) -> tuple[Offsets, Offsets]:
    """Cut blocks into pieces whose characters eight bits can count.

    Returns where pieces begin, ascending, each gap behind a block a piece of its own, whatever its size; and the
    rows of those where blocks and gaps begin, in turn.
    """
    end = np.minimum(blocks.end, blocks.start + MAX_BLOCK_BYTES)
    num = -(-(end - blocks.start) // _PIECE_BYTES) + 1
    first = np.cumsum(num) - num
    bounds = (np.arange(int(num.sum())) - np.repeat(first, num)) * _PIECE_BYTES + np.repeat(blocks.start, num)
    gaps = first + num - 1
    bounds[gaps] = end
    return bounds, np.stack([first, gaps], axis=1).ravel()


def _count_at(places: Offsets, blocks: Blocks) -> Floats:
    """Count how many of the ascending byte `places` fall into each block: float32 (num_blocks,)."""
    if not len(places):
        return np.zeros(len(blocks), np.float32)
    return (np.searchsorted(places, blocks.end) - np.searchsorted(places, blocks.start)).astype(np.float32)


def _ends(data: Bytes, kinds: Bytes, blocks: Blocks) -> tuple[Bytes, Bytes, Flags, Flags]:
    """Find how blocks end.

    Returns the kind of the last character, the kind of the last one that is no closing quote or bracket
    (the final mark of a quoted sentence), whether that is an ellipsis, and whether it is a question mark.
    """
    at = _step_back(kinds, blocks.end - 1, blocks.start)
    last = kinds[at]
    for _ in range(2):
        wrapped = np.flatnonzero(_CLOSING[kinds[at]] & (at > blocks.start))
        if not len(wrapped):
            break
        at[wrapped] = _step_back(kinds, at[wrapped] - 1, blocks.start[wrapped])
    closing = kinds[at]
    third = np.minimum(at + 2, len(data) - 1)
    dots = (data[at] == 0xE2) & (closing == kind.END) & (data[third] == 0xA6)
    dots |= (data[at] == 0x2E) & (data[np.maximum(at - 1, blocks.start)] == 0x2E) & (at > blocks.start)
    return last, closing, dots, data[at] == 0x3F


def _step_back(kinds: Bytes, at: Offsets, first: Offsets) -> Offsets:
    """Move from any byte of a character to its first one, passing over spaces."""
    for _ in range(_STEPS):
        idle = _IDLE[kinds[at]] & (at > first)
        if not idle.any():
            break
        at = at - idle
    return at


def _find_forms(data: Bytes, kinds: Bytes, blocks: Blocks) -> dict[str, Floats]:
    """Count things that have a form in any language, by name: float32 (num_blocks,) each."""
    padded = np.concatenate([data, np.zeros(3, np.uint8)])
    colons = np.flatnonzero(kinds == kind.COLON)
    timed = (kinds[colons - 1] == kind.DIGIT) & (kinds[colons + 1] == kind.DIGIT)
    linked = (padded[colons + 1] == 0x2F) & (padded[colons + 2] == 0x2F)
    joints = np.flatnonzero((kinds == kind.SLASH) | (kinds == kind.DASH) | (padded[: len(kinds)] == 0x2E))
    dated = (kinds[joints - 1] == kind.DIGIT) & (kinds[np.minimum(joints + 1, len(data))] == kind.DIGIT)
    ats = np.flatnonzero((data == 0x40) | (data == 0x23))
    inside = (kinds[ats - 1] >= kind.LOWER) & (kinds[ats - 1] <= kind.DIGIT) & (data[ats] == 0x40)
    brackets = np.flatnonzero(data == 0x5D)
    gaps = np.flatnonzero((kinds == kind.BAR) | (kinds == kind.DASH))
    cased = (kinds == kind.UPPER) | (kinds == kind.LOWER)
    goes_on = ((kinds >= kind.LOWER) & (kinds <= kind.DIGIT)) | (kinds == kind.INSIDE)
    cased[1:] &= ~goes_on[:-1]
    words = np.flatnonzero(cased)
    return {
        "times": _count_at(colons[timed], blocks), "urls": _count_at(colons[linked], blocks),
        "dates": _count_at(joints[dated], blocks), "mails": _count_at(ats[inside], blocks),
        "handles": _count_at(ats[~inside], blocks),
        "markdown": _count_at(brackets[_OPENING[padded[brackets + 1]]], blocks),
        "gaps": _count_at(gaps[kinds[gaps - 1] == kind.SPACE], blocks),
        "cased": _count_at(words, blocks), "titled": _count_at(words[kinds[words] == kind.UPPER], blocks),
    }


def _of_length(size: Floats, letters: Floats, num_tokens: Floats, prose: Flags) -> dict[str, Values]:
    return {
        "length": np.log2(1 + size), "tiny": size < 10, "short": (size >= 10) & (size < 25),
        "phrase": (size >= 25) & (size < 60), "paragraph": size >= 150, "long_paragraph": size >= 350,
        "no_letters": letters == 0, "word_length": np.minimum(size / np.maximum(num_tokens, 1), 12), "prose": prose,
    }


def _of_opening(first: Bytes) -> dict[str, Values]:
    return {
        "starts_lower": first == kind.LOWER, "starts_upper": first == kind.UPPER,
        "starts_digit": first == kind.DIGIT, "starts_bullet": first == kind.BAR,
        "starts_bracket": first == kind.BRACKET, "starts_quote": first == kind.QUOTE,
        "starts_dash": first == kind.DASH, "starts_symbol": first == kind.SYMBOL,
        "starts_picture": first == kind.PICTURE,
    }


def _of_punctuation(count: Floats, size: Floats, inner: Floats, forms: dict[str, Floats]) -> dict[str, Values]:
    per = 60 / np.maximum(size, 60)  # what is normal in a paragraph is a lot in a line
    colons = np.maximum(count[kind.COLON] - forms["times"] - forms["urls"], 0)
    marks = count[kind.COLON : kind.PICTURE + 1].sum(axis=0)
    rates = {
        "colons": colons, "quotes": count[kind.QUOTE], "gaps": forms["gaps"], "bars": count[kind.BAR],
        "slashes": count[kind.SLASH], "brackets": count[kind.BRACKET], "symbols": count[kind.SYMBOL],
        "pictures": count[kind.PICTURE],
    }
    return {name: np.log2(1 + per * number) for name, number in rates.items()} | {
        "inner_ends": np.log2(1 + inner), "no_inner_long": (size >= 100) & (inner == 0),
        "commas": np.log2(1 + count[kind.COMMA]),
        "comma_rate": np.minimum(count[kind.COMMA] * 20 / np.maximum(size, 20), 2),
        "mark_share": marks / np.maximum(count.sum(axis=0), 1),
        "digit_share": count[kind.DIGIT] / np.maximum(size, 1), "has_digit": count[kind.DIGIT] > 0,
        "mostly_digits": count[kind.DIGIT] * 2 > size,
        "times": np.minimum(forms["times"] * per, 2), "dates": np.minimum(forms["dates"] * per, 3),
    }


def _of_case(count: Floats, forms: dict[str, Floats], ended: Flags) -> dict[str, Values]:
    capitals = count[kind.UPPER] / np.maximum(count[kind.UPPER] + count[kind.LOWER], 1)
    cased = forms["cased"]
    titled = forms["titled"] / np.maximum(cased, 1)
    return {
        "all_caps": (capitals > 0.8) & (count[kind.UPPER] > 2), "title_share": titled * (cased >= 2),
        "title_case": (titled > 0.7) & (cased >= 4), "title_open": (titled > 0.6) & (cased >= 4) & ~ended,
        "no_case": cased == 0,
    }


def _of_links(count: Floats, size: Floats, num_tokens: Floats, forms: dict[str, Floats]) -> dict[str, Values]:
    per = 60 / np.maximum(size, 60)
    bare = (forms["urls"] > 0) & (num_tokens <= 25) & (count[kind.SPACE] == 0) & (count[kind.SLASH] >= 3)
    return {
        "urls": np.minimum(forms["urls"] * per, 2), "bare_url": bare, "mails": np.minimum(forms["mails"] * per, 2),
        "handles": np.minimum(forms["handles"] * per, 3), "markdown": np.log2(1 + forms["markdown"] * per),
    }
