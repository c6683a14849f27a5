"""Hash the spans of short blocks that may be a phrase, with numba: the compiled twin of a part of dedupe.cues.find.

What stands there as arrays over all spans is a loop over blocks here: mask the digits, hash from both ends, and keep
the spans that the sieve lets through.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dedupe.cues.hashes import BASE
from dedupe.cues.lists import MAX_BLOCK_BYTES, SALTS, SIEVE_SHIFT, CueTable
from dedupe.cues.phrases import ENDS, STARTS, WHOLE
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import BYTES, HASHES, I64, OFFSETS, READ_BYTES, READ_FLAGS, READ_OFFSETS, types
from dedupe.records import Blocks, Bytes, Hashes, Offsets

_BASE, _SHIFT = np.uint64(BASE), np.uint64(SIEVE_SHIFT)
_SALT_WHOLE, _SALT_STARTS, _SALT_ENDS = (np.uint64(SALTS[kind]) for kind in (WHOLE, STARTS, ENDS))
_ROOM = 2 * MAX_BLOCK_BYTES + 1  # spans of one block: a prefix and a suffix for every byte, and all of it
_NUM_SPANS = 1 << 14


@compiled(I64(READ_BYTES, I64, I64))
def _digit_at(stream, at, end):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Give the bytes of the digit that begins at `at`, 0 where none does: those of `dedupe.cues.find._digits`."""
    byte = stream[at]
    if byte < 0x80:
        return np.int64(byte - 0x30 < 10 and byte >= 0x30)
    if byte == 0xD9 and at + 1 < end and 0xA0 <= stream[at + 1] < 0xAA:
        return 2
    if byte == 0xDB and at + 1 < end and 0xB0 <= stream[at + 1] < 0xBA:
        return 2
    if byte == 0xE0 and at + 2 < end:
        if stream[at + 1] == 0xA5 and 0xA6 <= stream[at + 2] < 0xB0:
            return 3
        if stream[at + 1] == 0xB9 and 0x90 <= stream[at + 2] < 0x9A:
            return 3
    return 0


@compiled(I64(READ_BYTES, I64, I64, BYTES, I64, OFFSETS))
def _mask(stream, low, high, masked, size, moved):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write stream[low:high] to `masked` from `size` on, each run of digits as one 0; return where it ends.

    `moved`: filled in with where each byte came to stand, -1 inside of a run. Left alone where there is no digit.
    """
    digits = np.int64(0)
    for at in range(high - low):
        byte = stream[low + at]
        masked[size + at] = byte
        digits |= np.int64(byte - 0x30 < 10) & np.int64(byte >= 0x30)
        digits |= np.int64(byte == 0xD9) | np.int64(byte == 0xDB) | np.int64(byte == 0xE0)
    if not digits:
        return size + high - low
    begin, at, after_digit = size, low, False
    while at < high:
        width = _digit_at(stream, at, high)
        for step in range(width):
            moved[at - low + step] = -1
        if not width or not after_digit:
            moved[at - low] = size - begin
            masked[size] = 0x30 if width else stream[at]
            size += 1
        at += max(1, width)
        after_digit = width > 0
    moved[high - low] = size - begin
    return size


@compiled(
    types.UniTuple(I64, 2)(
        READ_BYTES, READ_OFFSETS, READ_OFFSETS, READ_OFFSETS, READ_OFFSETS, I64, I64, I64, READ_FLAGS, BYTES,
        OFFSETS, OFFSETS, OFFSETS, OFFSETS, HASHES,
    )
)  # fmt: skip
def _spans(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    stream, stream_start, token_pos, token_start, rows, first, longest, most_tokens, sieve, masked, moved, block,
    start, end, key,
):  # fmt: skip
    """Fill in the spans of blocks from number `first` of `rows` on that pass the sieve; return how many blocks are done
    and how many spans there are. `moved`: scratch."""
    found, size = 0, 0
    for number in range(first, len(rows)):
        if found + _ROOM > len(key):
            return number, found
        row = rows[number]
        low, high = stream_start[row], stream_start[row + 1]
        begin = size
        for at in range(high - low + 1):
            moved[at] = at
        size = _mask(stream, low, high, masked, size, moved)
        num, first_token, last_token = size - begin, token_start[row], token_start[row + 1]
        count = min(last_token - first_token, most_tokens)
        total, power, place = np.uint64(0), np.uint64(1), 0
        for token in range(first_token + 1, first_token + count + 1):
            edge = moved[(token_pos[token] if token < last_token else high) - low]
            if edge > longest:
                break
            while place < edge:
                total += (np.uint64(masked[begin + place]) + np.uint64(1)) * power
                power *= _BASE
                place += 1
            salted = total + _SALT_STARTS
            if edge >= 0 and sieve[salted >> _SHIFT]:
                block[found], start[found], end[found], key[found] = row, begin, begin + edge, salted
                found += 1
        if num <= longest:
            while place < num:
                total += (np.uint64(masked[begin + place]) + np.uint64(1)) * power
                power *= _BASE
                place += 1
            salted = total + _SALT_WHOLE
            if sieve[salted >> _SHIFT]:
                block[found], start[found], end[found], key[found] = row, begin, size, salted
                found += 1
        total, place = np.uint64(0), num
        for back in range(count):
            edge = moved[token_pos[last_token - 1 - back] - low]
            if edge < 0:
                continue
            if num - edge > longest:
                break
            while place > edge:
                place -= 1
                total = total * _BASE + np.uint64(masked[begin + place]) + np.uint64(1)
            salted = total + _SALT_ENDS
            if sieve[salted >> _SHIFT]:
                block[found], start[found], end[found], key[found] = row, begin + edge, size, salted
                found += 1
    return len(rows), found


def spans(
    blocks: Blocks, rows: Offsets, table: CueTable
) -> Iterator[tuple[Bytes, Offsets, Offsets, Offsets, Hashes]]:
    """Give the masked streams of short blocks, and of the spans in them that pass the sieve: block, start, end, key."""
    longest = int(np.diff(table.stream_start).max(initial=0))
    sizes = blocks.stream_start[rows + 1] - blocks.stream_start[rows]
    moved = np.empty(MAX_BLOCK_BYTES + 1, np.int64)
    first = 0
    while first < len(rows):
        masked = np.empty(int(sizes[first:].sum()), np.uint8)
        block, start, end = (np.empty(_NUM_SPANS, np.int64) for _ in range(3))
        key = np.empty(_NUM_SPANS, np.uint64)
        first, found = _spans(
            blocks.stream, blocks.stream_start, np.ascontiguousarray(blocks.token_pos), blocks.token_start, rows, first,
            longest, table.max_phrase_tokens, table.sieve, masked, moved, block, start, end, key,
        )  # fmt: skip
        yield masked, block[:found], start[:found], end[:found], key[:found]
