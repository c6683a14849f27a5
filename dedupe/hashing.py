"""Hash any span of a byte stream with two look-ups, and compare spans without reading them.

Prefix sums of byte[j] * base**j modulo 2**64 give the hash of a span as a difference, brought back to
position 0 by a power of the base's inverse. Such hashes collide for crafted input (Thue-Morse strings),
so they only ever propose: every match is verified on the bytes.

Source: Karp & Rabin, "Efficient randomized pattern-matching algorithms", 1987.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.records import Bytes, Flags, Hashes, Offsets

BASE = 0x9E3779B97F4A7C15  # odd, from the golden ratio
BASE_INVERSE = pow(BASE, -1, 1 << 64)
_LOW_BITS = 14  # powers are kept for 16,384 positions (128 KB: the second-level cache) and their multiples
_LOW = 1 << _LOW_BITS
_Number = TypeVar("_Number", bound=np.generic)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit values over all bits (the finalizer of splitmix64); works on a copy.

    >>> [hex(int(value)) for value in mix(np.arange(2, dtype=np.uint64))]
    ['0x0', '0x5692161d100b05e5']
    """
    values = values ^ (values >> np.uint64(30))
    values *= MIX_1
    values ^= values >> np.uint64(27)
    values *= MIX_2
    values ^= values >> np.uint64(31)
    return values


def distinct(values: NDArray[_Number]) -> NDArray[_Number]:
    """Sort values and drop repeats; works on a copy.

    What `numpy.unique` does, which imports numpy's masked arrays for it: 15 ms of every start.

    >>> distinct(np.array([3, 1, 3, 2])).tolist()
    [1, 2, 3]
    """
    values = np.sort(values)
    is_new = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_new[1:])
    return values[is_new]


