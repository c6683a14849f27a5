"""Signatures equal those of datasketch's affine32, with NumPy and compiled alike."""

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.sketch import (
    BLOCK_SHINGLES,
    EMPTY,
    estimate_resemblance,
    mix,
    permutations,
    signatures,
    to_datasketch,
)


def layout(docs):
    start = np.zeros(len(docs) + 1, np.int64)
    np.cumsum([len(doc) for doc in docs], out=start[1:])
    return np.array([value for doc in docs for value in doc], np.uint32), start


def reference(doc, num_perm, seed):
    sketch = MinHash(num_perm=num_perm, seed=seed, scheme="affine32", hashfunc=int)
    sketch.update_batch(doc)
    return sketch


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize(("num_perm", "seed"), [(128, 1), (128, 7), (1, 1), (37, 2), (256, 1)])
def test_signatures_equal_those_of_datasketch(fast, num_perm, seed):
    random = np.random.default_rng(seed)
    docs = [random.integers(0, 2**32, size).tolist() for size in (1, 2, 3, 31, 32, 33, 500, 0, 5000, 1)]
    docs.append([0, 2**32 - 1, 2**31])
    rows = signatures(*layout(docs), num_perm, seed, fast=fast)
    assert rows.dtype == np.uint32
    assert rows.tolist() == [reference(doc, num_perm, seed).hashvalues.tolist() for doc in docs]


@pytest.mark.parametrize("fast", [False, True])
def test_documents_longer_than_a_block_and_many_short_ones_are_whole(fast):
    random = np.random.default_rng(3)
    docs = [random.integers(0, 2**32, size) for size in [BLOCK_SHINGLES * 2 + 5] + [1] * 70_000 + [9]]
    rows = signatures(*layout(docs), 8, fast=fast)
    factors, addends = permutations(8)
    for doc in (0, 1, 2, 65_535, 65_536, 70_000, 70_001):
        table = mix(docs[doc].astype(np.uint32))[:, None] * factors + addends
        assert rows[doc].tolist() == table.min(axis=0).tolist()


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("docs", [[], [[]], [[], [], []], [[], [5], []], [[5], []]])
def test_empty_corpora_and_documents_without_shingles_have_a_row_of_empty_values(fast, docs):
    rows = signatures(*layout(docs), 16, fast=fast)
    assert rows.shape == (len(docs), 16)
    assert [bool((row == EMPTY).all()) for row in rows] == [not doc for doc in docs]


@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=40), max_size=12), st.randoms())
@settings(max_examples=60, deadline=None)
def test_order_and_repeats_of_shingles_change_nothing(docs, random):
    shuffled = [random.sample(doc, len(doc)) + doc[:3] for doc in docs]
    assert (signatures(*layout(docs), 16, fast=False) == signatures(*layout(shuffled), 16, fast=True)).all()


def test_a_read_only_input_works_compiled():
    shingles, start = layout([[1, 2], [3]])
    shingles.flags.writeable = start.flags.writeable = False
    assert (signatures(shingles, start, fast=True) == signatures(shingles, start, fast=False)).all()


def test_mix_is_a_bijection_on_a_stretch_of_hashes():
    assert len(np.unique(mix(np.arange(1 << 18, dtype=np.uint32)))) == 1 << 18


def test_the_estimate_is_the_fraction_of_equal_values_and_close_to_the_resemblance():
    random = np.random.default_rng(5)
    values = random.integers(0, 2**32, 1500, dtype=np.uint32)
    rows = signatures(*layout([values[:1000], values[200:1200]]), 1024)  # 800 of 1200 shared
    estimate = estimate_resemblance(rows, np.array([0, 0]), np.array([1, 0]))
    assert estimate[1] == 1.0
    assert abs(estimate[0] - 2 / 3) < 4 * (2 / 9 / 1024) ** 0.5


def test_a_signature_goes_to_datasketch_and_works_there():
    docs = [list(range(100)), list(range(20, 120))]
    rows = signatures(*layout(docs), 64, seed=3)
    left, right = (to_datasketch(row, seed=3) for row in rows)
    assert left == reference(docs[0], 64, 3)
    assert left.jaccard(right) == pytest.approx(float(estimate_resemblance(rows, *np.array([[0], [1]]))[0]))
    left.merge(right)
    assert left == reference(docs[0] + docs[1], 64, 3)


def test_shared_permutations_cannot_be_changed():
    """They are drawn once a process; who could write to them would change all signatures after."""
    assert permutations(8, 3) is permutations(8, 3)
    with pytest.raises(ValueError, match="read-only"):
        permutations(8, 3)[0, 0] = 1


def test_no_permutations_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        permutations(0)
