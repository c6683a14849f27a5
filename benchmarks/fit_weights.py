"""Fit the debris model and write dedupe/data/weights.json.

    python benchmarks/fit_weights.py --data DIR            fits on everything and writes the weights
    python benchmarks/fit_weights.py --data DIR --cross    also fits five times, each without a fifth of the sites,
                                                           and prints how the model does on the sites left out

DIR holds pages_zyte, pages_newspaper4k, pages_fundus and articles_extracted (.jsonl.gz), derived from
public benchmarks; docs/quality.md says which. The strictness table at the end of the weights is set by
hand from the figures that --cross prints; everything else is fitted here and comes out the same each time.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import pickle
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from debris_data import NUM_FOLDS, Labelled, load_extracted, load_made_articles, load_pages
from debris_score import report
from numpy.typing import NDArray

from dedupe.debris.document import DOCUMENT_NAMES, describe_documents
from dedupe.debris.features import FEATURE_NAMES
from dedupe.debris.layout import Layout
from dedupe.debris.model import MAX_LOGIT, NEIGHBOR_NAMES, Model, model_of, neighbor_features
from dedupe.debris.strictness import sigmoid
from dedupe.records import Floats

OUT = Path(__file__).parent.parent / "dedupe" / "data" / "weights.json"
FILES = ("pages_zyte", "pages_newspaper4k", "pages_fundus", "articles_extracted")
RIDGE, PAGE_RIDGE = 200.0, 5.0
# A short content line counts this much: lists, tables and headings are what a model loses first.
SHORT_CONTENT_WEIGHT = 3.0
MAX_TOKENS = 60  # longer blocks weigh no more
LONG_PAGE_BLOCKS = 120
LONG_PAGE_SHARE, SHORT_PAGE_SHARE = 0.1, 0.5  # of the extracted texts, 32 of each article, that are used
SET_WEIGHT = {"zyte": 1.0, "newspaper4k": 1.0, "fundus": 1.0, "extracted": 0.5, "made": 0.4}
PAGE_WEIGHT = {"zyte": 1.0, "newspaper4k": 1.0, "fundus": 1.0, "extracted": 0.25, "made": 0.5}
# Log-odds that a removal needs at each preset, by page-likeness; see docs/quality.md for the figures.
STRICTNESS = {
    "page_likeness": [0.0, 0.2, 0.4, 0.6, 0.8, 0.86, 1.0],
    "needed_log_odds": {
        "beside": {  # before or after a body that is clear: content is rare there from about 0 on
            "thorough": [-0.4, -0.3, 0.0, 0.1, -0.2, -0.6, -0.6],
            "standard": [0.0, 0.0, 0.3, 0.5, 0.4, -0.1, -0.3],
            "careful": [2.6, 2.6, 2.8, 3.0, 2.7, 2.3, 2.1],
        },
        "within": {  # short lines between paragraphs: half of them are content up to 2 or 3
            "thorough": [-0.4, -0.2, 0.8, 1.2, 1.2, 1.2, 1.2],
            "standard": [2.0, 2.0, 3.0, 3.0, 3.5, 3.5, 3.5],
            "careful": [2.8, 2.9, 3.5, 4.4, 5.0, 5.0, 5.0],
        },
        "unclear": {
            "thorough": [-0.4, -0.2, 0.5, 0.8, 0.8, 0.8, 0.8],
            "standard": [2.0, 2.0, 3.0, 3.5, 4.0, 4.0, 4.0],
            "careful": [3.0, 3.0, 4.0, 4.5, 5.0, 5.5, 5.5],
        },
    },
    "more_for_prose": {
        "thorough": [0.5, 0.5, 0.6, 0.8, 0.8, 0.8, 0.8],
        "standard": [0.5, 0.5, 0.7, 1.55, 1.55, 1.55, 1.55],
        "careful": [1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5],  # prose that stands once is nothing to be careful with
    },
    "sure_text_log_odds": -1.7,
    "sure_text_letters": 80,
    "clear_body_fraction": [0.3, 0.6],
    "whole_body_fraction": [0.7, 0.95],
    "max_removed_fraction": [0.09, 0.09, 0.11, 0.25, 0.65, 0.97, 1.0],
    "max_prose_removed_fraction": 0.65,
    "ladder_log_odds": [0.0, 1.0, 2.0, 3.5],
    "max_letters": 1500,
    "page_blocks": 20,
    "min_prose_letters": 300,
}
Numbers = NDArray[np.float64]


def fit(inputs: Floats, target: Floats, weight: Floats, ridge: float) -> Numbers:
    """Fit a logistic regression by damped Newton steps: float64 (num_inputs + 1,), the bias last."""
    both = np.concatenate([inputs, np.ones((len(inputs), 1), np.float32)], axis=1)
    penalty = np.full(both.shape[1], ridge)
    penalty[-1] = 1e-3
    beta = np.zeros(both.shape[1])
    logits, loss = np.zeros(len(both)), np.inf
    for _ in range(25):
        share = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        slope = both.T @ (weight * (target - share)).astype(np.float32) - penalty * beta
        curve = np.maximum(weight * share * (1 - share), 1e-4 * weight).astype(np.float32)
        hessian = ((both * curve[:, None]).T @ both).astype(np.float64) + np.diag(penalty)
        step, size = np.linalg.solve(hessian, slope.astype(np.float64)), 1.0
        while True:
            new = beta + size * step
            new_logits = (both @ new.astype(np.float32)).astype(np.float64)
            fit_loss = float((weight * (np.logaddexp(0, new_logits) - target * new_logits)).sum())
            new_loss = fit_loss + 0.5 * float((penalty * new * new).sum())
            if new_loss <= loss or size < 1e-3:
                break
            size /= 2
        done = loss - new_loss < 1e-4 * abs(new_loss)
        beta, logits, loss = new, new_logits, new_loss
        if done:
            break
    return beta


def fit_regression(names: Sequence[str], parts: Sequence[tuple[Any, ...]], ridge: float) -> dict[str, Any]:
    """Fit one regression, with weights for both regimes where `parts` say how page-like each row is.

    Each part is (inputs, target, weight, page_likeness or None). Returns what goes into the weights file.
    """
    inputs, target, weight = (np.concatenate([part[column] for part in parts]) for column in range(3))
    mean = np.average(inputs, axis=0, weights=weight)
    spread = np.sqrt(np.average((inputs - mean) ** 2, axis=0, weights=weight)) + 1e-3
    scaled = ((inputs - mean) / spread).astype(np.float32)
    size = len(names)
    if parts[0][3] is None:
        beta = fit(scaled, target, weight, ridge)
        article, page, bias, page_bias = beta[:size], beta[:size], beta[-1], beta[-1]
    else:
        likeness = np.concatenate([part[3] for part in parts])[:, None]
        beta = fit(np.concatenate([scaled, scaled * likeness, likeness], axis=1), target, weight, ridge)
        article, page = beta[:size], beta[:size] + beta[size : 2 * size]
        bias, page_bias = beta[-1], beta[-1] + beta[-2]
    rows = [
        {"name": name, "article": _round(article[row] / spread[row]), "page": _round(page[row] / spread[row]),
         "average": _round(mean[row])}
        for row, name in enumerate(names)
    ]
    shift = [float((side / spread * mean).sum()) for side in (article, page)]
    return {"bias": [_round(bias - shift[0]), _round(page_bias - shift[1])], "inputs": rows}


def _round(number: float) -> float:
    return float(f"{number:.5g}")


def block_weights(one: Labelled) -> Floats:
    """Weigh blocks: longer ones more, short content most, and no document for its length alone."""
    tokens = np.clip(np.diff(one.blocks.token_start), 1, MAX_TOKENS)
    weight = np.sqrt(tokens) * (one.labels >= 0) * SET_WEIGHT[one.name]
    prose = one.table[:, FEATURE_NAMES.index("prose")] > 0
    weight = np.where((one.labels == 0) & ~prose, weight * SHORT_CONTENT_WEIGHT, weight)
    clean = np.array([kind == "clean" for kind in one.kinds])[one.doc]
    weight = np.where(clean, weight * 2, weight)
    total = np.bincount(one.doc, weight, minlength=len(one.texts))
    return (3 * weight / np.maximum(total[one.doc], 1) ** 0.3).astype(np.float32)


def page_targets(one: Labelled) -> tuple[Numbers, Numbers]:
    """Give the share of debris among the lines that are not prose, by document, and its weight."""
    rest = (one.labels >= 0) & (one.table[:, FEATURE_NAMES.index("prose")] == 0)
    tokens = np.clip(np.diff(one.blocks.token_start), 1, 30)
    junk, both, lines = (
        np.bincount(one.doc, value * rest, minlength=len(one.texts)) for value in (tokens * one.labels, tokens, rest)
    )
    return junk / np.maximum(both, 1), np.log2(1 + lines) * PAGE_WEIGHT[one.name]


def used(one: Labelled, left_out: Collection[int]) -> NDArray[np.bool_]:
    """Choose the blocks to fit on, none of the folds that are left out."""
    share = np.random.default_rng(0).random(len(one.texts))
    if one.name == "extracted":
        long = np.diff(one.blocks.doc_start) > LONG_PAGE_BLOCKS
        docs = share < np.where(long, LONG_PAGE_SHARE, SHORT_PAGE_SHARE)
    else:
        docs = np.ones(len(one.texts), np.bool_)
    docs &= ~np.isin(one.fold, list(left_out))
    return docs[one.doc] & (one.labels >= 0)


class Fitting:
    """Fit the three regressions, one after another; what judges first is fitted once for each choice of folds left out.

    The last regression learns from first judgements of sites that those were not fitted on, as it meets them later.
    """

    def __init__(self, sets: Sequence[Labelled]) -> None:
        self.sets = sets
        self._described = [describe_documents(one.table, one.blocks.doc_start) for one in sets]
        self._labels = [one.labels.astype(np.float32) for one in sets]
        self._values = [block_weights(one) for one in sets]
        self._first: dict[frozenset[int], dict[str, Any]] = {}

    def weights(self, held_out: int | None = None) -> dict[str, Any]:
        """Fit all weights, without the fold `held_out`."""
        left_out = frozenset(() if held_out is None else [held_out])
        judged = [self._judge_first(row, left_out) for row in range(len(self.sets))]
        names = (*FEATURE_NAMES, *NEIGHBOR_NAMES)
        parts = []
        for row, one in enumerate(self.sets):
            alone, likeness = judged[row]
            near = neighbor_features(alone, one.table, one.blocks, Layout(one.blocks.doc_start))
            kept = used(one, left_out)
            inputs = np.concatenate([one.table[kept], near[kept]], axis=1)
            parts.append((inputs, self._labels[row][kept], self._values[row][kept], likeness[kept]))
        return self._fit_first(left_out) | {"among": fit_regression(names, parts, RIDGE), "strictness": STRICTNESS}

    def _judge_first(self, row: int, left_out: frozenset[int]) -> tuple[Floats, Floats]:
        """Give log-odds and page-likeness of the blocks of one set, each by weights fitted without its fold."""
        one = self.sets[row]
        alone, likeness = np.zeros(len(one.blocks), np.float32), np.zeros(len(one.blocks), np.float32)
        for fold in range(NUM_FOLDS):
            of_fold = (one.fold == fold)[one.doc]
            model = _first_model(self._fit_first(left_out | {fold}))
            page = self._likeness(row, model)[one.doc][of_fold]
            likeness[of_fold] = page
            alone[of_fold] = np.clip(model.alone.logits(one.table[of_fold], page), -MAX_LOGIT, MAX_LOGIT)
        return alone, likeness

    def _fit_first(self, left_out: frozenset[int]) -> dict[str, Any]:
        """Fit what judges documents, and blocks by themselves."""
        if left_out not in self._first:
            parts: list[tuple[Any, ...]] = []
            for one, inputs in zip(self.sets, self._described, strict=True):
                target, weight = page_targets(one)
                kept = (weight > 0) & ~np.isin(one.fold, list(left_out))
                parts.append((inputs[kept], target[kept].astype(np.float32), weight[kept].astype(np.float32), None))
            first: dict[str, Any] = {"page": fit_regression(DOCUMENT_NAMES, parts, PAGE_RIDGE)}
            model, parts = _first_model(first), []
            for row, one in enumerate(self.sets):
                kept = used(one, left_out)
                page = self._likeness(row, model)[one.doc][kept]
                parts.append((one.table[kept], self._labels[row][kept], self._values[row][kept], page))
            self._first[left_out] = first | {"alone": fit_regression(FEATURE_NAMES, parts, RIDGE)}
        return self._first[left_out]

    def _likeness(self, row: int, model: Model) -> Floats:
        inputs = self._described[row]
        return sigmoid(model.page.logits(inputs, np.zeros(len(inputs), np.float32)))


def _first_model(weights: dict[str, Any]) -> Model:
    """Make a model that knows nothing of neighbors."""
    blank = {"bias": [0.0, 0.0], "inputs": []}
    return model_of({"alone": blank, "among": blank, "strictness": STRICTNESS} | weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cross", type=Path, metavar="FILE", help="cross-validate; keep the fold's weights in FILE")
    args = parser.parse_args()
    pages = [load_pages(args.data, name) for name in ("zyte", "newspaper4k", "fundus")]
    extracted, human = load_extracted(args.data)
    sets = [*pages, extracted, load_made_articles(args.data)]
    fitting = Fitting(sets)
    if args.cross:
        folds = [fitting.weights(fold) for fold in range(NUM_FOLDS)]
        args.cross.write_bytes(pickle.dumps(folds))
        report(sets, human, folds, STRICTNESS)
    source = {
        "data": {name: hashlib.sha256((args.data / f"{name}.jsonl.gz").read_bytes()).hexdigest() for name in FILES},
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": "python benchmarks/fit_weights.py --data DIR",
    }
    OUT.write_text(json.dumps({"source": source} | fitting.weights(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
