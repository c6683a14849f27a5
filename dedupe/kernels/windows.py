"""Hash and winnow windows with numba: the compiled twin of `_seeds` in dedupe.match.runs, bit for bit.

Blocks lie further apart in windows than winnowing looks, so each is winnowed by itself here.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dedupe.kernels import compiled
from dedupe.kernels.mixing import mix
from dedupe.kernels.numba_types import BOOL, HASHES, I64, OFFSETS, READ_BYTES, READ_HASHES, READ_OFFSETS, U64, types
from dedupe.records import Bytes, Hashes, Offsets

_NUM_POWERS = 1 << 13  # a longer block is winnowed in pieces, and the scratch of a piece stays in the cache
REACH = 16  # windows in a row of which the least is chosen
_SIGN = np.uint64(1 << 63)
_MOST = np.int64((1 << 63) - 1)  # in the signed order: no hash


@compiled(types.void(OFFSETS, OFFSETS, I64, I64))
def _least(values, out, num, apart):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    ahead = values[apart:]  # its index is seen to be in bounds, which lets several be compared at once
    for i in range(num):
        one, two = values[i], ahead[i]
        out[i] = one if one < two else two


@compiled(types.void(OFFSETS, OFFSETS, I64, I64))
def _greatest(values, out, num, apart):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    ahead = values[apart:]
    for i in range(num):
        one, two = values[i], ahead[i]
        out[i] = one if one > two else two


@compiled(types.void(READ_BYTES, I64, I64, I64, READ_HASHES, READ_HASHES, HASHES, OFFSETS))
def _differ(stream, first, num, window, up, down, sums, values):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Hash `num` windows from `first` on: none waits for the one before it. Values are signed, ordered as hashes."""
    total, part, ahead = np.uint64(0), stream[first:], sums[window:]
    for i in range(num + window - 1):
        sums[i] = total
        total += (np.uint64(part[i]) + np.uint64(1)) * up[i]
    sums[num + window - 1] = total
    for i in range(num):
        values[i] = np.int64(mix((ahead[i] - sums[i]) * down[i]) ^ _SIGN)