def is_in(values: NDArray[_Number], known: NDArray[_Number]) -> Flags:
    """Say which values are among those known; bool (num_values,).

    What `numpy.isin` does, without the masked arrays that it imports by way of `numpy.unique`.

    >>> is_in(np.array([3, 1, 7]), np.array([1, 9, 3])).tolist()
    [True, True, False]
    """
    if not len(known):
        return np.zeros(len(values), np.bool_)
    known = np.sort(known)
    found: Flags = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def ranges(begins: Offsets, sizes: Offsets) -> Offsets:
    """Lay the ranges begins[i] : begins[i] + sizes[i] end to end.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(sizes)
    steps: Offsets = np.repeat(begins - (ends - sizes), sizes)
    steps += np.arange(len(steps))
    return steps


def group_equal(keys: Hashes, last: Flags | None = None) -> tuple[Offsets, Flags]:
    """Order rows so that equal keys stand together, rows ascending among them, those marked `last` behind the others.

    Returns int64 (num_keys,), the rows in order, and bool (num_keys,), whether a new key begins there. The top bits of
    a key, the mark and the row are sorted as one number, five times as fast as an indirect sort; where two keys
    agree in those bits, which among hashes is rare, the whole keys are sorted. Keys ascend unless they agree so.

    >>> [part.tolist() for part in group_equal(np.array([1 << 63, 5, 1 << 63], np.uint64))]
    [[1, 0, 2], [True, True, False]]
    """
    begins = np.ones(len(keys), np.bool_)
    if not len(keys):
        return np.empty(0, np.int64), begins
    bits = np.uint64(len(keys).bit_length())
    shift = bits + np.uint64(last is not None)
    packed = keys >> shift << shift
    if last is not None:
        packed |= last.astype(np.uint64) << bits
    packed |= np.arange(len(keys), dtype=np.uint64)
    packed.sort()
    order: Offsets = (packed & ((np.uint64(1) << bits) - np.uint64(1))).view(np.int64)
    in_order = keys[order]
    begins[1:] = in_order[1:] != in_order[:-1]
    packed >>= shift
    if np.count_nonzero(packed[1:] != packed[:-1]) + 1 != np.count_nonzero(begins):
        order = np.argsort(keys, kind="stable") if last is None else np.lexsort((last, keys))
        in_order = keys[order]
        begins[1:] = in_order[1:] != in_order[:-1]
    return order, begins


def powers(base: int, size: int) -> Hashes:
    """List the powers of a base modulo 2**64, from 0 to size - 1 (at least that of 0).

    >>> powers(3, 4).tolist()
    [1, 3, 9, 27]
    """
    factors = np.full(size, base, np.uint64)
    factors[0] = 1
    return np.multiply.accumulate(factors)


_UP, _DOWN = powers(BASE, _LOW), powers(BASE_INVERSE, _LOW)
_DOWN_STEP = pow(BASE_INVERSE, _LOW, 1 << 64)


def powers_at(base: int, places: Offsets) -> Hashes:
    """Look up powers of BASE or its inverse, exponents ascending.

    >>> powers_at(BASE, np.array([0, 1, 40_000])).tolist() == [1, BASE, pow(BASE, 40_000, 1 << 64)]
    True
    """
    high = powers(pow(base, _LOW, 1 << 64), (int(places[-1]) >> _LOW_BITS) + 1 if len(places) else 1)
    found: Hashes = (_UP if base == BASE else _DOWN)[places & (_LOW - 1)]
    found *= high[places >> _LOW_BITS]
    return found


def _compiled_sums(stream: Bytes) -> Hashes:
    from dedupe.kernels.windows import prefix_sums

    return prefix_sums(stream, BASE)


class StreamHashes:
    """Hold the prefix sums of a stream (8 bytes a byte) and hash spans of it.

    >>> hashes = StreamHashes(np.frombuffer(b"abcab", np.uint8))
    >>> one, two = hashes.spans(np.array([0, 3]), np.array([2, 5]))
    >>> bool(one == two), hashes.common_size(np.array([0]), np.array([3]), np.array([2])).tolist()
    (True, [2])
    """

    __slots__ = ("_down_high", "_prefix", "stream")

    def __init__(self, stream: Bytes) -> None:
        self.stream = stream
        self._down_high = powers(_DOWN_STEP, (len(stream) >> _LOW_BITS) + 1)
        self._prefix = _compiled_sums(stream) if kernels.are_on() else self._sums()

    def _sums(self) -> Hashes:
        stream, prefix = self.stream, np.empty(len(self.stream) + 1, np.uint64)
        prefix[0] = 0
        carry, power = np.uint64(0), 1
        for begin in range(0, len(stream), _LOW):
            piece = stream[begin:begin + _LOW]
            sums = prefix[begin + 1:begin + 1 + len(piece)]
            np.add(piece, np.uint64(1), out=sums)
            sums *= _UP[:len(piece)]
            np.cumsum(sums, out=sums)
            sums *= np.uint64(power)
            sums += carry
            carry, power = sums[-1], power * pow(BASE, _LOW, 1 << 64) % (1 << 64)
        return prefix

    def spans(self, start: Offsets, end: Offsets) -> Hashes:
        """Hash stream[start:end] for each pair; equal bytes have equal hashes; uint64 (num_spans,)."""
        return mix(self._raw(start, end))

    def windows(self, begin: int, end: int, num_bytes: int) -> Hashes:
        """Hash the windows of `num_bytes` that start at begin to end (excluded); uint64 (end - begin,)."""
        sums = self._prefix[begin + num_bytes:end + num_bytes] - self._prefix[begin:end]
        at = begin
        while at < end:
            stop = min(end, (at | (_LOW - 1)) + 1)
            low = at & (_LOW - 1)
            sums[at - begin:stop - begin] *= _DOWN[low:low + stop - at] * self._down_high[at >> _LOW_BITS]
            at = stop
        return mix(sums)

    def common_size(self, one: Offsets, two: Offsets, limit: Offsets, forward: bool = True) -> Offsets:
        """Measure how far the stream agrees after (or before) two positions, by binary search.

        `limit`: int64 (num_pairs,), the most bytes to compare. Returns int64 (num_pairs,).
        """
        size = np.zeros(len(one), np.int64)
        step = 1 << max(0, int(limit.max(initial=0)).bit_length() - 1)
        while step:
            longer = size + step
            rows = np.flatnonzero(longer <= limit)
            a, b, more = one[rows], two[rows], longer[rows]
            ahead, behind = (more, 0) if forward else (0, more)
            agree = self._agree(a - behind, a + ahead, b - behind, b + ahead)
            size[rows[agree]] = more[agree]
            step >>= 1
        return size

    def _agree(self, start: Offsets, end: Offsets, other_start: Offsets, other_end: Offsets) -> Flags:
        agree: Flags = self._raw(start, end) == self._raw(other_start, other_end)
        return agree

    def _raw(self, start: Offsets, end: Offsets) -> Hashes:
        sums = self._prefix[end] - self._prefix[start]
        sums *= _DOWN[start & (_LOW - 1)]
        sums *= self._down_high[start >> _LOW_BITS]
        return sums
