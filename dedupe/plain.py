"""Read some documents of a batch again, whose texts lost the addresses of their links; all others stay as they were."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dedupe.debris import trimmed
from dedupe.hashing import ranges
from dedupe.normalize import normalize
from dedupe.records import Blocks, Offsets, Texts

_Number = TypeVar("_Number", bound=np.generic)


def read_again(texts: Texts, blocks: Blocks, docs: Offsets) -> Blocks:
    """Give the blocks of a batch, those of `docs` (int64, ascending) made anew of `texts`, where their bytes changed.

    `blocks`: of the texts before that. The documents keep their blocks, less of what stands at the ends of them.
    """
    sizes = np.diff(blocks.doc_start)[docs]
    rows = ranges(blocks.doc_start[docs], sizes)
    bounds = zip(texts.offsets[docs].tolist(), texts.offsets[docs + 1].tolist(), strict=True)
    part = Texts.of([texts.data[low:high].tobytes() for low, high in bounds])
    shift = np.repeat(texts.offsets[docs] - part.offsets[:-1], sizes)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    again = normalize(part, first, *trimmed(part, blocks.start[rows] - shift, blocks.end[rows] - shift))
    start, end = blocks.start.copy(), blocks.end.copy()
    start[rows], end[rows] = again.start + shift, again.end + shift
    stream_start, token_start = (
        _starts(_replaced(np.diff(old), rows, np.diff(new)))
        for old, new in ((blocks.stream_start, again.stream_start), (blocks.token_start, again.token_start))
    )
    bytes_of, tokens_of = blocks.stream_start[blocks.doc_start], blocks.token_start[blocks.doc_start]
    stream = _spliced(blocks.stream, bytes_of, docs, again.stream, again.stream_start[first])
    places = _spliced(_in_block(blocks), tokens_of, docs, _in_block(again), again.token_start[first])
    token_pos = places + np.repeat(stream_start[:-1], np.diff(token_start))
    return Blocks(blocks.doc_start, start, end, stream, stream_start, token_pos, token_start)


def _in_block(blocks: Blocks) -> Offsets:
    """Give the places of tokens, counted from where the streams of their blocks begin."""
    return blocks.token_pos - np.repeat(blocks.stream_start[:-1], np.diff(blocks.token_start))


def _starts(sizes: Offsets) -> Offsets:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def _replaced(values: Offsets, rows: Offsets, others: Offsets) -> Offsets:
    values[rows] = others
    return values


def _spliced(
    old: NDArray[_Number], bounds: Offsets, docs: Offsets, new: NDArray[_Number], new_bounds: Offsets
) -> NDArray[_Number]:
    """Put what is new in the place of what some documents had; `bounds`: of all documents, `new_bounds`: of `docs`."""
    parts, at = list[NDArray[_Number]](), 0
    ends = zip(docs.tolist(), new_bounds[:-1].tolist(), new_bounds[1:].tolist(), strict=True)
    for doc, low, high in ends:
        parts += [old[at:bounds[doc]], new[low:high]]
        at = int(bounds[doc + 1])
    return np.concatenate([*parts, old[at:]])
