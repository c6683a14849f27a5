"""One article by many extractors is found to be one, and no two articles are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

DATA = os.environ.get("DEDUPE_EVAL_DATA")
BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytestmark = pytest.mark.skipif(not DATA, reason="DEDUPE_EVAL_DATA names no folder of labelled articles")


def test_pairs_of_the_same_article_are_found_and_no_others(monkeypatch: pytest.MonkeyPatch):
    """Texts of the extractors that are good and of people; 98.2 % of the pairs when the floor was set."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    sys.modules.pop("articles_pairs", None)
    from articles_pairs import judge, keepers, texts_of

    texts, articles, names = texts_of(Path(str(DATA)))
    assert len(names) >= 15
    recall, num_pairs, wrong = judge(articles, keepers(texts, 0.8, 0.8))
    assert num_pairs > 10_000
    assert wrong == 0
    assert recall >= 0.975
