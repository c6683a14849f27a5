"""Score judgements of the debris model on labelled sets, as the sets' own benchmarks do.

Whole pages: by characters of lines, content kept and debris removed. Extracted texts: multisets of
4-token shingles against the human text, precision and recall averaged over articles, F1 of the averages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from debris_data import Labelled
from numpy.typing import NDArray

from dedupe.debris.features import FEATURE_NAMES
from dedupe.debris.model import judge_features, model_of

_WORD = re.compile(r"\w+")
LEVEL_OF = {"thorough": 0.5, "standard": 0.7, "careful": 0.9}
STRONGEST = ("trafilatura", "rs_trafilatura", "newspaper", "readability_js", "go_trafilatura")
_GOOD = 0.7  # raw precision of an extractor that already gives articles
_SITE_CONFIDENCE = 0.02  # a line that other pages of the host hold goes unless the model is this sure of it
Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]


class ShingleScore:
    """Score which blocks of the extracted texts stay: precision and recall per document."""

    def __init__(self, one: Labelled, human: Mapping[str, str]) -> None:
        ids: dict[str, int] = {}
        words: list[int] = []
        block: list[int] = []
        for row in range(len(one.blocks)):
            text = one.texts.data[one.blocks.start[row] : one.blocks.end[row]].tobytes().decode("utf-8", "replace")
            found = [ids.setdefault(word, len(ids) + 1) for word in _WORD.findall(text)]
            words += found
            block += [row] * len(found)
        names = sorted(human)
        targets = [[ids.setdefault(word, len(ids) + 1) for word in _WORD.findall(human[name])] for name in names]
        target_doc = np.repeat(np.arange(len(names)), [len(target) for target in targets])
        joined = np.array([word for target in targets for word in target], np.uint64)
        keys, doc = _shingles(joined, target_doc)
        self.known, self.num_known = np.unique(_salted(keys, doc), return_counts=True)
        place = {name: row for row, name in enumerate(names)}
        self.target = np.array([place[name] for name in one.lines["cluster"]])
        self.num_target = np.bincount(doc, minlength=len(names))[self.target]
        self.words, self.block = np.array(words, np.uint64), np.array(block)
        self.doc = one.doc[self.block]
        self.raw = self.score(np.zeros(len(one.blocks), np.bool_))

    def score(self, removed: Flags) -> tuple[Numbers, Numbers]:
        stays = ~removed[self.block]
        keys, doc = _shingles(self.words[stays], self.doc[stays])
        salted = _salted(keys, self.target[doc])
        at = np.minimum(np.searchsorted(self.known, salted), len(self.known) - 1)
        hit = self.known[at] == salted
        pair, times = np.unique(doc[hit] * len(self.known) + at[hit], return_counts=True)
        num_docs = len(self.target)
        shared = np.bincount(
            pair // len(self.known), np.minimum(times, self.num_known[pair % len(self.known)]), minlength=num_docs
        )
        num = np.bincount(doc, minlength=num_docs)
        precision = np.where(num > 0, shared / np.maximum(num, 1), np.nan)
        return precision, np.where(self.num_target > 0, shared / np.maximum(self.num_target, 1), 1.0)


def _shingles(words: NDArray[np.uint64], doc: NDArray[np.int64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    same = doc[:-3] == doc[3:]
    keys = np.zeros(len(words) - 3, np.uint64)
    for step in range(4):
        keys = (keys ^ (keys >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15) + words[step : len(words) - 3 + step]
    return keys[same], doc[:-3][same]


def _salted(keys: NDArray[np.uint64], doc: NDArray[np.int64]) -> NDArray[np.uint64]:
    return (keys ^ (doc.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F))) * np.uint64(0xD6E8FEB86659FD93)


def f1(precision: Numbers, recall: Numbers) -> tuple[float, float, float]:
    p, r = float(np.nanmean(precision)), float(np.mean(recall))
    return p, r, 2 * p * r / (p + r)


def score_pages(one: Labelled, removed: Flags) -> tuple[float, float, float]:
    """Give content recall, debris recall and the fraction of documents that lost over 20 % of their content."""
    gone, chars = removed[one.lines["block"]], one.lines["chars"]
    content, junk = one.lines["column"] == 0, one.lines["column"] == 1
    doc = one.doc[one.lines["block"]]
    kept, all_of = np.bincount(doc, chars * (content & ~gone)), np.bincount(doc, chars * content)
    damaged = float(np.mean((all_of > 0) & (kept < 0.8 * all_of)))
    return float(kept.sum() / all_of.sum()), float(chars[junk & gone].sum() / chars[junk].sum()), damaged


def judge_held_out(
    one: Labelled, folds: Sequence[Mapping[str, Any]], strictness: Mapping[str, Any]
) -> tuple[Numbers, Numbers]:
    """Judge each document with the weights fitted without its site: confidences and page-likeness by block."""
    junk, page = np.zeros(len(one.blocks)), np.zeros(len(one.blocks))
    for fold, weights in enumerate(folds):
        judged = judge_features(one.table, one.blocks, model_of({**weights, "strictness": strictness}))
        rows = (one.fold == fold)[one.doc]
        junk[rows] = judged.junk[rows]
        page[rows] = judged.page_likeness[one.doc][rows]
    return junk, page


def report(sets: Sequence[Labelled], human: Mapping[str, str], folds: Sequence[Mapping[str, Any]],
           strictness: Mapping[str, Any]) -> None:
    """Print what each preset does on sites that it was not fitted on."""
    for one in sets:
        junk, _ = judge_held_out(one, folds, strictness)
        if one.name == "extracted":
            report_extracted(one, ShingleScore(one, human), junk)
            continue
        on_host = one.table[:, FEATURE_NAMES.index("on_host")] > 0
        for preset, level in LEVEL_OF.items():
            removed = junk >= level
            if one.name == "made":
                report_made(one, preset, removed)
                continue
            both = removed | (on_host & (junk >= _SITE_CONFIDENCE))
            print(f"{one.name:12} {preset:9}", *(f"{x:.4f}" for x in score_pages(one, removed)),
                  "with site rule", *(f"{x:.4f}" for x in score_pages(one, both)))


def report_made(one: Labelled, preset: str, removed: Flags) -> None:
    kinds = np.array(one.kinds)[one.doc]
    tokens = np.diff(one.blocks.token_start)
    for kind in ("clean", "between", "around", "sampled", "human"):
        lost, caught = (
            (tokens * (kinds == kind) * (one.labels == label) * removed).sum()
            / max(1, (tokens * (kinds == kind) * (one.labels == label)).sum()) for label in (0, 1)
        )
        print(f"made {kind:8} {preset:9} content lost {lost:.4f} debris caught {caught:.3f}")


def report_extracted(one: Labelled, scorer: ShingleScore, junk: Numbers) -> None:
    kinds = np.array(one.kinds)
    for preset, level in LEVEL_OF.items():
        precision, recall = scorer.score(junk >= level)
        rows = {}
        for name in sorted(set(one.kinds)):
            mine = kinds == name
            rows[name] = (f1(scorer.raw[0][mine], scorer.raw[1][mine]), f1(precision[mine], recall[mine]))
        print(f"== extracted texts, {preset}")
        for name, (raw, new) in sorted(rows.items(), key=lambda row: -row[1][0][2]):
            change = f"{new[2] - raw[2]:+.4f} recall {new[1] - raw[1]:+.4f}"
            print(f"{name:22}", *(f"{x:.3f}" for x in (*raw, *new)), change)
        gain = {name: new[2] - raw[2] for name, (raw, new) in rows.items()}
        loss = {name: new[1] - raw[1] for name, (raw, new) in rows.items()}
        strong = [gain[name] for name in STRONGEST]
        print(f"mean F1 gain {np.mean(list(gain.values())):+.4f}, five strongest {np.mean(strong):+.4f}")
        for least in (0.0, _GOOD):
            some = [name for name, (raw, _) in rows.items() if raw[0] >= least]
            print(f"precision >= {least}: {len(some)}, worst F1 change {min(gain[name] for name in some):+.4f},",
                  f"worst recall change {min(loss[name] for name in some):+.4f}")
