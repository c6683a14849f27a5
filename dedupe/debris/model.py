"""Judge blocks: a readable linear model, three logistic regressions one after another.

1. `page`: how page-like is the document? A number from 0 to 1, the share of its short lines that one
   would expect to be debris (`document.describe_documents`).
2. `alone`: how likely is each block debris, by its own features? Every feature has one weight for articles
   and one for pages, mixed by (1).
3. `among`: the same again with what (2) says about the neighbors, and where (2) finds the body (`body`).

Then `strictness`: the log-odds that a removal needs at each preset depend on how page-like the document is, on
how clear its body is, and on whether the block stands in the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from dedupe.debris.body import BODY_NAMES, body_features
from dedupe.debris.document import describe_documents
from dedupe.debris.features import FEATURE_NAMES, NO_HINTS, Hints, features
from dedupe.debris.layout import FAR, Layout, Numbers
from dedupe.debris.strictness import Strictness, confidences, sigmoid
from dedupe.debris.sums import weighted_sums
from dedupe.records import Blocks, Evidence, Floats, Texts

WEIGHTS = "weights.json"
NEIGHBOR_NAMES = (
    "junk-3", "junk-2", "junk-1", "junk+1", "junk+2", "junk+3", "junk_near_2", "junk_near_5", "junk_near_12",
    "to_content_before", "to_content_after", "to_text_before", "to_text_after", "no_text_before", "no_text_after",
    "doc_junk_words", "doc_junk_blocks", "junk_beside_least", "junk_beside_most", "alone",
    *BODY_NAMES,
)
_REACHES = (2, 5, 12)
MAX_LOGIT = 8.0
_CONTENT, _SURE_CONTENT, _TEXT_TOKENS = 0.3, 0.2, 15


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
        article, page = weighted_sums(inputs.T, np.stack([self.article, self.page - self.article]))
        article += self.article_bias
        page += self.page_bias - self.article_bias
        return np.asarray(article + page_likeness * page, dtype=np.float32)


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
    page = sigmoid(model.page.logits(describe_documents(table, blocks.doc_start), regime))
    of_block = page[layout.doc]
    alone = np.clip(model.alone.logits(table, of_block), -MAX_LOGIT, MAX_LOGIT)
    inputs = np.concatenate([table.T, neighbor_features(alone, table, blocks, layout).T]).T  # columns side by side
    logits = model.among.logits(inputs, of_block)
    junk = confidences(logits, table, layout, page, model.strictness)
    return Judgement(junk=junk, logits=logits, page_likeness=page, inputs=inputs)


def neighbor_features(alone: Floats, table: Floats, blocks: Blocks, layout: Layout) -> Floats:
    """Describe the neighborhood and the body by first judgements: float32 (num_blocks, len(NEIGHBOR_NAMES))."""
    junk = sigmoid(alone).astype(np.float64)
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
    doc_junk = layout.total(junk * words) / np.maximum(layout.total(words), 1)
    columns.append(doc_junk)
    columns.append(layout.total(junk) / np.maximum(layout.num, 1))
    columns += [np.minimum(before, after), np.maximum(before, after), alone]
    columns += body_features(alone, table, doc_junk, layout)
    return np.array(columns, np.float32).T


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


def _by_level(rows: Mapping[str, Sequence[float]]) -> Numbers:
    """Stack what the presets need, the boldest first."""
    return np.array([rows[name] for name in ("thorough", "standard", "careful")])


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
            prose_more=_by_level(strict["more_for_prose"]),
            **{place: _by_level(rows) for place, rows in strict["needed_log_odds"].items()},
            max_removed=tuple(strict["max_removed_fraction"]),
            max_prose_removed=strict["max_prose_removed_fraction"],
            ladder=tuple(strict["ladder_log_odds"]),
            text_log_odds=strict["sure_text_log_odds"],
            text_letters=strict["sure_text_letters"],
            clear=tuple(strict["clear_body_fraction"]),
            whole=tuple(strict["whole_body_fraction"]),
            max_letters=strict["max_letters"],
            page_blocks=strict["page_blocks"],
            min_prose_letters=strict["min_prose_letters"],
        ),
    )
