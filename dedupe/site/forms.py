"""Hash short blocks with a few words left out, so that those which differ in a name or two hash alike."""

from __future__ import annotations

import numpy as np

from dedupe.hashing import mix
from dedupe.records import Blocks, Flags, Hashes, Offsets, SpanHashes

MIN_DOCUMENTS = 3  # two pages share the form of a sentence by chance too often
_MIN_TOKENS, _MAX_TOKENS = 4, 24
_MAX_GAP_TOKENS = 3  # "Jane Smith", "Ana de Souza"
_MIN_KEPT_TOKENS, _MIN_KEPT_FRACTION, _MIN_KEPT_BYTES = 3, 0.6, 12
_ODD, _SALT = np.uint64(0xD6E8FEB86659FD93), np.uint64(0x2545F4914F6CDD1D)


def below_prose(doc_start: Offsets, is_prose: Flags) -> Flags:
    """Say which blocks stand behind the last prose of their document; none where it has no prose.

    Above it stand headlines and bylines, which are alike on a site and belong to the article all the same.

    >>> below_prose(np.array([0, 3, 4]), np.array([False, True, False, False])).tolist()
    [False, False, True, False]
    """
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(is_prose)])
    sizes = np.diff(doc_start)
    first, last = (np.repeat(before[bounds], sizes) for bounds in (doc_start[:-1], doc_start[1:]))
    below: Flags = (before[:-1] == last) & (last > first)
    return below


def form_hashes(blocks: Blocks, hashes: SpanHashes, rows: Offsets) -> tuple[Offsets, Hashes]:
    """Hash blocks without one to three tokens in a row, wherever these stand, as long as most of the block is left.

    `rows`: int64, the blocks to hash; those too short or too long have no forms. Returns rows int64 and hashes uint64,
    several a block; two blocks that differ in one such gap, be it of different lengths, have one in common.
    """
    sizes = (blocks.token_start[rows + 1] - blocks.token_start[rows])
    fits = (sizes >= _MIN_TOKENS) & (sizes <= _MAX_TOKENS)
    rows, sizes = rows[fits], sizes[fits]
    edges = np.append(blocks.token_pos, len(blocks.stream))  # the token behind a block's last begins at its end
    found_rows, found = [np.empty(0, np.int64)], [np.empty(0, np.uint64)]
    for gap in range(1, _MAX_GAP_TOKENS + 1):
        kept = sizes - gap
        enough = (kept >= _MIN_KEPT_TOKENS) & (kept >= _MIN_KEPT_FRACTION * sizes)
        places = np.where(enough, kept + 1, 0)
        row = np.repeat(rows, places)
        at = np.arange(len(row)) - np.repeat(np.cumsum(places) - places, places)
        token = blocks.token_start[row] + at
        start, end = blocks.stream_start[row], blocks.stream_start[row + 1]
        cut, goes_on = edges[token], np.minimum(edges[token + gap], end)
        long_enough = (cut - start) + (end - goes_on) >= _MIN_KEPT_BYTES
        row, start, cut, goes_on, end = (each[long_enough] for each in (row, start, cut, goes_on, end))
        ahead, behind = hashes.spans(start, cut), hashes.spans(goes_on, end)
        found_rows.append(row)
        found.append(mix(ahead * _ODD + mix(behind ^ _SALT)) | np.uint64(1))
    return np.concatenate(found_rows), np.concatenate(found)
