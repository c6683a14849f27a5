"""The rule of stars gives what sets, a loop and all pairs give, whatever the order of arrival."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.cluster import (
    Criteria,
    exact_copies,
    keeper_order,
    near_duplicate_clusters,
    representatives,
)
from dedupe.cluster.parts import clusters_in_parts
from dedupe.cluster.sets import shingle_sets
from dedupe.errors import ConfigError
from dedupe.index import band_buckets, choose_bands, containment_candidates
from dedupe.sketch import signatures

BOTH = pytest.mark.parametrize("fast", [False, True])


def layout(docs):
    start = np.zeros(len(docs) + 1, np.int64)
    np.cumsum([len(doc) for doc in docs], out=start[1:])
    return np.concatenate([np.asarray(doc, np.uint32) for doc in docs] or [np.empty(0, np.uint32)]), start


def content_hashes(docs):
    return np.array([hash(tuple(int(value) for value in doc)) & (2**64 - 1) for doc in docs], np.uint64)


def clusters_of(docs, ids=None, criteria=None, fast=False, keep_longest=True):
    """Run the whole way from shingles to keepers, as the pipeline does."""
    criteria = criteria or Criteria()
    shingles, start = layout(docs)
    ids = np.arange(len(docs)) if ids is None else np.asarray(ids)
    order = keeper_order(ids, np.diff(start) if keep_longest else None)
    rows = signatures(shingles, start, fast=False)
    stands = exact_copies(content_hashes(docs), start, order, rows)
    taking_part = representatives(stands, start, order)
    buckets = band_buckets(rows, taking_part, *choose_bands(criteria.min_resemblance))
    run = {"criteria": criteria, "stands": stands, "fast": fast}
    arrays = (shingles, start, rows, taking_part, buckets.start, buckets.docs)
    clusters = near_duplicate_clusters(*arrays, **run)
    if criteria.min_containment is not None:
        kept = taking_part[clusters.keeper[taking_part] == taking_part]
        pairs = containment_candidates(shingles, start, taking_part, kept, criteria.min_containment)
        clusters = near_duplicate_clusters(*arrays, inner=pairs.inner, outer=pairs.outer, **run)
    return clusters


def slow_keepers(docs, order, is_candidate, criteria):
    """Apply the rule with sets and loops."""
    keeper, kept = list(range(len(docs))), []
    for doc in order:
        own = set(docs[doc])
        for other in kept:
            common = len(own & set(docs[other]))
            alike = common >= criteria.min_resemblance * len(own | set(docs[other]))
            held = criteria.min_containment is not None and common >= criteria.min_containment * len(own)
            if own and is_candidate(doc, other) and (alike or held):
                keeper[doc] = other
                break
        if keeper[doc] == doc and own:
            kept.append(doc)
    return keeper


def families(random, num_families, size, least=0.6):
    """Make families of documents that share from `least` of their shingles up to all, in mixed order."""
    docs = []
    for _ in range(num_families):
        root = random.integers(0, 2**32, size)
        for _ in range(random.integers(1, 8)):
            doc = root.copy()
            changed = random.integers(0, round(size * (1 - least)) + 1)
            doc[random.permutation(size)[:changed]] = random.integers(0, 2**32, changed)
            docs.append(doc[: size - int(random.integers(0, 5))].tolist())
    return [docs[row] for row in random.permutation(len(docs))]


@BOTH
@pytest.mark.parametrize("min_containment", [None, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_given_one_bucket_of_everything_the_keepers_are_those_of_all_pairs(fast, min_containment, seed):
    docs = families(np.random.default_rng(seed), 12, 80)
    shingles, start = layout(docs)
    criteria = Criteria(min_containment=min_containment, max_keepers=len(docs), max_counted=len(docs))
    order = keeper_order(np.arange(len(docs)), np.diff(start))
    found = near_duplicate_clusters(
        shingles, start, signatures(shingles, start, 512), order, np.array([0, len(docs)]), order,
        criteria=criteria, fast=fast,
    )  # fmt: skip
    assert found.keeper.tolist() == slow_keepers(docs, order.tolist(), lambda doc, other: True, criteria)
    for doc, keeper in enumerate(found.keeper.tolist()):
        common = len(set(docs[doc]) & set(docs[keeper]))
        assert found.resemblance[doc] == common / len(set(docs[doc]) | set(docs[keeper]))
        assert found.containment[doc] == common / len(set(docs[doc]))


@BOTH
@pytest.mark.parametrize("seed", range(4))
def test_random_buckets_and_pairs_give_the_keepers_of_the_loop(fast, seed):
    random = np.random.default_rng(100 + seed)
    docs = families(random, 10, 60, least=0.75)
    shingles, start = layout(docs)
    order = random.permutation(len(docs))
    members = [np.sort(random.permutation(len(docs))[: random.integers(2, 30)]) for _ in range(25)]
    pairs = np.unique(np.sort(random.integers(0, len(docs), (40, 2))), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    outer, inner = order[pairs[:, 0]], order[pairs[:, 1]]
    together = {(int(order[a]), int(order[b])) for bucket in members for a in bucket for b in bucket}
    together |= set(zip(inner.tolist(), outer.tolist(), strict=True))
    criteria = Criteria(min_resemblance=0.7, min_containment=0.8, max_keepers=len(docs), max_counted=len(docs))
    bucket_start = np.concatenate([[0], np.cumsum([len(bucket) for bucket in members])])
    found = near_duplicate_clusters(
        shingles, start, signatures(shingles, start, 512), order, bucket_start, order[np.concatenate(members)],
        criteria=criteria, inner=inner, outer=outer, fast=fast,
    )  # fmt: skip
    expected = slow_keepers(docs, order.tolist(), lambda doc, other: (doc, other) in together, criteria)
    assert found.keeper.tolist() == expected


@BOTH
@pytest.mark.parametrize("min_resemblance", [0.7, 0.8])
def test_recall_is_99_of_100_and_every_removal_is_right(fast, min_resemblance):
    random = np.random.default_rng(7)
    docs = families(random, 150, 120)
    criteria = Criteria(min_resemblance=min_resemblance)
    found = clusters_of(docs, criteria=criteria, fast=fast)
    order = keeper_order(np.arange(len(docs)), np.array([len(doc) for doc in docs])).tolist()
    expected = slow_keepers(docs, order, lambda doc, other: True, criteria)
    gone = [doc for doc, keeper in enumerate(expected) if keeper != doc]
    assert sum(found.keeper[doc] != doc for doc in gone) >= 0.99 * len(gone)
    assert (found.resemblance >= min_resemblance).all()
    assert (found.keeper[found.keeper] == found.keeper).all()


@BOTH
def test_a_chain_is_not_closed(fast):
    values = list(range(1000, 1140))
    docs = [values[:100], values[8:108], values[16:116], values[24:124]]  # .85 to the next, .72 to the one after
    found = clusters_of(docs, fast=fast)
    assert found.keeper.tolist() == [0, 0, 2, 2]


@BOTH
def test_an_article_inside_a_longer_page_goes_for_it_and_never_the_page_for_the_article(fast):
    random = np.random.default_rng(8)
    article = random.integers(0, 2**32, 90).tolist()
    page = article + random.integers(0, 2**32, 600).tolist()
    docs = [article, page]
    assert clusters_of(docs, fast=fast).keeper.tolist() == [0, 1]
    criteria = Criteria(min_containment=0.9)
    found = clusters_of(docs, criteria=criteria, fast=fast)
    assert found.keeper.tolist() == [1, 1]
    assert (found.containment[0], round(found.resemblance[0], 3)) == (1.0, round(90 / 690, 3))
    assert clusters_of(docs, criteria=criteria, fast=fast, keep_longest=False).keeper.tolist() == [0, 1]


@BOTH
def test_copies_of_a_keeper_that_goes_for_a_longer_page_find_keepers_they_match_themselves(fast):
    random = np.random.default_rng(9)
    article = random.integers(0, 2**32, 200).tolist()
    version = article[:180] + random.integers(0, 2**32, 15).tolist()  # like the article, and not inside the page
    page = article + random.integers(0, 2**32, 900).tolist()
    copies = [version[: 195 - step] for step in range(4)]
    found = clusters_of([*copies, article, page, article], criteria=Criteria(min_containment=0.95), fast=fast)
    assert found.keeper.tolist() == [0, 0, 0, 0, 5, 5, 5]
    assert found.containment[[1, 4, 6]].min() >= 0.95


@BOTH
@pytest.mark.parametrize("docs", [[], [[]], [[], []], [[], [3], [], [3]], [[1], [2]], [[4, 4, 4], [4]]])
def test_documents_without_shingles_match_nothing(fast, docs):
    found = clusters_of(docs, criteria=Criteria(min_containment=0.9), fast=fast)
    expected = {4: [0, 1, 2, 1], 2: [0, 1]}.get(len(docs), [0])[: len(docs)]
    if docs == [[4, 4, 4], [4]]:
        expected = [0, 0]
    assert found.keeper.tolist() == expected
    assert (found.resemblance == 1).all()


@BOTH
def test_a_hundred_thousand_identical_documents_take_no_time(fast):
    begin = time.process_time()
    found = clusters_of([[5, 6, 7]] * 100_000, ids=np.arange(100_000)[::-1], fast=fast)
    assert (found.keeper == 99_999).all()
    assert time.process_time() - begin < 5


def test_a_forged_content_hash_does_not_make_a_copy():
    docs = [[1, 2, 3], [4, 5, 6], [1, 2, 3], []]
    shingles, start = layout(docs)
    same = np.zeros(4, np.uint64)
    rows = signatures(shingles, start, 16)
    assert exact_copies(same, start, np.arange(4)).tolist() == [0, 0, 0, 3]
    assert exact_copies(same, start, np.arange(4), rows).tolist() == [0, 1, 0, 3]


def near_equal(num_docs, size, changed, seed=10):
    random = np.random.default_rng(seed)
    docs = np.tile(random.integers(0, 2**32, size, dtype=np.uint32), (num_docs, 1))
    columns = np.argsort(random.random((num_docs, size), dtype=np.float32), axis=1)[:, :changed]
    docs[np.arange(num_docs)[:, None], columns] = random.integers(0, 2**32, columns.shape, dtype=np.uint32)
    return docs


@BOTH
@pytest.mark.parametrize(("changed", "num_kept"), [(2, 1), (9, 20_000)])
def test_a_bucket_of_thousands_is_never_compared_all_with_all(fast, changed, num_kept):
    docs = near_equal(20_000, 60, changed)  # resemblance .87, which matches, and .54, which shares buckets and does not
    shingles, start = docs.ravel(), np.arange(20_001) * 60
    rows = signatures(shingles, start, 128)
    order = np.arange(20_000)
    begin = time.process_time()
    found = near_duplicate_clusters(
        shingles, start, rows, order, np.array([0, 20_000]), order, criteria=Criteria(max_keepers=8), fast=fast
    )
    assert time.process_time() - begin < 20
    assert abs(int((found.keeper == order).sum()) - num_kept) <= 3
    assert (found.resemblance[found.keeper != order] >= 0.8).all()


@pytest.mark.parametrize("max_counted", [1, 3, 12])
def test_both_ways_count_the_same_candidates_where_there_are_too_many(max_counted):
    docs = near_equal(500, 60, 4)  # around the threshold: many may match, some do
    shingles, start, order = docs.ravel(), np.arange(501) * 60, np.arange(500)
    rows = signatures(shingles, start, 128)
    criteria = Criteria(max_keepers=60, max_counted=max_counted)
    slow, fast = (
        near_duplicate_clusters(
            shingles, start, rows, order, np.array([0, 500]), order, criteria=criteria, fast=way
        ).keeper.tolist()
        for way in (False, True)
    )
    assert slow == fast
    assert 1 < len(set(fast)) < 500


@given(st.integers(0, 10_000), st.randoms(use_true_random=False), st.sampled_from([None, 0.85]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_the_order_of_arrival_changes_nothing(seed, shuffler, min_containment, keep_longest):
    docs = families(np.random.default_rng(seed), 6, 40)
    docs += [docs[0], [], docs[-1][:30], docs[-1] + list(range(100))]
    ids = np.arange(len(docs))
    shuffled = shuffler.sample(range(len(docs)), len(docs))
    criteria = Criteria(min_resemblance=0.7, min_containment=min_containment, max_keepers=3, max_counted=2)
    first = clusters_of(docs, ids, criteria, fast=False, keep_longest=keep_longest)
    again = clusters_of([docs[row] for row in shuffled], ids[shuffled], criteria, True, keep_longest)
    assert ids[shuffled][again.keeper].tolist() == first.keeper[shuffled].tolist()
    assert again.resemblance.tolist() == first.resemblance[shuffled].tolist()
    assert again.containment.tolist() == first.containment[shuffled].tolist()
    assert (first.containment >= first.resemblance).all()


@pytest.mark.parametrize(
    ("ids", "key", "largest_first", "expected"),
    [
        (["b", "a"], None, True, [1, 0]),
        ([], None, True, []),
        (["x", "y", "z"], [1, 3, 2], True, [1, 2, 0]),
        (["x", "y", "z"], [1, 3, 2], False, [0, 2, 1]),
        (["c", "b", "a"], [7, 7, 9], True, [2, 1, 0]),
        (["a", "b", "c"], [float("nan"), 1.0, 2.0], True, [2, 1, 0]),
        (["a", "b", "c"], [float("nan"), 2.0, 1.0], False, [2, 1, 0]),
        (["ä", "z", "a"], None, True, [2, 1, 0]),
    ],
)
def test_keeper_order_follows_the_key_then_the_id(ids, key, largest_first, expected):
    array = None if key is None else np.array(key)
    assert keeper_order(ids, array, largest_first=largest_first).tolist() == expected


def test_sets_are_sorted_distinct_and_their_overlaps_exact_across_slices():
    random = np.random.default_rng(11)
    docs = [random.integers(0, 4000, size) for size in random.integers(0, 3000, 400)]
    docs.append(random.integers(0, 2**32, 1_200_000))  # longer than a slice
    sets = shingle_sets(*layout(docs), np.arange(len(docs)))
    assert sets.sizes.tolist() == [len(set(doc.tolist())) for doc in docs]
    left, right = random.integers(0, 401, (2, 500))
    left[0] = right[0] = 400
    counts = sets.overlaps(left, right)
    assert counts[:60].tolist() == [
        len(set(docs[a].tolist()) & set(docs[b].tolist())) for a, b in zip(left[:60], right[:60], strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_resemblance", 0.0), ("min_resemblance", 1.1), ("min_containment", 0), ("max_keepers", 0)],
)
def test_criteria_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigError, match=name):
        Criteria(**{name: value})


@BOTH
@pytest.mark.parametrize("max_weight", [1, 150, 600, 2000, 10**9])
@pytest.mark.parametrize("seed", range(6))
def test_parts_give_the_keepers_of_the_whole(fast, max_weight, seed, monkeypatch):
    """Chains, templates whose pages do not match, full buckets and pairs; however little is loaded at a time."""
    random = np.random.default_rng(seed)
    docs = families(random, 12, 60, least=0.5)
    frame = random.integers(0, 2**32, 30).tolist()
    docs += [frame + random.integers(0, 2**32, 30).tolist() for _ in range(40)]
    shingles, start = layout(docs)
    rows = signatures(shingles, start, 64, fast=False)
    num_docs = len(docs)
    members = [np.sort(random.permutation(num_docs)[: random.integers(2, 40)]) for _ in range(30)]
    bucket_start = np.concatenate([[0], np.cumsum([len(bucket) for bucket in members])])
    inner, outer = np.unique(random.integers(0, num_docs, (60, 2)), axis=0).T
    criteria = Criteria(min_resemblance=0.4, min_containment=0.6, max_keepers=3, max_counted=2)
    monkeypatch.setattr("dedupe.kernels.worthwhile", lambda num_shingles: fast)
    arrays = (bucket_start, np.concatenate(members))
    whole = near_duplicate_clusters(
        shingles, start, rows, np.arange(num_docs), *arrays, criteria=criteria, inner=inner, outer=outer
    )
    most_loaded = 0

    def load(chosen):
        nonlocal most_loaded
        chosen_shingles, chosen_start = layout([docs[doc] for doc in chosen])
        most_loaded = max(most_loaded, len(chosen_shingles))
        return chosen_shingles, chosen_start, rows[chosen]

    found = clusters_in_parts(
        load, np.diff(start), *arrays, inner, outer, criteria=criteria, max_weight=max_weight
    )
    assert found.keeper.tolist() == whole.keeper.tolist()
    assert 5 < np.count_nonzero(whole.keeper != np.arange(num_docs)) < num_docs - 5
    assert found.resemblance.tolist() == whole.resemblance.tolist()
    assert found.containment.tolist() == whole.containment.tolist()
    assert most_loaded <= max(max_weight, 60 * 60)
