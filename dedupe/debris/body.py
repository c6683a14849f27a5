"""Find the body of each document: the one run of blocks that holds most text for the debris in it.

First judgements say of single blocks how likely they are text. An article stands in one piece on its page, with a
start and an end; a teaser below may read like text, but stands apart. So each block counts for a run if it is likelier
text than debris and against it if not, by its log-odds and its length, and the run with the largest sum is the body.
A stricter count gives the core, which leaves off what is doubtful at the ends. What it would cost to lengthen the body
as far as a block says how well the block belongs to it: lists and second parts are cheap to reach, teasers are not.
All of it comes in linear time.
"""

from __future__ import annotations

import numpy as np

from dedupe.debris.features import FEATURE_NAMES
from dedupe.debris.layout import FAR, Layout, Numbers, Values
from dedupe.records import Floats, Offsets

_BODIES = (("body", 0.0), ("core", 1.0))  # log-odds of text against debris from which on a block counts for a run
BODY_NAMES = (
    *(name.format(body) for body, _ in _BODIES for name in (
        "in_{}", "above_{}", "to_{}", "to_{}_prose", "{}_share", "beside_{}", "{}_blocks", "{}_text", "{}_cost",
        "{}_reach",
    )),
    "doc_junk_beside", "alone_prose",
)  # fmt: skip
_MAX_LETTERS = 600  # longer blocks count as much
_MAX_LOGIT = 8.0
_MAX_BLOCKS = 60  # away from the body; what stands farther off is as far
_GRID = 256.0  # sums are of whole numbers: exact, so that other documents of the batch change nothing


def body_features(alone: Floats, table: Floats, doc_junk: Numbers, layout: Layout) -> list[Values]:
    """Describe where each block stands to the body of its document: columns in the order of BODY_NAMES.

    `alone`: float32 (num_blocks,), log-odds of debris; `table`: features of the blocks; `doc_junk`: float64
    (num_blocks,), the share of the block's document that is likely debris. The columns of the body, and again of its
    core: is the block in it; is it above; how far off, in log2 of blocks (the same of prose only); which share of all
    likely text the body holds (the same of blocks beside it only); how large it is, in blocks and in text; what it
    costs to lengthen it as far as the block; and the share of its text that is left then.
    """
    weight = _weight(table)
    prose = table[:, FEATURE_NAMES.index("prose")] > 0
    columns: list[Values] = []
    inside = prose
    for _, least in _BODIES:
        counts = np.rint(weight * (-alone - least) * _GRID).astype(np.int64)
        through, most = best_runs(counts, layout)
        inside = (through == most) & (most > 0)
        before, after, _ = layout.distances(inside)
        away = np.where(inside, 0, np.log2(1 + np.minimum(np.minimum(before, after), _MAX_BLOCKS)))
        above = ~inside & (before >= FAR) & (after < FAR)
        text = np.maximum(counts, 0)
        share = layout.total(text * inside) / np.maximum(layout.total(text), 1)
        columns += [inside, above, away, away * prose, share, share * ~inside]
        columns += [np.log2(1 + layout.total(inside)), np.log2(1 + np.maximum(most, 0) / _GRID)]
        columns += [np.log2(1 + (most - through) / _GRID), np.maximum(through, 0) / np.maximum(most, 1)]
    return [*columns, doc_junk * ~inside, alone * prose]


def body_shares(logits: Floats, table: Floats, layout: Layout) -> Numbers:
    """Give the share of all likely text that the body of each document holds, 0-1: float64 (num_docs,)."""
    counts = np.rint(_weight(table) * -np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT) * _GRID).astype(np.int64)
    through, most = best_runs(counts, layout)
    text = np.maximum(counts, 0)
    held = layout.per_document(text * ((through == most) & (most > 0)))
    return np.asarray(held / np.maximum(layout.per_document(text), 1))


def best_runs(counts: Offsets, layout: Layout) -> tuple[Offsets, Offsets]:
    """Find the largest sum of any run of blocks through each block, and of any run in its document: both (num_blocks,).

    The blocks for which the two are equal are the run with the largest sum.

    >>> [part.tolist() for part in best_runs(np.array([-3, 4, -1, 2, -9, -1, 6]), Layout(np.array([0, 5, 7])))]
    [[2, 5, 5, 5, -4, 5, 6], [5, 5, 5, 5, 5, 6, 6]]
    """
    if not len(counts):
        return counts, counts
    sums = np.cumsum(counts)
    apart = layout.doc * (int(np.abs(counts).sum()) + 1)  # each document's sums lie below all of the one before
    low = np.minimum.accumulate(sums - counts - apart)
    high = np.maximum.accumulate((sums - apart)[::-1])[::-1]
    through = high - low
    firsts = np.flatnonzero(layout.index == 0)
    most = np.repeat(np.maximum.reduceat(through, firsts), np.diff(firsts, append=len(counts)))
    return through, most


def _weight(table: Floats) -> Numbers:
    letters = np.exp2(table[:, FEATURE_NAMES.index("length")]) - 1
    return np.asarray(np.sqrt(np.clip(letters, 1, _MAX_LETTERS)), dtype=np.float64)
