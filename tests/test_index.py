"""Bands find what they promise, buckets come in keeper order, and probes find documents inside others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.errors import ConfigError
from dedupe.index import band_buckets, choose_bands, containment_candidates, found_fraction
from dedupe.sketch import signatures


def layout(docs):
    start = np.zeros(len(docs) + 1, np.int64)
    np.cumsum([len(doc) for doc in docs], out=start[1:])
    return np.array([value for doc in docs for value in doc], np.uint32), start


def as_lists(buckets):
    return [buckets.docs[a:b].tolist() for a, b in zip(buckets.start, buckets.start[1:], strict=False)]


@pytest.mark.parametrize(
    ("min_resemblance", "num_perm", "bands", "rows"),
    [(0.8, 128, 21, 6), (0.7, 128, 25, 5), (0.9, 128, 12, 10), (1.0, 128, 1, 128), (0.8, 256, 32, 8)]
)
def test_bands_are_the_most_selective_that_find_99_of_100(min_resemblance, num_perm, bands, rows):
    assert choose_bands(min_resemblance, num_perm) == (bands, rows)
    assert found_fraction(min_resemblance, bands, rows) >= 0.9895
    assert rows == num_perm or found_fraction(min_resemblance, num_perm // (rows + 1), rows + 1) < 0.9895


@pytest.mark.parametrize("arguments", [(0.01, 16), (0.0, 128), (1.1, 128), (0.8, 0), (0.8, 128, 1.5), (0.6, 4)])
def test_a_recall_out_of_reach_and_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ConfigError):
        choose_bands(*arguments)


def slow_buckets(rows_of_values, docs, bands, rows):
    found = set()
    for band in range(bands):
        by_key = {}
        for doc in docs:
            by_key.setdefault(tuple(rows_of_values[doc][band * rows : (band + 1) * rows]), []).append(doc)
        found |= {tuple(members) for members in by_key.values() if len(members) > 1}
    return sorted(map(list, found))


@given(
    st.integers(0, 40).flatmap(
        lambda n: st.tuples(
            st.lists(st.lists(st.integers(0, 2), min_size=12, max_size=12), min_size=n, max_size=n),
            st.permutations(range(n)),
        )
    ),
    st.sampled_from([(4, 3), (6, 2), (12, 1), (1, 12)]),
)
@settings(max_examples=150, deadline=None)
def test_buckets_are_those_of_a_dictionary_in_keeper_order_each_once(table_and_order, bands_and_rows):
    table, order = table_and_order
    values = np.array(table, np.uint32).reshape(-1, 12)
    indexed = np.array(order[: len(order) * 3 // 4], np.int64)
    found = band_buckets(values, indexed, *bands_and_rows)
    assert sorted(as_lists(found)) == slow_buckets(table, indexed.tolist(), *bands_and_rows)


def test_signatures_too_short_for_the_bands_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        band_buckets(np.zeros((2, 10), np.uint32), np.arange(2), 4, 3)


def test_a_hundred_thousand_equal_signatures_are_one_bucket():
    found = band_buckets(np.ones((100_000, 128), np.uint32), np.arange(100_000)[::-1], 21, 6)
    assert len(found) == 1
    assert found.docs.tolist() == list(range(99_999, -1, -1))


def test_recall_at_the_threshold_is_what_was_asked():
    random = np.random.default_rng(0)
    docs = []
    for _ in range(1500):  # pairs of resemblance 80 / 100
        values = random.integers(0, 2**32, 100)
        docs += [values[:90], values[10:]]
    rows = signatures(*layout(docs), 128)
    pairs = {tuple(bucket) for bucket in as_lists(band_buckets(rows, np.arange(3000), *choose_bands(0.8)))}
    assert sum((doc, doc + 1) in pairs for doc in range(0, 3000, 2)) / 1500 >= 0.99


def inside(random, fraction, size=100):
    own = random.integers(0, 2**32, size)
    shared = round(size * fraction)
    return own, np.concatenate([random.integers(0, 2**32, 700), own[:shared]])


def test_a_short_document_inside_a_longer_one_is_found_with_its_keeper_first():
    random = np.random.default_rng(1)
    docs = [doc for _ in range(500) for doc in inside(random, 0.8)]
    order = np.concatenate([np.arange(1, 1000, 2), np.arange(0, 1000, 2)])  # the long ones are better keepers
    pairs = containment_candidates(*layout(docs), order, order, 0.8)
    found = set(zip(pairs.inner.tolist(), pairs.outer.tolist(), strict=True))
    assert len(found & {(doc, doc + 1) for doc in range(0, 1000, 2)}) >= 0.99 * 500
    assert len(found) <= 501
    backwards = containment_candidates(*layout(docs), order[::-1], order[::-1], 0.8)
    assert len(backwards) <= 50  # pages are not in their articles; by chance a few samples say so


def test_boilerplate_in_every_document_makes_no_pairs_where_there_is_anything_else():
    random = np.random.default_rng(2)
    menu = random.integers(0, 2**32, 50)
    docs = [np.concatenate([menu, random.integers(0, 2**32, 50 + doc % 7)]) for doc in range(2000)]
    order = np.argsort([-len(doc) for doc in docs], kind="stable")
    assert len(containment_candidates(*layout(docs), order, order, 0.8)) <= 16 * 20


def test_a_teaser_inside_thousands_of_pages_is_found_in_the_first_of_them():
    random = np.random.default_rng(3)
    teaser = random.integers(0, 2**32, 60)
    docs = [np.concatenate([teaser, random.integers(0, 2**32, 100)]) for _ in range(3000)] + [teaser]
    order = np.arange(3001)
    pairs = containment_candidates(*layout(docs), order, order, 0.9)
    of_teaser = pairs.outer[pairs.inner == 3000].tolist()
    assert of_teaser == list(range(16))


def test_a_footer_inside_a_page_is_no_article_of_it():
    """An extractor that failed leaves the last lines of a site; pages that have them too are other articles."""
    random = np.random.default_rng(5)
    for num_shingles, expected in ((45, 0), (46, 1)):
        footer = random.integers(0, 2**32, num_shingles)
        docs = [np.concatenate([random.integers(0, 2**32, 300), footer]), footer]
        assert len(containment_candidates(*layout(docs), np.arange(2), np.arange(1), 0.8)) == expected


def test_only_keepers_are_looked_in_and_an_empty_corpus_has_no_pairs():
    random = np.random.default_rng(4)
    small, large = inside(random, 1.0)
    docs = [large, large[::-1], small]
    pairs = containment_candidates(*layout(docs), np.arange(3), np.array([1]), 0.9)
    assert (pairs.inner.tolist(), pairs.outer.tolist()) == ([2], [1])
    nothing = np.empty(0, np.int64)
    assert len(containment_candidates(*layout([]), nothing, nothing, 0.9)) == 0
    assert len(containment_candidates(*layout([[], []]), nothing, nothing, 0.9)) == 0
    assert len(containment_candidates(*layout([[5], [5, 6]]), np.array([1, 0]), nothing, 0.9)) == 0


def test_repeats_and_order_of_shingles_do_not_change_the_candidates():
    random = np.random.default_rng(5)
    docs = [doc.tolist() for _ in range(50) for doc in inside(random, 0.9, 60)]
    order = np.argsort([-len(doc) for doc in docs], kind="stable")
    twice = [doc[::-1] + doc[:9] for doc in docs]
    pairs, again = (containment_candidates(*layout(version), order, order, 0.8) for version in (docs, twice))
    assert len(pairs) >= 45
    assert (pairs.inner.tolist(), pairs.outer.tolist()) == (again.inner.tolist(), again.outer.tolist())
