"""Seeds that stand once in a corpus: none that stands twice is told, however the corpus is cut into lots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedupe.corpus import sole

LOTS = st.lists(st.lists(st.integers(0, 300), max_size=80), max_size=4)


def told_twice(path: Path, lots: list[np.ndarray], num_bits: int) -> tuple[list[np.ndarray], int]:
    num_left = sole.write_table(path, [sole.marks_of(lot, num_bits) for lot in lots], num_bits)
    table = np.fromfile(path, np.uint8)
    assert 8 * len(table) == 1 << num_bits
    return [sole.comes_twice(table, lot) for lot in lots], num_left


@pytest.mark.parametrize("num_bits", [10, 13])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lots=LOTS)
def test_exactly_those_whose_top_bits_come_twice_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lots: list[list[int]], num_bits: int
):
    monkeypatch.setattr(sole, "_PIECE_BITS", 10)
    seeds = [np.array(lot, np.uint64) << np.uint64(54) | np.arange(len(lot), dtype=np.uint64) for lot in lots]
    found, num_left = told_twice(tmp_path / "table", seeds, num_bits)
    tops = [int(seed) >> (64 - num_bits) for lot in seeds for seed in lot]
    expected = [tops.count(top) > 1 for top in tops]
    assert [each for lot in found for each in lot.tolist()] == expected
    assert num_left == sum(expected)


def test_most_seeds_that_stand_once_are_told(tmp_path: Path):
    chance = np.random.default_rng(1)
    seeds = chance.integers(0, 1 << 64, 200_000, np.uint64)
    lots = [np.concatenate([seeds[:120_000], seeds[:100]]), seeds[110_000:]]
    found, num_left = told_twice(tmp_path / "table", lots, sole.num_bits_for(300_000))
    assert found[0][:100].all()
    assert found[0][110_000:120_000].all()
    assert found[1][:10_000].all()
    assert num_left == sum(int(each.sum()) for each in found) < 20_200 + 14_000


def test_a_corpus_without_seeds_has_a_table(tmp_path: Path):
    assert told_twice(tmp_path / "table", [], 24) == ([], 0)
    (found,), num_left = told_twice(tmp_path / "table", [np.empty(0, np.uint64)], 24)
    assert len(found) == num_left == 0
