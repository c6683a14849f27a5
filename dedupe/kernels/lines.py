"""Cut texts into stripped lines with numba: the compiled twin of `_filled_lines` in dedupe.segment, bit for bit."""

from __future__ import annotations

import numpy as np

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import FLAGS, I64, OFFSETS, READ_BYTES, READ_FLAGS, READ_OFFSETS
from dedupe.records import Flags, Offsets, Texts


@compiled(I64(READ_BYTES, I64, I64, READ_FLAGS))
def _space(data, at, end, spaces):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Measure the white space that begins at a byte, 0 where there is none before `end`."""
    lead = data[at]
    if lead < 0x80:
        return 1 if spaces[lead] else 0
    if at + 1 >= end:
        return 0
    second = data[at + 1]
    if lead == 0xC2:
        return 2 if second == 0xA0 or second == 0x85 else 0
    if at + 2 >= end:
        return 0
    third = data[at + 2]
    found = False
    if lead == 0xE2:
        if second == 0x80:
            found = 0x80 <= third <= 0x8F or 0xA8 <= third <= 0xAF
        elif second == 0x81:
            found = third == 0x9F or third == 0xA0
    elif lead == 0xE3:
        found = second == 0x80 and third == 0x80
    elif lead == 0xEF:
        found = second == 0xBB and third == 0xBF
    elif lead == 0xE1:
        found = second == 0x9A and third == 0x80
    return 3 if found else 0


@compiled(I64(READ_BYTES, I64, I64, READ_FLAGS))
def _space_before(data, start, end, spaces):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Measure the white space that ends right before `end`, not looking before `start`."""
    last = data[end - 1]
    if last < 0x80:
        return 1 if spaces[last] else 0
    for size in range(2, 4):
        if end - size >= start and _space(data, end - size, end, spaces) == size:
            return size
    return 0


@compiled(I64(READ_BYTES, READ_OFFSETS, READ_OFFSETS, READ_FLAGS, OFFSETS, OFFSETS, FLAGS))
def _cut(data, offsets, likely, spaces, starts, ends, gaps):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Fill in where lines that are not blank begin and end, and whether a blank piece stands before each.

    `likely`: the bytes that may begin a line end, ascending.
    """
    num_rows, gap, next_likely = 0, False, 0
    for doc in range(len(offsets) - 1):
        piece, stop, at = offsets[doc], offsets[doc + 1], np.int64(-1)
        while at < stop:
            at = stop
            if next_likely < len(likely) and likely[next_likely] < stop:
                at = likely[next_likely]
                next_likely += 1
                if data[at] == 0xE2 and not (at + 3 <= stop and data[at + 1] == 0x80 and (data[at + 2] & 0xFE) == 0xA8):
                    continue
            low, high = piece, at
            while low < high:
                width = _space(data, low, high, spaces)
                if width == 0:
                    break
                low += width
            while low < high:
                width = _space_before(data, low, high, spaces)
                if width == 0:
                    break
                high -= width
            gap = gap or low >= high
            if low < high:
                starts[num_rows], ends[num_rows], gaps[num_rows] = low, high, gap
                num_rows, gap = num_rows + 1, False
            piece = at
    return num_rows


def lines(texts: Texts, spaces: Flags) -> tuple[Offsets, Offsets, Flags]:
    """Give where lines that are not blank begin and end, int64, and whether a blank one stands before each, bool.

    `spaces`: bool (256,), what is white space in ASCII.
    """
    data = np.ascontiguousarray(texts.data)
    likely = np.flatnonzero((data == 0x0A) | (data == 0x0D) | (data == 0xE2))
    most = len(likely) + len(texts)
    starts, ends, gaps = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.bool_)
    num_rows = _cut(data, np.ascontiguousarray(texts.offsets), likely, spaces, starts, ends, gaps)
    return starts[:num_rows], ends[:num_rows], gaps[:num_rows]
