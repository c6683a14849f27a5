"""Turn log-odds into confidences that mean the same in every document.

A removal needs more log-odds where a mistake is likelier: in an article, inside of the body, and in a document
whose body is not clear. The body of a document stands between its first and its last block that is surely text. It is
clear when most of what may be text is surely text; what stands beside a clear body is seldom the article's. On a page
of long menus, each line of which may be text, it is half clear where one run holds nearly all likely text (`body`).
Where more of a document would go than documents of its sort lose, all of it needs more.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dedupe.debris.body import body_shares
from dedupe.debris.features import FEATURE_NAMES
from dedupe.debris.layout import FAR, Layout, Numbers
from dedupe.records import Flags, Floats

LEVELS = (0.5, 0.7, 0.9)  # confidences of the presets thorough, standard, careful
_LINKED = 0.8  # a link for every 80 letters: a menu, not prose


class Strictness(Struct, frozen=True):
    """Say which log-odds a removal needs.

    `at`: page-likeness of the columns. `beside`, `within`, `unclear`: float64 (num_levels, num_columns), log-odds
    at each level of LEVELS beside a clear body, within a body, and beside an unclear one; prose, of which a single
    block is a paragraph lost, needs `prose_more` on top, of the same shape. `max_removed`: (num_columns,), share of a
    document's letters that may go; where more would go, the needed log-odds rise by the next of `ladder`.
    `text_log_odds`, `text_letters`: a block below the first with as many letters is surely text. `clear`: shares of
    sure text at which a body begins to be clear, and is. `whole`: shares of the likely text in one run at which a body
    begins to be half clear, and is. `max_letters`: longer blocks never go. `page_blocks`: with fewer lines that are no
    prose a document counts as an article in proportion. `min_prose_letters`: a document with
    less prose is a table, a log or a list: nothing goes.
    """

    at: tuple[float, ...]
    beside: Numbers
    within: Numbers
    unclear: Numbers
    prose_more: Numbers
    max_removed: tuple[float, ...]
    max_prose_removed: float
    ladder: tuple[float, ...]
    text_log_odds: float
    text_letters: float
    clear: tuple[float, float]
    whole: tuple[float, float]
    max_letters: float
    page_blocks: float
    min_prose_letters: float


def confidences(logits: Floats, table: Floats, layout: Layout, page: Floats, strictness: Strictness) -> Floats:
    """Give the confidence 0-1 that each block is debris and may go: float32 (num_blocks,).

    `logits`: log-odds of blocks; `table`: their features; `page`: page-likeness of documents.
    """
    size = np.exp2(table[:, FEATURE_NAMES.index("length")]) - 1
    linked = table[:, FEATURE_NAMES.index("markdown")] > _LINKED
    prose = (table[:, FEATURE_NAMES.index("prose")] > 0) & ~linked
    num_rest = layout.per_document(~prose)
    page = page * np.minimum(num_rest / strictness.page_blocks, 1).astype(np.float32)
    allowed = np.interp(page, strictness.at, strictness.max_removed)
    total, total_prose = layout.per_document(size), layout.per_document(size * prose)
    may_go = (size <= strictness.max_letters) & (total_prose >= strictness.min_prose_letters)[layout.doc]
    within, clear = _body(logits, size, layout, strictness)
    whole = _ramp(body_shares(logits, table, layout), strictness.whole)
    clear = np.maximum(clear, whole / 2)
    needed = []
    for level in range(len(LEVELS)):
        inner, beside, unclear, more = (
            np.interp(page, strictness.at, rows[level])
            for rows in (strictness.within, strictness.beside, strictness.unclear, strictness.prose_more)
        )
        outer = clear * beside + (1 - clear) * unclear
        base = np.where(within, inner[layout.doc], outer[layout.doc]) + more[layout.doc] * prose
        chosen = np.full(len(page), np.inf)
        for step in strictness.ladder:
            goes = may_go & (logits >= base + step)
            fits = layout.per_document(size * goes) <= allowed * total
            fits &= layout.per_document(size * (goes & prose)) <= strictness.max_prose_removed * total_prose
            chosen = np.where(fits & np.isinf(chosen), step, chosen)
        needed.append(base + chosen[layout.doc])
    return _bent(logits, needed, may_go)


def _body(logits: Floats, size: Floats, layout: Layout, strictness: Strictness) -> tuple[Flags, Numbers]:
    """Find the blocks that have sure text before and after them, and how clear each document's body is, 0-1."""
    sure = (logits < strictness.text_log_odds) & (size >= strictness.text_letters)
    before, after, _ = layout.distances(sure)
    surely = layout.per_document(size * sure)
    maybe = layout.per_document(size * sigmoid(-logits) * ~sure)
    clear = _ramp(surely / np.maximum(surely + maybe, 1), strictness.clear)
    return (before < FAR) & (after < FAR), clear


def _ramp(values: Numbers, bounds: tuple[float, float]) -> Numbers:
    low, high = bounds
    return np.clip((values - low) / (high - low), 0, 1)


def sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def _bent(logits: Floats, needed: list[Numbers], may_go: NDArray[np.bool_]) -> Floats:
    """Bend log-odds so that each level of LEVELS is reached exactly where its needed log-odds are."""
    junk = sigmoid(logits - np.minimum(needed[0], 100).astype(np.float32)).astype(np.float64)
    junk = np.minimum(junk, np.nextafter(LEVELS[0], 0))
    reached = np.ones(len(logits), np.bool_)
    for row, level in enumerate(LEVELS):
        reached = reached & (logits >= needed[row])
        above = LEVELS[row + 1] if row + 1 < len(LEVELS) else 1.0
        excess = np.maximum(logits - np.where(np.isinf(needed[row]), 0, needed[row]), 0)
        junk = np.where(reached, level + (above - level) * 0.99 * (1 - np.exp(-excess / 2)), junk)
    return np.where(may_go, junk, np.minimum(junk, 0.49)).astype(np.float32)
