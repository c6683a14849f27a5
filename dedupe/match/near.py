"""Find short blocks of one document that differ in a few characters: headlines, captions, bios.

Candidates share a MinHash band over 4-byte shingles of their canonical streams; each is then compared
exactly with the first block of its bucket, never with all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.hashing import distinct, group_equal, ranges
from dedupe.records import Blocks, Hashes, NearPairs, Offsets

SHINGLE_BYTES = 4
MIN_BYTES, MAX_BYTES = 12, 160  # shorter ones carry too little; longer ones share runs (dedupe.match.runs)
MIN_RESEMBLANCE = 0.6

# Six bands of two rows: P(found) is .93 at resemblance .6, .998 at .8 (1 - (1 - r**2) ** 6).
_BANDS, _ROWS = 6, 2
# Drawn by np.random.RandomState(1), whose import would take 20 ms of every start; multipliers are made odd.
_FACTORS = np.array([
    [0x6AC1F425, 0xFF4780EB, 0xB8672F8C, 0xEEBC1448, 0x00077EFF, 0x20CCC389,
     0x4D65AACB, 0xFFC11E85, 0x2591CB4F, 0x3C7053C0, 0x17A38090, 0x65865081],
    [0x2FAEBFCC, 0x634E1E47, 0x5876AAED, 0xAB7479FC, 0x65928D86, 0xEF7F7D19,
     0x89EFE4B2, 0xD8A7D514, 0x6B5054FE, 0x5032B165, 0xAF6A8B92, 0x8648C9D4],
], np.uint32)  # fmt: skip
_FACTORS[0] |= 1
_ODD = np.uint64(0x9E3779B97F4A7C15)
_PAIRS_AT_ONCE = 2048  # some 3 MB of shingles


def find_near(blocks: Blocks, doc_of: Offsets, first: Offsets) -> NearPairs:
    """Pair each short block with earlier ones of its document that nearly equal it.

    `first`: as `find_equal` gives it; only the first of equal blocks takes part. Pairs are unique,
    ordered by block, then other; `resemblance` is that of the sets of 4-byte shingles.
    """
    sizes = np.diff(blocks.stream_start)
    rows = np.flatnonzero((sizes >= MIN_BYTES) & (sizes <= MAX_BYTES) & (first == np.arange(len(first))))
    rows = rows[_has_company(doc_of[rows])]
    if len(rows) < 2:
        return NearPairs(rows[:0], rows[:0], np.empty(0))
    pairs = _candidates(_bands(blocks, rows), doc_of[rows])
    block, other = rows[pairs[:, 1]], rows[pairs[:, 0]]
    # |A∩B|/|A∪B| cannot exceed the ratio of the sizes, give or take repeated shingles.
    ratio = np.minimum(sizes[block], sizes[other]) / np.maximum(sizes[block], sizes[other])
    likely = ratio >= MIN_RESEMBLANCE * 0.8
    block, other = block[likely], other[likely]
    resemblance = _resemblances(blocks, block, other)
    enough = resemblance >= MIN_RESEMBLANCE
    return NearPairs(block[enough], other[enough], resemblance[enough])


def _has_company(docs: Offsets) -> NDArray[np.bool_]:
    company = np.zeros(len(docs), np.bool_)
    same = docs[1:] == docs[:-1]
    company[1:] |= same
    company[:-1] |= same
    return company


def _bands(blocks: Blocks, rows: Offsets) -> Hashes:
    """Give the band keys of each row; uint64 (num_rows, _BANDS)."""
    starts = blocks.stream_start[rows]
    num_shingles = blocks.stream_start[rows + 1] - starts - SHINGLE_BYTES + 1
    if kernels.are_on():
        from dedupe.kernels.near import band_keys

        return band_keys(blocks.stream, starts, num_shingles, _FACTORS)
    begins = np.cumsum(num_shingles) - num_shingles
    grams = _grams(blocks, np.arange(int(num_shingles.sum())) + np.repeat(starts - begins, num_shingles))
    permuted = np.empty_like(grams)
    lows = []
    for factor, addend in _FACTORS.T:
        np.multiply(grams, factor, out=permuted)
        permuted += addend
        lows.append(np.minimum.reduceat(permuted, begins).astype(np.uint64))
    pairs = [lows[at] << np.uint64(32) | lows[at + 1] for at in range(0, len(lows), _ROWS)]
    return np.stack(pairs, axis=1)


def _grams(blocks: Blocks, at: Offsets) -> NDArray[np.uint32]:
    """Pack the four bytes from each position and spread them over 32 bits (MurmurHash3's finalizer)."""
    stream = blocks.stream
    packed = np.ndarray((max(0, len(stream) - SHINGLE_BYTES + 1),), np.dtype("<u4"), stream, strides=(1,))
    grams = packed[at].astype(np.uint32, copy=False)
    grams ^= grams >> np.uint32(16)
    grams *= np.uint32(0x85EBCA6B)
    grams ^= grams >> np.uint32(13)
    grams *= np.uint32(0xC2B2AE35)
    grams ^= grams >> np.uint32(16)
    return grams


def _candidates(keys: Hashes, docs: Offsets) -> Offsets:
    """Pair every row with the first row of each of its buckets, and with the one before it there.

    Returns unique int64 (num_pairs, 2), (earlier, later), sorted by the later row.
    """
    found = []
    num_rows = len(keys)
    salt = (docs.astype(np.uint64) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
    for band in range(_BANDS):
        order, begins = group_equal((keys[:, band] ^ salt) * _ODD)  # minima are small: their top bits say little
        later = np.flatnonzero(~begins)
        if not len(later):
            continue
        first = np.maximum.accumulate(np.where(begins, np.arange(num_rows), 0))
        for earlier in (first[later], later - 1):
            found.append(order[later] * num_rows + order[earlier])
    if not found:
        return np.empty((0, 2), np.int64)
    packed = distinct(np.concatenate(found))
    pairs = np.stack([packed % num_rows, packed // num_rows], axis=1)
    same_doc: Offsets = pairs[docs[pairs[:, 0]] == docs[pairs[:, 1]]]
    return same_doc


def _resemblances(blocks: Blocks, block: Offsets, other: Offsets) -> NDArray[np.float64]:
    """Compute |A∩B|/|A∪B| of the pairs' shingle sets, exactly."""
    values = np.empty(len(block))
    for begin in range(0, len(block), _PAIRS_AT_ONCE):
        pairs = slice(begin, begin + _PAIRS_AT_ONCE)
        both = np.concatenate([_shingles(blocks, rows[pairs], side) for side, rows in enumerate((block, other))])
        both.sort()
        fresh = np.ones(len(both), np.bool_)
        np.not_equal(both[1:], both[:-1], out=fresh[1:])
        both = both[fresh]
        place = (both >> np.uint64(33)).view(np.int64)
        both >>= np.uint64(1)
        num_pairs = len(block[pairs])
        common = np.bincount(place[1:][both[1:] == both[:-1]], minlength=num_pairs)
        values[pairs] = common / (np.bincount(place, minlength=num_pairs) - common)
    return values


def _shingles(blocks: Blocks, rows: Offsets, side: int) -> Hashes:
    """List the shingles of blocks, repeats included: (place in `rows`) << 33 | shingle << 1 | side of the pair."""
    starts = blocks.stream_start[rows]
    num = blocks.stream_start[rows + 1] - starts - SHINGLE_BYTES + 1
    keys = _grams(blocks, ranges(starts, num)).astype(np.uint64)
    keys <<= np.uint64(1)
    keys |= np.repeat(np.arange(len(rows), dtype=np.uint64) << np.uint64(33) | np.uint64(side), num)
    return keys
