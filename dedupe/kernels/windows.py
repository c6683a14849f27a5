"""Hash and winnow windows with numba: the compiled twin of `_seeds` in dedupe.match.runs, bit for bit.

Blocks lie further apart in windows than winnowing looks, so each is winnowed by itself here.
"""

from __future__ import annotations

import numpy as np

from dedupe.kernels import compiled, load_numba
from dedupe.records import Bytes, Hashes, Offsets

types = load_numba().types
_I64, _U64 = types.int64, types.uint64
_READ_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_READ_OFFSETS = types.Array(_I64, 1, "C", readonly=True)
_READ_HASHES = types.Array(_U64, 1, "C", readonly=True)
_HASHES = types.Array(_U64, 1, "C")
_OFFSETS = types.Array(_I64, 1, "C")
REACH = 16  # windows in a row of which the least is chosen
_SIGN = np.uint64(1 << 63)
_MOST = np.int64((1 << 63) - 1)  # in the signed order: no hash


@compiled(_U64(_U64))
def _mix(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled(types.void(_OFFSETS, _OFFSETS, _I64, _I64))
def _least(values, out, num, apart):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    for i in range(num):
        out[i] = min(values[i], values[i + apart])


@compiled(types.void(_OFFSETS, _OFFSETS, _I64, _I64))
def _greatest(values, out, num, apart):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    for i in range(num):
        out[i] = max(values[i], values[i + apart])


@compiled(
    _I64(
        _READ_BYTES, _READ_OFFSETS, _READ_OFFSETS, _READ_HASHES, _I64, _U64, _U64, _OFFSETS, _OFFSETS, _OFFSETS,
        _OFFSETS, _HASHES,
    )
)  # fmt: skip
def _winnow(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    stream, start, end, salt, window, base, inverse, values, one, two, at, key,
):  # fmt: skip
    """Fill in where the chosen windows of blocks stand and their keys; return how many.

    A window is chosen if it is the least of some REACH in a row, as `dedupe.match.runs._winnowed` has it: if it is
    the greatest of the least of each. The arrays are scratch; values are signed, with the order of the hashes.
    """
    top_power = np.uint64(1)
    for _ in range(window - 1):
        top_power *= base
    found, margin = 0, REACH - 1
    for block in range(len(start)):
        first, num = start[block], end[block] - start[block] - window + 1
        total, power = np.uint64(0), np.uint64(1)
        for step in range(window):
            total += (np.uint64(stream[first + step]) + np.uint64(1)) * power
            power *= base
        for i in range(margin):
            values[i] = _MOST
            values[margin + num + i] = _MOST
        values[margin] = np.int64(_mix(total) ^ _SIGN)
        for i in range(1, num):
            total = (total - np.uint64(stream[first + i - 1]) - np.uint64(1)) * inverse
            total += (np.uint64(stream[first + i - 1 + window]) + np.uint64(1)) * top_power
            values[margin + i] = np.int64(_mix(total) ^ _SIGN)
        padded = num + 2 * margin
        _least(values, one, padded - 1, 1)
        _least(one, two, padded - 3, 2)
        _least(two, one, padded - 7, 4)
        _least(one, two, padded - 15, 8)
        _greatest(two, one, num + margin - 1, 1)
        _greatest(one, two, num + margin - 3, 2)
        _greatest(two, one, num + margin - 7, 4)
        _greatest(one, two, num, 8)
        for i in range(num):
            value = values[margin + i]
            fresh = values[margin + i - 1] != value and values[margin + i - 2] != value
            if value == two[i] and value != _MOST and fresh:
                at[found] = first + i
                key[found] = np.uint64(value) ^ _SIGN ^ salt[block]
                found += 1
    return found


def seeds(
    stream: Bytes, start: Offsets, end: Offsets, salt: Hashes, window: int, base: int, inverse: int
) -> tuple[Offsets, Hashes]:
    """Winnow the windows of blocks stream[start:end], all of `window` bytes at least: positions and salted keys."""
    sizes = end - start - window + 1
    most, all_windows = int(sizes.max(initial=0)) + 2 * REACH, int(sizes.sum())
    values, one, two = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64)
    at, key = np.empty(all_windows, np.int64), np.empty(all_windows, np.uint64)
    found = _winnow(
        stream, np.ascontiguousarray(start), np.ascontiguousarray(end), salt, window, np.uint64(base),
        np.uint64(inverse), values, one, two, at, key,
    )  # fmt: skip
    return at[:found].copy(), key[:found].copy()


@compiled(types.void(_READ_BYTES, _U64, _HASHES))
def _sums(stream, base, prefix):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    total, power = np.uint64(0), np.uint64(1)
    prefix[0] = total
    for at in range(len(stream)):
        total += (np.uint64(stream[at]) + np.uint64(1)) * power
        power *= base
        prefix[at + 1] = total


def prefix_sums(stream: Bytes, base: int) -> Hashes:
    """Sum up (byte + 1) * base**position, as `dedupe.hashing.StreamHashes` does: uint64 (num_bytes + 1,)."""
    prefix = np.empty(len(stream) + 1, np.uint64)
    _sums(np.ascontiguousarray(stream), np.uint64(base), prefix)
    return prefix
