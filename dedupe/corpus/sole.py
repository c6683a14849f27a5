"""Tell which seeds surely stand once in a corpus: two thirds and more of them, which need not be shuffled.

    marks    the top bits of the seeds of each lot, sorted: a quarter of what a shuffle would move
    table    one bit for each such number that comes twice, in this lot or in several; a piece of it at a time

Two seeds may have the same top bits, so some that stand once are not told; none that stands twice is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Bytes, Flags, Hashes, Offsets
from dedupe.write import replacing

_ROOM = 8  # numbers for each seed, or up to twice as many: of those that stand once, one in 8 to 16 is not told
_PIECE_BITS = 22  # of the table that is filled at a time, a byte for each number


def num_bits_for(num_seeds: int) -> int:
    """Choose how many bits of a seed the table goes by; the table takes 8 kB to half a GB, on the disk.

    >>> num_bits_for(0), num_bits_for(10_000_000), num_bits_for(10**10)
    (16, 27, 32)
    """
    return min(32, max(16, (_ROOM * num_seeds).bit_length()))


def marks_of(seeds: Hashes, num_bits: int) -> NDArray[np.uint32]:
    """Give the top bits of some seeds, sorted, repeats included."""
    marks = (seeds >> np.uint64(64 - num_bits)).astype(np.uint32)
    marks.sort()
    return marks


def write_table(path: Path, lots: Sequence[NDArray[np.uint32]], num_bits: int) -> int:
    """Write the table of the marks of all lots; returns how many marks are on numbers that come twice."""
    num_repeated, size = 0, 1 << min(num_bits, _PIECE_BITS)
    bounds = np.arange(size, 1 << num_bits, size, dtype=np.uint64)
    ends = [np.concatenate([[0], np.searchsorted(marks, bounds), [len(marks)]]) for marks in lots]
    with replacing(str(path)) as file:
        for piece in range((1 << num_bits) // size):
            times = np.zeros(size, np.uint8)
            held = [
                marks[end[piece]:end[piece + 1]] & np.uint32(size - 1) for marks, end in zip(lots, ends, strict=True)
            ]
            for marks in held:
                _count(times, marks)
            comes_twice = times > 1
            num_repeated += sum(int(np.count_nonzero(comes_twice[marks])) for marks in held)
            file.write(np.packbits(comes_twice).tobytes())
    return num_repeated


def _count(times: Bytes, marks: NDArray[np.uint32]) -> None:
    """Add the marks of one lot to what was counted, up to 2."""
    is_first = np.ones(len(marks), np.bool_)
    np.not_equal(marks[1:], marks[:-1], out=is_first[1:])
    once, again = marks[is_first], marks[~is_first]
    times[once] = np.minimum(times[once] + 1, 2)
    times[again] = 2


def comes_twice(table: Bytes, seeds: Hashes) -> Flags:
    """Say which seeds may stand twice. `table`: the bytes that `write_table` wrote."""
    marks: Offsets = (seeds >> np.uint64(64 - (8 * len(table)).bit_length() + 1)).astype(np.int64)
    found: Flags = ((table[marks >> 3] >> (7 - (marks & 7)).astype(np.uint8)) & 1).astype(np.bool_)
    return found
