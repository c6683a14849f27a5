"""Tell the documents in which no rule can find anything, without looking at them one by one.

Most documents of a corpus have no repeat, no cue and no debris; asking every rule of each would be most of the work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dedupe.decide.marks import LEAST_JUNK, MAX_GLUED_BYTES, MIN_GLUED_TOKENS
from dedupe.decide.page import PAGE, PAGE_BLOCKS, is_glued
from dedupe.hashing import ranges
from dedupe.records import Bytes, Flags, Observed, Offsets

# First bytes of capitals in UTF-8, bytes that words are glued behind, and pairs of bytes that are small letters.
_OPENS, _GLUES = np.zeros(256, np.bool_), np.zeros(256, np.bool_)
_OPENS[[*range(0x41, 0x5B), *range(0xC3, 0xCA), *range(0xCD, 0xD6), 0xE1, 0xE2, 0xEA, 0xEF, *range(0xF0, 0xF5)]] = True
_GLUES[[*b".!?\"0123456789abcdefghijklmnopqrstuvwxyz", *range(0x80, 0x100)]] = True
_SMALL = ((0xC3, 0x9F, 0xBF), (0xCE, 0xAC, 0xBF), (0xCF, 0x80, 0x8E), (0xD0, 0xB0, 0xBF), (0xD1, 0x80, 0x9F))
_ROUNDING = 1e-4  # of confidences, which are compared with four digits


def has_candidates(seen: Observed, least_confidence: float = LEAST_JUNK, others: Sequence[int] = ()) -> Flags:
    """Say for every document of a batch whether some rule may propose something; bool (num_docs,).

    `least_confidence`: what the preset asks for; debris below it is not proposed. `others`: further rows.
    What other documents tell of shared passages is apart: `seen.outside`.
    """
    rows = _candidate_rows(seen, least_confidence)
    rows[list(others)] = True
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows)])
    found: Flags = np.diff(before[seen.blocks.doc_start]) > 0
    if seen.page_likeness is not None:  # lines of program are looked for on every whole page
        found |= (seen.page_likeness >= PAGE) & (np.diff(seen.blocks.doc_start) > PAGE_BLOCKS)
    return found


def _candidate_rows(seen: Observed, least_confidence: float) -> Flags:
    every = np.arange(len(seen.blocks))
    rows: Flags = seen.first != every  # a repeat, or an empty stream
    rows |= (seen.first_masked >= 0) & (seen.first_masked != every)
    rows |= seen.cues.strength > 0
    if seen.junk is not None:
        rows |= seen.junk >= max(LEAST_JUNK, least_confidence - _ROUNDING)
    if seen.recurrences is not None:
        rows |= seen.recurrences.num_documents > 0
    rows[seen.near.block] = True
    rows[seen.runs.block] = True
    rows[[each.block for each in seen.doubled]] = True
    rows[_glued_rows(seen)] = True
    return rows


def _glued_rows(seen: Observed) -> list[int]:
    shapes, texts, blocks = seen.shapes, seen.texts, seen.blocks
    short = (shapes.num_bytes > 0) & (shapes.num_bytes <= MAX_GLUED_BYTES) & (shapes.num_tokens >= MIN_GLUED_TOKENS)
    rows = np.flatnonzero(short & ~shapes.ends_sentence)
    rows = rows[_may_be_glued(texts.data, blocks.start[rows], blocks.end[rows])]
    spans = zip(rows.tolist(), blocks.start[rows].tolist(), blocks.end[rows].tolist(), strict=True)
    return [row for row, start, end in spans if is_glued(texts.data[start:end].tobytes().decode("utf-8", "replace"))]


def _may_be_glued(data: Bytes, start: Offsets, end: Offsets) -> Flags:
    """Say in which spans a byte that may begin a capital stands right behind what words may be glued to.

    That is a small letter, a digit, a mark or a quote; any byte beyond ASCII may end one. All that `is_glued` looks for
    has such a pair.
    """
    sizes = end - start
    ends = np.cumsum(sizes)
    held = data[ranges(start, sizes)]
    at = np.flatnonzero(_OPENS[held])
    at = at[_GLUES[held[at - 1]]]
    after = held[np.minimum(at + 1, len(held) - 1)]
    for lead, low, high in _SMALL:
        fits = (held[at] != lead) | (after < low) | (after > high)
        at, after = at[fits], after[fits]
    found: Flags = np.searchsorted(at, ends) > np.searchsorted(at, ends - sizes, side="right")
    return found
