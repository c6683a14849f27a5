"""Judge blocks: a readable linear model, three logistic regressions one after another.

1. `page`: how page-like is the document? A number from 0 to 1, the share of its short lines that one
   would expect to be debris (`document.describe_documents`).
2. `alone`: how likely is each block debris, by its own features? Every feature has one weight for articles
   and one for pages, mixed by (1).
3. `among`: the same again with what (2) says about the neighbors.

Then strictness: the log-odds that a removal needs at each preset depend on how page-like the document is,
and rise where a document would lose more than documents of its sort do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dedupe.debris.document import describe_documents
from dedupe.debris.features import FEATURE_NAMES, NO_HINTS, Hints, features
from dedupe.debris.layout import FAR, Layout
from dedupe.records import Blocks, Evidence, Floats, Texts

WEIGHTS = "weights.json"
NEIGHBOR_NAMES = (
    "junk-3", "junk-2", "junk-1", "junk+1", "junk+2", "junk+3", "junk_near_2", "junk_near_5", "junk_near_12",
    "to_content_before", "to_content_after", "to_text_before", "to_text_after", "no_text_before", "no_text_after",
    "doc_junk_words", "doc_junk_blocks", "junk_beside_least", "junk_beside_most", "alone",
)
LEVELS = (0.5, 0.7, 0.9)  # confidences of the presets thorough, standard, careful
_REACHES = (2, 5, 12)
_MAX_LOGIT = 8.0
_LINKED = 0.8  # a link for every 80 letters: a menu, not prose
_CONTENT, _SURE_CONTENT, _TEXT_TOKENS = 0.3, 0.2, 15
Numbers = NDArray[np.float64]


class Regression(Struct, frozen=True):
    """Hold one logistic regression: weights float64 (num_inputs,) and bias for articles and for pages.

    A regression without regimes has the same ones twice.
    """

    article: Numbers
    page: Numbers
    article_bias: float
    page_bias: float

    def logits(self, inputs: Floats, page_likeness: Floats) -> Floats:
        """Give log-odds, float32 (num_rows,), of `inputs` (num_rows, num_inputs)."""
        columns = inputs.T  # summed one by one: a matrix product rounds as the size of the batch has it
        article = np.add.reduce(columns * self.article[:, None], axis=0) + self.article_bias
        page = np.add.reduce(columns * (self.page - self.article)[:, None], axis=0)
        page += self.page_bias - self.article_bias
        return np.asarray(article + page_likeness * page, dtype=np.float32)


class Strictness(Struct, frozen=True):
    """Say which log-odds a removal needs.

    `at`: page-likeness of the columns. `needed`: float64 (num_levels, num_columns), log-odds at each
    level of LEVELS; prose, of which a single block is a paragraph lost, needs `prose_more` on top, of the same
    shape. `max_removed`: (num_columns,), share of a document's letters that may go; where more
    would go, the needed log-odds rise by the next of `ladder`. `max_letters`: longer blocks never go.
    `page_blocks`: with fewer lines that are no prose a document counts as an article in proportion.
    `min_prose_letters`: a document with less prose is a table, a log or a list: nothing goes from it.
    """

    at: tuple[float, ...]
    needed: Numbers
    prose_more: Numbers
    max_removed: tuple[float, ...]
    max_prose_removed: float
    ladder: tuple[float, ...]
    max_letters: float
    page_blocks: float
    min_prose_letters: float


class Model(Struct, frozen=True):
    """Hold the three regressions and the strictness."""

    page: Regression
    alone: Regression
    among: Regression
    strictness: Strictness


class Judgement(Struct, frozen=True):
    """Hold what the model thinks of a batch.

    `junk`: float32 (num_blocks,), confidence 0-1 that the block is debris *and may go from this document*;
    a preset removes what reaches its confidence. `logits`: float32 (num_blocks,), log-odds before strictness.
    `page_likeness`: float32 (num_docs,), 0 article, 1 page. `inputs`: float32 (num_blocks, num_inputs), what the
    last regression saw.
    """

    junk: Floats
    logits: Floats
    page_likeness: Floats
    inputs: Floats


def judge(texts: Texts, blocks: Blocks, hints: Hints = NO_HINTS, model: Model | None = None) -> Judgement:
    """Judge every block of a batch. The judgement of a document does not depend on the rest of the batch."""
    model = load_model() if model is None else model
    table = features(texts, blocks, hints)
    return judge_features(table, blocks, model)


def junk_probability(texts: Texts, blocks: Blocks, hints: Hints = NO_HINTS) -> Floats:
    """Give the confidence 0-1 that each block is debris and may go: float32 (num_blocks,).

    Remove at 0.9 (careful), 0.7 (standard) or 0.5 (thorough).
    """
    return judge(texts, blocks, hints).junk


def judge_features(table: Floats, blocks: Blocks, model: Model) -> Judgement:
    """Judge blocks by their features: `table` as `features` gives it."""
    layout = Layout(blocks.doc_start)
    num_docs = len(blocks.doc_start) - 1
    regime = np.zeros(num_docs, np.float32)
    page = _sigmoid(model.page.logits(describe_documents(table, blocks.doc_start), regime))
    of_block = page[layout.doc]
    alone = np.clip(model.alone.logits(table, of_block), -_MAX_LOGIT, _MAX_LOGIT)
    inputs = np.concatenate([table.T, neighbor_features(alone, blocks, layout).T]).T  # columns side by side
    logits = model.among.logits(inputs, of_block)
    junk = _strict(logits, table, layout, page, model.strictness)
    return Judgement(junk=junk, logits=logits, page_likeness=page, inputs=inputs)


def neighbor_features(alone: Floats, blocks: Blocks, layout: Layout) -> Floats:
    """Describe the neighborhood by first judgements: float32 (num_blocks, len(NEIGHBOR_NAMES))."""
    junk = _sigmoid(alone).astype(np.float64)
    words = np.maximum(np.diff(blocks.token_start), 1)
    lean = junk - 0.5
    before, after = layout.shift(lean, -1), layout.shift(lean, 1)
    columns = [layout.shift(lean, -3), layout.shift(lean, -2), before, after]
    columns += [layout.shift(lean, 2), layout.shift(lean, 3)]
    for near, num in zip(layout.windows(junk, _REACHES), layout.windows(np.ones(len(junk)), _REACHES), strict=True):
        columns.append((near - junk) / np.maximum(num - 1, 1) - 0.5 * (num > 1))
    to_content = layout.distances(junk < _CONTENT)[:2]
    to_text = layout.distances((junk < _SURE_CONTENT) & (words >= _TEXT_TOKENS))[:2]
    columns += [np.log2(1 + np.minimum(far, 40)) for far in (*to_content, *to_text)]
    columns += [far >= FAR for far in to_text]
    columns.append(layout.total(junk * words) / np.maximum(layout.total(words), 1))
    columns.append(layout.total(junk) / np.maximum(layout.num, 1))
    columns += [np.minimum(before, after), np.maximum(before, after), alone]
    return np.array(columns, np.float32).T


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float32)


def _strict(logits: Floats, table: Floats, layout: Layout, page: Floats, strictness: Strictness) -> Floats:
    """Turn log-odds into confidences that mean the same in every document."""
    size = np.exp2(table[:, FEATURE_NAMES.index("length")]) - 1
    linked = table[:, FEATURE_NAMES.index("markdown")] > _LINKED
    prose = (table[:, FEATURE_NAMES.index("prose")] > 0) & ~linked
    num_rest = layout.per_document(~prose)
    page = page * np.minimum(num_rest / strictness.page_blocks, 1).astype(np.float32)
    allowed = np.interp(page, strictness.at, strictness.max_removed)
    total, total_prose = layout.per_document(size), layout.per_document(size * prose)
    may_go = (size <= strictness.max_letters) & (total_prose >= strictness.min_prose_letters)[layout.doc]
    needed = []
    for level, more in zip(strictness.needed, strictness.prose_more, strict=True):
        base = np.interp(page, strictness.at, level)[layout.doc]
        base += np.interp(page, strictness.at, more)[layout.doc] * prose
        chosen = np.full(len(page), np.inf)
        for step in strictness.ladder:
            goes = may_go & (logits >= base + step)
            fits = layout.per_document(size * goes) <= allowed * total
            fits &= layout.per_document(size * (goes & prose)) <= strictness.max_prose_removed * total_prose
            chosen = np.where(fits & np.isinf(chosen), step, chosen)
        needed.append(base + chosen[layout.doc])
    return _confidence(logits, needed, may_go)


def _confidence(logits: Floats, needed: list[Numbers], may_go: NDArray[np.bool_]) -> Floats:
    """Bend log-odds so that each level of LEVELS is reached exactly where its needed log-odds are."""
    junk = _sigmoid(logits - np.minimum(needed[0], 100).astype(np.float32)).astype(np.float64)
    junk = np.minimum(junk, np.nextafter(LEVELS[0], 0))
    reached = np.ones(len(logits), np.bool_)
    for row, level in enumerate(LEVELS):
        reached = reached & (logits >= needed[row])
        above = LEVELS[row + 1] if row + 1 < len(LEVELS) else 1.0
        excess = np.maximum(logits - np.where(np.isinf(needed[row]), 0, needed[row]), 0)
        junk = np.where(reached, level + (above - level) * 0.99 * (1 - np.exp(-excess / 2)), junk)
    return np.where(may_go, junk, np.minimum(junk, 0.49)).astype(np.float32)


def explain(
    judgement: Judgement, blocks: Sequence[int], doc: int, limit: int = 5, model: Model | None = None
) -> list[tuple[Evidence, ...]]:
    """Name the features that moved the judgement of blocks most, strongest first, for each block.

    `blocks` are rows of the batch, all of document `doc`. The weight of a piece of evidence is what it added to
    the log-odds, compared with an average block of the training data.
    """
    if not len(blocks):
        return []
    model = load_model() if model is None else model
    page = float(judgement.page_likeness[doc])
    weights = (1 - page) * model.among.article + page * model.among.page
    values = judgement.inputs[np.asarray(blocks)].astype(np.float64)
    parts = weights * (values - average_inputs())
    strongest = np.argsort(-np.abs(parts), axis=1, kind="stable")[:, :limit]
    names = (*FEATURE_NAMES, *NEIGHBOR_NAMES)
    weight = np.take_along_axis(parts, strongest, axis=1).round(3).tolist()
    value = np.take_along_axis(values, strongest, axis=1).round(3).tolist()
    return [
        tuple(Evidence(names[at], *pair) for at, *pair in zip(columns, *each, strict=True))
        for columns, *each in zip(strongest.tolist(), weight, value, strict=True)
    ]


@lru_cache(maxsize=1)
def load_model() -> Model:
    """Load the fitted weights that come with the package."""
    return model_of(_weights())


@lru_cache(maxsize=1)
def average_inputs() -> Numbers:
    """Give the average of each input of the last regression over the training data."""
    return np.array([row["average"] for row in _weights()["among"]["inputs"]])


@lru_cache(maxsize=1)
def _weights() -> dict[str, Any]:
    loaded: dict[str, Any] = msgspec.json.decode(get_data("dedupe", f"data/{WEIGHTS}") or b"")
    return loaded


def model_of(weights: Mapping[str, Any]) -> Model:
    """Make a model of the content of a weights file."""
    parts = {}
    for name in ("page", "alone", "among"):
        rows = weights[name]["inputs"]
        article, page = (np.array([row[regime] for row in rows]) for regime in ("article", "page"))
        parts[name] = Regression(article, page, *weights[name]["bias"])
    strict = weights["strictness"]
    return Model(
        **parts,
        strictness=Strictness(
            at=tuple(strict["page_likeness"]),
            needed=np.array([strict["needed_log_odds"][name] for name in ("thorough", "standard", "careful")]),
            prose_more=np.array([strict["more_for_prose"][name] for name in ("thorough", "standard", "careful")]),
            max_removed=tuple(strict["max_removed_fraction"]),
            max_prose_removed=strict["max_prose_removed_fraction"],
            ladder=tuple(strict["ladder_log_odds"]),
            max_letters=strict["max_letters"],
            page_blocks=strict["page_blocks"],
            min_prose_letters=strict["min_prose_letters"],
        ),
    )
