"""dedupe: texts to verified clusters; the environment variable DEDUPE_FAST is 0 for NumPy alone, 1 for numba."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path

from harness import run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pyarrow

from dedupe.cluster import Criteria, exact_copies, keeper_order, near_duplicate_clusters, representatives
from dedupe.hashing import StreamHashes
from dedupe.index import band_buckets, choose_bands
from dedupe.normalize import normalize
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.shingle import token_hashes, word_shingles
from dedupe.sketch import signatures

FAST = os.environ.get("DEDUPE_FAST", "1") == "1"
BATCH_BYTES = 1 << 26 if FAST else 1 << 20  # NumPy's arrays between the stages should stay in the cache


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    parts = zip(*map(sketch, batches(texts)), strict=True)
    shingles, starts, content, rows = (np.concatenate(arrays) if len(arrays) > 1 else arrays[0] for arrays in parts)
    shingle_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(starts)])
    order = keeper_order(np.arange(len(texts)), starts)
    stands = exact_copies(content, shingle_start, order, rows)
    docs = representatives(stands, shingle_start, order)
    buckets = band_buckets(rows, docs, *choose_bands(min_resemblance))
    criteria = Criteria(min_resemblance=min_resemblance)
    clusters = near_duplicate_clusters(
        shingles, shingle_start, rows, docs, buckets.start, buckets.docs, criteria=criteria, stands=stands, fast=FAST
    )
    gone = np.flatnonzero(clusters.keeper != np.arange(len(texts)))
    return list(zip(gone.tolist(), clusters.keeper[gone].tolist(), strict=True))


def batches(texts: list[str]) -> list[Texts]:
    """Lay the texts out as Arrow does, in batches of about BATCH_BYTES."""
    column = pyarrow.array(texts, pyarrow.large_string())
    _, offset_buffer, byte_buffer = column.buffers()
    offsets, data = np.frombuffer(offset_buffer, np.int64), np.frombuffer(byte_buffer, np.uint8)
    cuts = np.flatnonzero(np.diff(offsets[1:] // BATCH_BYTES)) + 1
    bounds = [0, *cuts.tolist(), len(texts)]
    return [
        Texts(data[offsets[begin] : offsets[end]], offsets[begin : end + 1] - offsets[begin])
        for begin, end in pairwise(bounds)
    ]


def sketch(texts: Texts) -> tuple[np.ndarray, ...]:
    if FAST:
        from dedupe.kernels.fused import sketch_texts

        found = sketch_texts(texts)
        return found.shingles, np.diff(found.shingle_start), found.content_hash, found.signatures
    blocks = normalize(texts, *segment(texts))
    hashes = StreamHashes(blocks.stream)
    bounds = blocks.stream_start[blocks.doc_start]
    shingles, start = word_shingles(blocks, token_hashes(blocks, hashes))
    return shingles, np.diff(start), hashes.spans(bounds[:-1], bounds[1:]), signatures(shingles, start, fast=False)


run(find)
