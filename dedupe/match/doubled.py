"""Find blocks that begin by saying the same thing twice in a row, with or without a space between.

A scraper that glues a caption to its alt text, or a headline to its link text, makes such blocks. The
repeat is exact, or the two halves of the whole block differ in a word.
"""

from __future__ import annotations

import numpy as np
from rapidfuzz.distance import Indel

from dedupe import kernels
from dedupe.records import Blocks, Doubled, Offsets

MIN_UNIT_BYTES = 16  # "ha ha", "tick tock tick tock" and refrains of two words are shorter
MAX_BLOCK_BYTES = 4000  # captions, headlines and teasers; a longer paragraph is compared by its runs
MIN_HALF_SIMILARITY = 0.85
_PROBE_BYTES, _LEAST_BYTES = 12, MIN_UNIT_BYTES - 4  # near repeats have units of several sizes


def find_doubled(blocks: Blocks) -> list[Doubled]:
    """Look at every block of 2 * MIN_UNIT_BYTES to MAX_BLOCK_BYTES; at most one finding a block."""
    sizes = np.diff(blocks.stream_start)
    rows = np.flatnonzero((sizes >= 2 * MIN_UNIT_BYTES) & (sizes <= MAX_BLOCK_BYTES))
    again = _again(blocks, rows)
    repeated = np.flatnonzero(again >= 0)
    if not len(repeated):
        return []
    stream, found = blocks.stream.tobytes(), []
    for row, at in zip(rows[repeated].tolist(), again[repeated].tolist(), strict=True):
        start, end = int(blocks.stream_start[row]), int(blocks.stream_start[row + 1])
        doubled = _exact(stream, row, start, end, at) or _near(stream, row, start, end, at)
        if doubled:
            found.append(doubled)
    return found


def _again(blocks: Blocks, rows: Offsets) -> Offsets:
    """Find where in each block its first _PROBE_BYTES come again; -1 where they do not."""
    starts, ends = blocks.stream_start[rows], blocks.stream_start[rows + 1]
    if kernels.are_on():
        from dedupe.kernels.doubled import again

        return again(blocks.stream, starts, ends, _LEAST_BYTES, _PROBE_BYTES)
    stream = blocks.stream.tobytes()
    return np.array([
        stream.find(stream[start:start + _PROBE_BYTES], start + _LEAST_BYTES, end)
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ], np.int64)


def _exact(stream: bytes, row: int, start: int, end: int, at: int) -> Doubled | None:
    """Look for a unit at the block's start that repeats at once, byte for byte."""
    probe = stream[start:start + _PROBE_BYTES]
    while at >= 0 and 2 * at - start <= end:
        unit = at - start
        if unit >= MIN_UNIT_BYTES and stream[start:at] == stream[at:at + unit]:
            return Doubled(row, start, at, at + unit, 1.0)
        at = stream.find(probe, at + 1, end)
    return None


def _near(stream: bytes, row: int, start: int, end: int, at: int) -> Doubled | None:
    """Look for two halves of the whole block that begin alike and differ little."""
    probe, size = stream[start:start + _PROBE_BYTES], end - start
    while at >= 0:
        one, two = stream[start:at], stream[at:end]
        if abs(len(one) - len(two)) <= 0.15 * size:
            similarity = Indel.normalized_similarity(one, two)
            if similarity >= MIN_HALF_SIMILARITY:
                return Doubled(row, start, at, end, similarity)
        at = stream.find(probe, at + 1, end)
    return None
