"""Say how sure the figures of the debris model are, what each group of evidence is worth, and where it is most wrong.

    python benchmarks/debris_report.py --data DIR --folds FILE

FILE is what `fit_weights.py --cross FILE` wrote: every document is judged by weights that were fitted without its site.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from debris_data import NUM_FOLDS, Labelled, load_extracted, load_pages
from debris_score import LEVEL_OF, STRONGEST, Numbers, ShingleScore, f1, judge_held_out, score_pages
from fit_weights import STRICTNESS
from msgspec import structs

from dedupe.debris.features import FEATURE_NAMES, GROUPS
from dedupe.debris.model import judge_features, model_of
from dedupe.records import Blocks, Flags

PAGE_SAMPLES, ARTICLE_SAMPLES, NUM_WORST = 500, 300, 20
LOSS = 0.01  # of content, where groups of evidence are compared
Folds = Sequence[Mapping[str, Any]]


def page_intervals(one: Labelled, removed: Numbers) -> list[str]:
    """Give content and debris recall of whole pages with 95 % intervals, and the share of damaged pages."""
    gone, chars, doc = removed[one.lines["block"]], one.lines["chars"], one.doc[one.lines["block"]]
    column, num = one.lines["column"], len(one.texts)
    content, kept, junk, caught = (
        np.bincount(doc, chars * rows, minlength=num)
        for rows in (column == 0, (column == 0) & ~gone, column == 1, (column == 1) & gone)
    )
    drawn = np.random.default_rng(1).integers(0, num, (PAGE_SAMPLES, num))
    shown = []
    for part, whole in ((kept, content), (caught, junk)):
        low, high = np.percentile(part[drawn].sum(axis=1) / whole[drawn].sum(axis=1), (2.5, 97.5))
        shown.append(f"{part.sum() / whole.sum():.4f} ({low:.4f}-{high:.4f})")
    return [*shown, f"{score_pages(one, removed)[2]:.1%}"]


def gain_intervals(one: Labelled, scorer: ShingleScore, removed: Numbers) -> list[str]:
    """Give 95 % intervals of the mean gain in F1, over all extractors and over the strongest five."""
    after, kinds, articles = scorer.score(removed), np.array(one.kinds), np.array(one.lines["cluster"])
    names, of_article = sorted(set(one.kinds)), {name: row for row, name in enumerate(sorted(set(articles)))}
    row_of = np.full((len(names), len(of_article)), -1)
    for row, (kind, article) in enumerate(zip(kinds, articles, strict=True)):
        row_of[names.index(kind), of_article[article]] = row
    chance, gains = np.random.default_rng(1), []
    for _ in range(ARTICLE_SAMPLES):
        rows = row_of[:, chance.integers(0, len(of_article), len(of_article))]
        gains.append([_gain(scorer.raw, after, each[each >= 0]) for each in rows])
    strong = [names.index(name) for name in STRONGEST]
    every = np.array(gains)
    means = (every.mean(axis=1), every[:, strong].mean(axis=1))
    return ["{:+.4f} to {:+.4f}".format(*np.percentile(each, (2.5, 97.5))) for each in means]


def _gain(raw: tuple[Numbers, Numbers], new: tuple[Numbers, Numbers], rows: Numbers) -> float:
    return f1(new[0][rows], new[1][rows])[2] - f1(raw[0][rows], raw[1][rows])[2]


def caught_at_loss(one: Labelled, folds: Folds, without: Sequence[str] = ()) -> float:
    """Give the share of debris caught where LOSS of the content goes, the features `without` held at their average."""
    table = one.table.copy()
    for name in without:
        column = FEATURE_NAMES.index(name)
        table[:, column] = table[:, column].mean()
    logits = np.zeros(len(one.blocks))
    for fold in range(NUM_FOLDS):
        rows = (one.fold == fold)[one.doc]
        part = _part(one.blocks, one.fold == fold, rows)
        logits[rows] = judge_features(table[rows], part, model_of({**folds[fold], "strictness": STRICTNESS})).logits
    of_line, chars, column = logits[one.lines["block"]], one.lines["chars"], one.lines["column"]
    order = np.argsort(-of_line[column == 0], kind="stable")
    lost = np.cumsum(chars[column == 0][order]) / chars[column == 0].sum()
    least = of_line[column == 0][order][int(np.searchsorted(lost, LOSS))]
    return float(chars[(column == 1) & (of_line > least)].sum() / chars[column == 1].sum())


def _part(blocks: Blocks, docs: Flags, rows: Flags) -> Blocks:
    """Keep some documents, as far as judging features goes: which blocks they have, and how many tokens those."""
    num_blocks, num_tokens = np.diff(blocks.doc_start)[docs], np.diff(blocks.token_start)[rows]
    return structs.replace(
        blocks, doc_start=np.append(0, np.cumsum(num_blocks)), token_start=np.append(0, np.cumsum(num_tokens))
    )


def worst(sets: Sequence[Labelled], junk: Sequence[Numbers]) -> list[tuple[int, str, float, str]]:
    """List the longest blocks of content that go at `standard`, each text once."""
    found: dict[str, tuple[int, str, float, str]] = {}
    for one, sure in zip(sets, junk, strict=True):
        for row in np.flatnonzero((one.labels == 0) & (sure >= LEVEL_OF["standard"])).tolist():
            raw = one.texts.data[one.blocks.start[row]:one.blocks.end[row]].tobytes()
            text = " ".join(raw.decode("utf-8", "replace").split())
            name = one.kinds[one.doc[row]] if one.name == "extracted" else one.name
            found.setdefault(text[:60], (len(raw), name, float(sure[row]), text[:90]))
    return sorted(found.values(), reverse=True)[:NUM_WORST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    args = parser.parse_args()
    pages = [load_pages(args.data, name) for name in ("zyte", "newspaper4k", "fundus")]
    extracted, human = load_extracted(args.data)
    show([*pages, extracted], human, pickle.loads(args.folds.read_bytes()))


def show(sets: Sequence[Labelled], human: Mapping[str, str], folds: Folds) -> None:
    """Print all of it as rows of the tables in docs/quality.md; the extracted texts are the last set."""
    *pages, extracted = sets
    judged = [judge_held_out(one, folds, STRICTNESS)[0] for one in sets]
    for one, junk in zip(pages, judged, strict=False):
        for preset, level in LEVEL_OF.items():
            print("|", one.name, "|", preset, "|", " | ".join(page_intervals(one, junk >= level)), "|")
    scorer = ShingleScore(extracted, human)
    for preset, level in LEVEL_OF.items():
        print(preset, "mean gain, five strongest:", *gain_intervals(extracted, scorer, judged[-1] >= level), sep="  ")
    for group, names in ({"all evidence": ()} | GROUPS).items():
        print("|", group, "|", " | ".join(f"{caught_at_loss(one, folds, names):.3f}" for one in pages), "|")
    for size, name, sure, text in worst(sets, judged):
        print(f"| {size} | {name} | {sure:.2f} | {text} |")


if __name__ == "__main__":
    main()
