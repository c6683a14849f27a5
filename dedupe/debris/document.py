"""Describe whole documents, to tell texts that read as articles from pages with their menus.

What is described is mostly the rest: the lines that are not prose. Where most of those are menus and
notices the document is a page; where they are headings, lists and tables it is an article.
"""

from __future__ import annotations

import numpy as np

from dedupe.debris.features import CUE_NAMES, FEATURE_NAMES
from dedupe.debris.layout import Layout, Numbers, Values
from dedupe.records import Floats, Offsets

_CONSTANT = ("doc_rest", "doc_short", "doc_menu", "doc_prose", "doc_blocks", "doc_ended")
_MEANS = (
    "tiny", "short", "phrase", "short_sentence", "ends_sentence", "ends_colon", "starts_lower", "starts_digit",
    "has_digit", "bars", "starts_bullet", "starts_bracket", "brackets", "title_share", "all_caps", "repeated",
    "later_copy", "urls", "markdown", "commas", "shared_long", "shared_pairs", "no_case", "times", "dates",
    "pictures", "previous_alike", "no_letters", "mostly_digits", "word_length",
)
_CUES = (*(f"cue_{name}" for name in CUE_NAMES), "cue_any", "cue_strong", "cue_whole", "cue_long")
_COUNTED_CUES = ("cue_any", "cue_strong")
DOCUMENT_NAMES = (
    *_CONSTANT, "num_above", "share_above", "num_below", "share_below", "num_between", "share_between", "longest_run",
    "prose_size", "num_prose", "no_prose", *(f"rest_{name}" for name in (*_MEANS, *_CUES)),
    *(f"num_{name}" for name in _COUNTED_CUES),
)


def describe_documents(table: Floats, doc_start: Offsets) -> Floats:
    """Describe documents by the features of their blocks (float32 (num_blocks, num_features)).

    Returns float32 (num_docs, num_document_features), columns in the order of DOCUMENT_NAMES; a document
    without blocks is all zeros.
    """
    layout = Layout(doc_start)
    column = {name: table[:, row] for row, name in enumerate(FEATURE_NAMES)}
    prose = column["prose"] > 0
    rest = ~prose
    size = np.exp2(column["length"]) - 1
    total = np.maximum(layout.per_document(size), 1)
    num_rest = np.maximum(layout.per_document(rest), 1)
    num_prose = layout.per_document(prose)
    filled = np.flatnonzero(np.diff(doc_start))
    out: dict[str, Numbers] = {name: _spread(column[name][doc_start[filled]], filled, layout) for name in _CONSTANT}
    above, below = column["before_first"] > 0, column["after_last"] > 0
    for name, where in (("above", above), ("below", below), ("between", ~above & ~below)):
        out[f"num_{name}"] = np.log2(1 + layout.per_document(where & rest))
        out[f"share_{name}"] = layout.per_document(size * (where & rest)) / total
    runs = column["run"] * rest
    out["longest_run"] = _spread(np.maximum.reduceat(runs, doc_start[filled]) if len(filled) else runs, filled, layout)
    out["prose_size"] = np.log2(1 + layout.per_document(size * prose) / np.maximum(num_prose, 1))
    out["num_prose"] = np.log2(1 + num_prose)
    out["no_prose"] = (num_prose == 0).astype(np.float64)
    rows = [FEATURE_NAMES.index(name) for name in (*_MEANS, *_CUES)]
    values = table.T[rows]
    values[len(_MEANS):] = values[len(_MEANS):] > 0
    sums = np.zeros((len(rows), layout.num_docs))
    if len(filled):
        sums[:, filled] = np.add.reduceat(values * rest, doc_start[filled], axis=1, dtype=np.float64)
    out |= {f"rest_{name}": sums[row] / num_rest for row, name in enumerate((*_MEANS, *_CUES))}
    for name in _COUNTED_CUES:
        out[f"num_{name}"] = np.log2(1 + layout.per_document(column[name] > 0))
    described = np.stack([out[name] for name in DOCUMENT_NAMES], axis=1).astype(np.float32)
    described[np.diff(doc_start) == 0] = 0
    return described


def _spread(values: Values, filled: Offsets, layout: Layout) -> Numbers:
    """Give the values of the documents that have blocks to all documents, 0 to the others."""
    spread = np.zeros(layout.num_docs)
    spread[filled] = values
    return spread
