"""Look at the characters of blocks with numba: the compiled twin of loops in dedupe.debris.characters, bit for bit."""

from __future__ import annotations

import numpy as np

from dedupe.debris import kinds as kind
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import BYTES, I64, OFFSET_TABLE, OFFSETS, READ_BYTES, READ_OFFSETS, types
from dedupe.records import Blocks, Bytes, Floats

_SPACE, _LOWER, _UPPER, _UNCASED, _DIGIT = kind.SPACE, kind.LOWER, kind.UPPER, kind.UNCASED, kind.DIGIT
_COLON, _DASH, _SLASH, _BAR = kind.COLON, kind.DASH, kind.SLASH, kind.BAR
_INSIDE, _PICTURE = kind.INSIDE, kind.PICTURE
_NUM_KINDS = kind.NUM_KINDS
_ONE, _TWO = np.zeros((2, _NUM_KINDS), np.uint64)  # what a character of a kind adds to packed counters
for _place in range(8):
    _ONE[_SPACE + _place] = _TWO[_SPACE + 8 + _place] = 1 << (8 * _place)
_GOES_ON = np.array([_LOWER <= here <= _DIGIT or here == _INSIDE for here in range(_NUM_KINDS)])
_RARE = np.array([here in (_COLON, _SLASH, _DASH, _BAR, kind.END, kind.SYMBOL, kind.BRACKET)
                  for here in range(_NUM_KINDS)])  # of "@", "#", "]" and "." too
FORMS = ("times", "urls", "dates", "mails", "handles", "markdown", "gaps", "cased", "titled")


@compiled(types.void(READ_BYTES, READ_BYTES, READ_BYTES, BYTES))
def _kinds(data, of_bytes, of_code_points, kinds):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Fill in the kinds of all bytes; behind the first byte of a letter one is INSIDE, of three bytes two."""
    size = len(data)
    after_letter, after_wide, last_wide = False, False, False
    for at in range(size):
        byte = np.int64(data[at])
        found, letter, wide = np.int64(of_bytes[byte]), False, False
        if byte >= 0xC2:
            second = np.int64(data[at + 1]) & 0x3F if at + 1 < size else 0
            third = np.int64(data[at + 2]) & 0x3F if at + 2 < size else 0
            found = np.int64(_PICTURE)
            if byte < 0xE0:
                found = np.int64(of_code_points[(byte & 0x1F) << 6 | second])
            elif byte < 0xF0:
                found = np.int64(of_code_points[(byte & 0x0F) << 12 | second << 6 | third])
            letter = bool(found >= _LOWER and found <= _UNCASED)
            wide = bool(letter and byte >= 0xE0)
        kinds[at] = _INSIDE if after_letter or after_wide else found
        after_letter, after_wide, last_wide = letter, last_wide, wide


@compiled(types.void(READ_BYTES, READ_BYTES, I64, I64, OFFSETS))
def _count_forms(data, kinds, start, end, form):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count the forms in a block that begin with a byte of a rare kind, as FORMS names them."""
    size = len(data)
    for at in range(start, end):
        here, byte = np.int64(kinds[at]), data[at]
        if not (_RARE[here] or (here == _INSIDE and byte < 0x80)):  # what stands behind a broken letter is INSIDE
            continue
        before = np.int64(kinds[at - 1]) if at else 0
        if here == _COLON:
            form[0] += before == _DIGIT and kinds[at + 1] == _DIGIT
            form[1] += at + 2 < size and data[at + 1] == 0x2F and data[at + 2] == 0x2F
        elif here == _SLASH or here == _DASH or byte == 0x2E:  # noqa: SIM109 - a tuple costs
            form[2] += before == _DIGIT and kinds[at + 1] == _DIGIT
        elif byte == 0x40 or byte == 0x23:
            inside = byte == 0x40 and before >= _LOWER and before <= _DIGIT
            form[3] += inside
            form[4] += not inside
        elif byte == 0x5D:
            form[5] += at + 1 < size and (data[at + 1] == 0x28 or data[at + 1] == 0x5B)
        if here == _BAR or here == _DASH:  # noqa: SIM109 - the same
            form[6] += before == _SPACE


@compiled(types.void(READ_BYTES, I64, I64, OFFSETS))
def _count_kinds(kinds, start, end, tally):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count kinds in packed counters: one number of 64 bits holds eight, and is emptied before one is full."""
    at = start
    while at < end:
        one, two = np.uint64(0), np.uint64(0)
        stop = min(end, at + 255)
        for place in range(at, stop):
            one += _ONE[kinds[place]]
            two += _TWO[kinds[place]]
        at = stop
        for place in range(8):
            tally[_SPACE + place] += np.int64(one >> np.uint64(8 * place) & np.uint64(255))
            tally[_SPACE + 8 + place] += np.int64(two >> np.uint64(8 * place) & np.uint64(255))


@compiled(types.void(READ_BYTES, READ_BYTES, READ_OFFSETS, READ_OFFSETS, I64, OFFSET_TABLE, OFFSET_TABLE))
def _count(data, kinds, start, end, most, counts, forms):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count kinds in the first `most` bytes of each block, and forms (as FORMS names them) in all of it."""
    for block in range(len(start)):
        low, high, form = start[block], end[block], forms[block]
        _count_kinds(kinds, low, min(high, low + most), counts[block])
        _count_forms(data, kinds, low, high, form)
        cased, titled = np.int64(0), np.int64(0)
        if low < high:
            goes_on = np.int64(low > 0) & np.int64(_GOES_ON[kinds[low - 1]])
            for at in range(low, high):
                here = kinds[at]
                upper = np.int64(here == _UPPER) & (goes_on ^ 1)
                titled += upper
                cased += upper | (np.int64(here == _LOWER) & (goes_on ^ 1))
                goes_on = np.int64(_GOES_ON[here])
        form[7], form[8] = cased, titled


def kinds_of(data: Bytes) -> Bytes:
    """Give the kind of every byte, as `kinds.kinds_of` does."""
    kinds = np.zeros(len(data) + 1, np.uint8)
    _kinds(np.ascontiguousarray(data), kind.kinds_of_bytes(), kind.kinds_of_code_points(), kinds)
    return kinds


def count(data: Bytes, kinds: Bytes, blocks: Blocks, most: int) -> tuple[Floats, dict[str, Floats]]:
    """Count the characters of each kind, float32 (NUM_KINDS, num_blocks), and the forms by name."""
    counts = np.zeros((len(blocks), _NUM_KINDS), np.int64)
    forms = np.zeros((len(blocks), len(FORMS)), np.int64)
    start, end = np.ascontiguousarray(blocks.start), np.ascontiguousarray(blocks.end)
    _count(np.ascontiguousarray(data), kinds, start, end, most, counts, forms)
    counts[:, [kind.NONE, kind.INSIDE]] = 0  # the stages count neither
    by_name = zip(FORMS, forms.T.astype(np.float32), strict=True)
    return np.ascontiguousarray(counts.T, np.float32), dict(by_name)