@compiled(BOOL(READ_HASHES, I64, I64, HASHES))
def _has_equal(key, low, high, table):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Say whether two of key[low:high] are equal, or crowd a table so that sorting had better tell."""
    size = 16
    while size < 2 * (high - low):
        size *= 2
    if size > len(table):
        return True
    table[:size] = 0
    patience = 1000 + 10 * (high - low)
    for i in range(low, high):
        at = np.int64(key[i] >> np.uint64(20)) & (size - 1)
        while table[at] != 0:
            patience -= 1
            if table[at] == key[i] or patience < 0:
                return True
            at = (at + 1) & (size - 1)
        if key[i] == 0:
            return True
        table[at] = key[i]
    return False


@compiled(
    I64(
        READ_BYTES, READ_OFFSETS, READ_OFFSETS, READ_OFFSETS, READ_HASHES, I64, READ_HASHES, READ_HASHES,
        HASHES, OFFSETS, OFFSETS, OFFSETS, OFFSETS, HASHES, HASHES,
    )
)  # fmt: skip
def _winnow(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    stream, start, end, doc_of, salt, window, up, down, sums, values, one, two, at, key, table,
):  # fmt: skip
    """Fill in where the chosen windows of blocks stand and their keys; return how many.

    A window is chosen if it is the least of some REACH in a row, as `dedupe.match.runs._winnowed` has it: if it is
    the greatest of the least of each. Those of a document are dropped where no two are equal. The arrays are scratch.
    """
    found, margin, of_doc = 0, REACH - 1, 0
    piece = len(up) - window - 2 * margin
    for block in range(len(start)):
        all_windows = end[block] - start[block] - window + 1
        for low in range(0, all_windows, piece):
            # A piece sees what stands next to it within the block, so that cutting changes no choice.
            high, begin = min(low + piece, all_windows), max(low - margin, 0)
            first, num = start[block] + begin, min(high + margin, all_windows) - begin
            for i in range(margin):
                values[i] = _MOST
                values[margin + num + i] = _MOST
            _differ(stream, first, num, window, up, down, sums, values[margin:])
            padded = num + 2 * margin
            _least(values, one, padded - 1, 1)
            _least(one, two, padded - 3, 2)
            _least(two, one, padded - 7, 4)
            _least(one, two, padded - 15, 8)
            _greatest(two, one, num + margin - 1, 1)
            _greatest(one, two, num + margin - 3, 2)
            _greatest(two, one, num + margin - 7, 4)
            _greatest(one, two, num, 8)
            for i in range(low - begin, high - begin):
                value = values[margin + i]
                if value == two[i]:
                    fresh = values[margin + i - 1] != value and values[margin + i - 2] != value
                    if fresh and value != _MOST:
                        at[found] = first + i
                        key[found] = np.uint64(value) ^ _SIGN ^ salt[block]
                        found += 1
        if block + 1 == len(start) or doc_of[block + 1] != doc_of[block]:
            found = found if _has_equal(key, of_doc, found, table) else of_doc
            of_doc = found
    return found


def seeds(
    stream: Bytes, start: Offsets, end: Offsets, doc_of: Offsets, salt: Hashes, window: int, base: int, inverse: int
) -> tuple[Offsets, Hashes]:
    """Winnow the windows of blocks stream[start:end], all of `window` bytes at least: positions and salted keys.

    Only those of documents in which a key comes twice: no others make a pair.
    """
    all_windows, most = int((end - start - window + 1).sum()), _NUM_POWERS + 2 * REACH
    values, one, two = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    at, key = np.empty(all_windows, np.int64), np.empty(all_windows, np.uint64)
    up, down = _powers(base), _powers(inverse)
    sums, table = np.empty(len(up) + 1, np.uint64), np.empty(1 << 16, np.uint64)
    found = _winnow(
        stream, np.ascontiguousarray(start), np.ascontiguousarray(end), np.ascontiguousarray(doc_of), salt, window,
        up, down, sums, values, one, two, at, key, table,
    )  # fmt: skip
    return at[:found].copy(), key[:found].copy()


@cache
def _powers(base: int) -> Hashes:
    factors = np.full(_NUM_POWERS, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


@compiled(types.void(READ_BYTES, U64, HASHES))
def _sums(stream, base, prefix):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Sum up four bytes at a time: no power waits for the one before it."""
    total, one = np.uint64(0), np.uint64(1)
    two = base
    three = two * base
    four = three * base
    step, rest = four * base, prefix[1:]
    prefix[0] = total
    whole = len(stream) - len(stream) % 4
    for at in range(0, whole, 4):
        first = (np.uint64(stream[at]) + np.uint64(1)) * one
        second = first + (np.uint64(stream[at + 1]) + np.uint64(1)) * two
        third = second + (np.uint64(stream[at + 2]) + np.uint64(1)) * three
        fourth = third + (np.uint64(stream[at + 3]) + np.uint64(1)) * four
        rest[at], rest[at + 1], rest[at + 2] = total + first, total + second, total + third
        total += fourth
        rest[at + 3] = total
        one, two, three, four = one * step, two * step, three * step, four * step
    for at in range(whole, len(stream)):
        total += (np.uint64(stream[at]) + np.uint64(1)) * one
        one *= base
        rest[at] = total


def prefix_sums(stream: Bytes, base: int) -> Hashes:
    """Sum up (byte + 1) * base**position, as `dedupe.hashing.StreamHashes` does: uint64 (num_bytes + 1,)."""
    prefix = np.empty(len(stream) + 1, np.uint64)
    _sums(np.ascontiguousarray(stream), np.uint64(base), prefix)
    return prefix
