"""Hold the quality reached on labelled articles: floors pinned by benchmarks/quality.py with the data's hash."""

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DATA = os.environ.get("DEDUPE_EVAL_DATA")
FLOORS = json.loads((ROOT / "tests" / "quality_floors.json").read_text())

pytestmark = pytest.mark.skipif(not DATA, reason="DEDUPE_EVAL_DATA names no folder of labelled articles")


@pytest.fixture(scope="module")
def quality():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import quality as module
    finally:
        sys.path.pop(0)
    return module


@pytest.fixture(scope="module")
def measured(quality):
    return quality.measure(Path(DATA), quality.GATED)


def test_the_floors_were_pinned_on_these_articles(measured):
    assert measured[1] == FLOORS["sha256"], "other data: measure and pin again with benchmarks/quality.py --pin"


@pytest.mark.parametrize("name", sorted(FLOORS["floors"]))
@pytest.mark.parametrize("key", ["f1_gain", "recall_change"])
def test_no_extractor_falls_below_its_floor(quality, measured, name, key):
    assert measured[0][name][key] >= FLOORS["floors"][name][key] - quality.SLACK
