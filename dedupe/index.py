"""Find candidates: documents that share a bucket of their signatures, and documents that may stand inside another.

A signature is cut into bands of some rows each; documents that agree in all rows of a band share a bucket. A
band is found by sorting one 64-bit number a document, hash bits above and the document's place in keeper order
below, so that buckets come out as runs with their best keeper first, and are then cut where the other bits of the hash
differ; nothing is held but the band at hand and the shared buckets.

Candidates are not pairs: a bucket of 100,000 copies is one row of 100,000 numbers here, and dedupe.cluster compares its
members with its keepers, never all with all. Nothing here is verified, and nothing here decides.

Source: A. Rajaraman, J. Leskovec, J. Ullman, "Mining of massive datasets", chapter 3. The usual choice of bands
balances false and missed candidates; ours meets a recall, for a false candidate costs a comparison and a missed one
is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dedupe.errors import ConfigError
from dedupe.hashing import distinct, ranges
from dedupe.records import Flags, Hashes, Offsets

_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
_MIXERS = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))  # finalizer of MurmurHash3, 64 bits
_HALF = np.uint64(32)
_Integers: TypeAlias = NDArray[np.integer[Any]]  # places and counts, of any width
_SLICE_SHINGLES = 1 << 17  # looked through at a time when probing: the arrays stay in the cache
MIN_CONTAINED_SHINGLES = 46  # 50 tokens; a shorter text inside a page is as likely the footer of both as the article


@dataclass(frozen=True, slots=True)
class Buckets:
    """Hold the buckets that several documents share.

    `start`: int64 (num_buckets + 1,); bucket b holds docs[start[b]:start[b + 1]], at least two.
    `docs`: int64, rows of documents, in keeper order inside a bucket; a document may be in many buckets.
    """

    start: Offsets
    docs: Offsets

    def __len__(self) -> int:
        return len(self.start) - 1


@dataclass(frozen=True, slots=True)
class Pairs:
    """Hold candidates for containment: document `inner[i]` may stand inside `outer[i]`.

    Both int64 (num_pairs,), rows of documents; no pair twice, sorted by keeper order of inner, then outer.
    """

    inner: Offsets
    outer: Offsets

    def __len__(self) -> int:
        return len(self.inner)


def found_fraction(resemblance: float, bands: int, rows: int) -> float:
    """Give the probability that two documents of this resemblance share at least one bucket.

    >>> round(found_fraction(0.8, 21, 6), 4), round(found_fraction(0.4, 21, 6), 4)
    (0.9983, 0.0826)
    """
    return 1.0 - float((1.0 - resemblance**rows) ** bands)


def choose_bands(min_resemblance: float, num_perm: int = 128, min_recall: float = 0.99) -> tuple[int, int]:
    """Choose the most selective bands that still find pairs at exactly `min_resemblance` with `min_recall`.

    More rows a band make fewer false candidates; all bands that fit are used. The probability is compared after
    rounding to three decimals (25 bands of 5 find .98995 at .7).

    Returns:
        The number of bands and the rows of each.

    Raises:
        ConfigError: not even bands of one row find that many, or a number is out of range.

    >>> choose_bands(0.8), choose_bands(0.7), choose_bands(0.5)
    ((21, 6), (25, 5), (42, 3))
    """
    if not 0 < min_resemblance <= 1 or not 0 < min_recall <= 1 or num_perm < 1:
        raise ConfigError(
            f"min_resemblance {min_resemblance}, min_recall {min_recall}, num_perm {num_perm}: "
            "expected fractions above 0 up to 1, and at least one permutation"
        )
    for rows in range(num_perm, 0, -1):
        bands = num_perm // rows
        if round(found_fraction(min_resemblance, bands, rows), 3) >= min_recall:
            return bands, rows
    raise ConfigError(
        f"num_perm {num_perm} finds {found_fraction(min_resemblance, num_perm, 1):.3f} of the pairs at min_resemblance "
        f"{min_resemblance}, expected {min_recall}; raise num_perm or min_resemblance"
    )


def band_buckets(signatures: NDArray[np.uint32], docs: Offsets, bands: int, rows: int) -> Buckets:
    """Collect the buckets that at least two documents share, over all bands.

    Args:
        signatures: uint32 (num_docs, num_perm), num_perm at least bands * rows.
        docs: int64 (num_indexed,), the rows to index, each once, in keeper order. Documents without shingles must not
            be among them (their signatures are all equal), nor should exact copies.
        bands, rows: as `choose_bands` gives them.

    Returns:
        Buckets with equal members are given once. Their order is deterministic; an empty corpus has none.

    >>> rows_of_values = np.array([[1, 2], [1, 3], [4, 3]], np.uint32)
    >>> found = band_buckets(rows_of_values, np.array([2, 1, 0]), bands=2, rows=1)
    >>> found.start.tolist(), found.docs.tolist()
    ([0, 2, 4], [2, 1, 1, 0])
    """
    if signatures.shape[1] < bands * rows:
        raise ValueError(f"{bands} bands of {rows} rows do not fit signatures of {signatures.shape[1]} values")
    return shared_buckets((band_keys(signatures, docs, band, rows) for band in range(bands)), docs)


def shared_buckets(keys_of_bands: Iterable[Hashes], docs: Offsets) -> Buckets:
    """Do the same from the keys of `band_keys`, one array of uint64 (num_indexed,) a band, in the order of `docs`."""
    place_bits = np.uint64(max(1, len(docs).bit_length()))
    places = np.arange(len(docs), dtype=np.uint64)
    sizes, members = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for given in keys_of_bands:
        keys = given & ~((np.uint64(1) << place_bits) - np.uint64(1))
        keys |= places
        keys.sort()
        run_sizes, run_members = _whole_keys(*_shared_runs(keys, place_bits), given)
        sizes.append(run_sizes)
        members.append(run_members)
    found = distinct_sets(np.concatenate(sizes), np.concatenate(members))
    return Buckets(_starts(found.sizes), docs[found.members])


def band_keys(signatures: NDArray[np.uint32], docs: Offsets, band: int, rows: int) -> Hashes:
    """Hash the values of one band of the documents `docs`; uint64 (num_indexed,), all bits well mixed."""
    return _band_keys(signatures[:, band * rows : (band + 1) * rows], docs)


def _band_keys(values: NDArray[np.uint32], docs: Offsets) -> Hashes:
    """Hash the rows of one band to uint64 (num_indexed,), all bits well mixed."""
    keys = np.zeros(len(docs), np.uint64)
    for column in values.T:
        keys ^= column[docs]
        keys *= _ODD
        keys ^= keys >> np.uint64(29)
    return _mix(keys)


def _mix(values: Hashes) -> Hashes:
    for factor in _MIXERS:
        values = (values ^ (values >> np.uint64(33))) * factor
    return values ^ (values >> np.uint64(33))


def _shared_runs(keys: Hashes, place_bits: np.uint64) -> tuple[Offsets, Offsets]:
    """Cut sorted packed keys into runs of equal hash; return sizes and places of the runs of two and more."""
    same = (keys[1:] ^ keys[:-1]) >> place_bits == 0
    inside = np.zeros(len(keys), np.bool_)
    inside[1:] = same
    first = ~inside
    inside[:-1] |= same
    first &= inside
    begins = np.flatnonzero(first[inside])
    places = (keys[inside] & ((np.uint64(1) << place_bits) - np.uint64(1))).astype(np.int64)
    return np.diff(np.append(begins, len(places))), places


def _whole_keys(sizes: Offsets, members: Offsets, given: Hashes) -> tuple[Offsets, Offsets]:
    """Cut runs of keys whose top bits are equal where the rest is not: one pair in 2**40 and more."""
    keys = given[members]
    run = np.repeat(np.arange(len(sizes)), sizes)
    if not ((keys[1:] != keys[:-1]) & (run[1:] == run[:-1])).any():
        return sizes, members
    order = np.lexsort((members, keys, run))
    return runs_of_keys(keys[order], members[order])


def runs_of_keys(keys: Hashes, members: Offsets) -> tuple[Offsets, Offsets]:
    """Give sizes and members of the runs of two and more equal keys; members keep their order.

    >>> runs_of_keys(np.array([3, 3, 5, 8, 8, 8], np.uint64), np.array([0, 4, 1, 2, 3, 5]))
    (array([2, 3]), array([0, 4, 2, 3, 5]))
    """
    is_first = np.ones(len(keys), np.bool_)
    is_first[1:] = keys[1:] != keys[:-1]
    begins = np.flatnonzero(is_first)
    sizes = np.diff(np.append(begins, len(keys)))
    return sizes[sizes > 1], members[np.repeat(sizes > 1, sizes)]


@dataclass(frozen=True, slots=True)
class Sets:
    """Hold sets of places, no two alike: `content` is a number for each, uint64; `sizes` and `members` are int64."""

    content: Hashes
    sizes: Offsets
    members: Offsets


def distinct_sets(sizes: Offsets, members: Offsets) -> Sets:
    """Drop buckets that repeat another's members: near copies share most bands, with the same company."""
    start = _starts(sizes)
    if not len(sizes):
        return Sets(np.empty(0, np.uint64), sizes, members)
    content = np.add.reduceat(_mix(members.astype(np.uint64) * _ODD + _ODD), start[:-1])  # a set of places, as a number
    content = _mix(content + sizes.astype(np.uint64))
    order = np.lexsort((content, members[start[:-1]]))
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = content[order[1:]] != content[order[:-1]]
    chosen = order[is_new]
    return Sets(content[chosen], sizes[chosen], members[ranges(start[chosen], sizes[chosen])])


def _starts(sizes: Offsets) -> Offsets:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def containment_candidates(
    shingles: NDArray[np.uint32],
    shingle_start: Offsets,
    docs: Offsets,
    keepers: Offsets,
    min_containment: float,
    *,
    num_probes: int = 8,
    max_outer: int = 16,
) -> Pairs:
    """Find documents that may stand inside a longer one: high containment, low resemblance, so no bucket in common.

    A document is looked for by its `num_probes` least mixed shingle hashes, an unbiased sample: each is in a document
    that contains the fraction c of it with probability c. Half as many hits as expected make a candidate (found with
    .998 at c = .8 and eight probes). One of fewer than MIN_CONTAINED_SHINGLES shingles is not looked for.

    Args:
        shingles, shingle_start: as in dedupe.sketch.
        docs: int64, rows to look for, in keeper order, each with at least one shingle.
        keepers: int64, a subset of `docs` in the same order: the documents to look in.
        min_containment: the fraction of a document's shingles that its keeper must have.
        max_outer: a probe that stands in more keepers is boilerplate. It is used only for documents that have none but
            such probes, and then for the first `max_outer` keepers; so no probe makes more pairs than that.

    Returns:
        Pairs whose `outer` is a keeper that stands before `inner` in keeper order: only those can make it go.
    """
    place = np.full(len(shingle_start) - 1, -1, np.int64)
    place[docs] = np.arange(len(docs))
    probe_hash, probe_doc = probes(shingles, shingle_start, docs, num_probes)
    table = np.unique(probe_hash)
    hit_probe, hit_place = postings(shingles, shingle_start, keepers, place[keepers], table)
    count = np.bincount(hit_probe, minlength=len(table))
    at, first = np.searchsorted(table, probe_hash), np.cumsum(count) - count
    inner, outer = join_probes(at, probe_doc, count, first, hit_place, min_containment, max_outer)
    return Pairs(docs[inner], docs[outer])


def join_probes(
    at: _Integers, probe_doc: _Integers, count: _Integers, first: Offsets, hit_place: _Integers,
    min_containment: float, max_outer: int = 16,
) -> tuple[Offsets, Offsets]:
    """Join the probes of documents with the keepers that have them.

    Args:
        at, probe_doc: integers (num_probes,), the row of each probe in the table of distinct hashes, and the place in
            keeper order of the document it samples.
        count, first: integers (num_rows,), how many keepers have each hash, and where in `hit_place` they begin; of
            more than `max_outer`, the first are there.
        hit_place: integers, places of keepers, ascending within each row.

    Returns:
        inner and outer: int64 (num_pairs,), places.
    """
    num_docs = int(probe_doc.max(initial=-1)) + 1
    is_rare = count[at] <= max_outer
    num_rare = np.bincount(probe_doc[is_rare], minlength=num_docs)
    used = is_rare | (num_rare[probe_doc] == 0)
    at, probe_doc = at[used], probe_doc[used]
    num_used = np.bincount(probe_doc, minlength=num_docs)
    taken = np.minimum(count[at], max_outer)
    outer = hit_place[ranges(first[at], taken)].astype(np.int64)
    inner = np.repeat(probe_doc, taken).astype(np.int64)
    pair, hits = np.unique((inner << 32 | outer)[outer < inner], return_counts=True)
    inner, outer = pair >> 32, pair & 0xFFFFFFFF
    enough = enough_hits(hits, num_used[inner], min_containment)
    return inner[enough], outer[enough]


def enough_hits(hits: _Integers, num_used: _Integers, min_containment: float) -> Flags:
    """Say where half as many probes as expected, and at least one, of those that were used are in a document.

    >>> enough_hits(np.array([2, 3, 1]), np.array([8, 8, 1]), 0.8)
    array([False,  True,  True])
    """
    enough: Flags = hits >= np.maximum(1, np.floor(num_used * min_containment / 2))
    return enough


def probes(
    shingles: NDArray[np.uint32], shingle_start: Offsets, docs: Offsets, num_probes: int
) -> tuple[NDArray[np.uint32], Offsets]:
    """Sample every document that is long enough: its least mixed hashes, distinct, and the position in `docs` each
    belongs to."""
    hashes, owners = [np.empty(0, np.uint32)], [np.empty(0, np.int64)]
    for begin, rows in _slices(shingle_start, docs):
        sizes = shingle_start[rows + 1] - shingle_start[rows]
        mixed = _mix32(_joined(shingles, shingle_start, rows, sizes))
        owner = np.repeat(np.arange(len(rows)), sizes)
        # four times the expected threshold leaves too few with a probability of 1e-7, and 32 hashes to sort, not 300
        limit = np.minimum(4.0 * num_probes / sizes, 1.0) * float(2**32)
        limit[sizes < MIN_CONTAINED_SHINGLES] = 0.0
        low = mixed < limit[owner]
        packed = distinct((owner[low].astype(np.uint64) << _HALF) | mixed[low])
        owner = (packed >> _HALF).astype(np.int64)
        first = np.searchsorted(owner, np.arange(len(rows)))
        least = np.arange(len(packed)) - first[owner] < num_probes
        hashes.append(packed[least].astype(np.uint32))
        owners.append(owner[least] + begin)
    return np.concatenate(hashes), np.concatenate(owners)


def _slices(shingle_start: Offsets, docs: Offsets) -> Iterator[tuple[int, Offsets]]:
    """Cut documents where their shingles are enough for one pass; give each part with the place where it begins."""
    done = np.cumsum(shingle_start[docs + 1] - shingle_start[docs]) // _SLICE_SHINGLES
    bounds = [0, *(np.flatnonzero(np.diff(done)) + 1).tolist(), len(docs)]
    return ((begin, docs[begin:end]) for begin, end in pairwise(bounds) if begin < end)


def _joined(shingles: NDArray[np.uint32], shingle_start: Offsets, rows: Offsets, sizes: Offsets) -> NDArray[np.uint32]:
    """Give the shingles of documents one after another, without a copy where they stand so."""
    starts = shingle_start[rows]
    if (starts[1:] == starts[:-1] + sizes[:-1]).all():
        return shingles[starts[0] : starts[-1] + sizes[-1]]
    return shingles[ranges(starts, sizes)]


def _mix32(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Scramble 32-bit hashes, a bijection; another one than that of the signatures, so that samples are independent."""
    mixed = (hashes ^ (hashes >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    mixed = (mixed ^ (mixed >> np.uint32(12))) * np.uint32(0x297A2D39)
    return mixed ^ (mixed >> np.uint32(15))


def postings(
    shingles: NDArray[np.uint32], shingle_start: Offsets, keepers: Offsets, places: Offsets, table: NDArray[np.uint32]
) -> tuple[Offsets, Offsets]:
    """Find the hashes of a sorted table in the keepers: table row and keeper place of each hit, distinct and sorted."""
    bits = min(27, max(10, len(table).bit_length() + 3))
    shift = np.uint32(32 - bits)
    is_probe = np.zeros(1 << bits, np.bool_)  # one look-up drops 7 of 8 shingles that are in no sample
    is_probe[table >> shift] = True
    hits = [np.empty(0, np.uint64)]
    for begin, rows in _slices(shingle_start, keepers):
        sizes = shingle_start[rows + 1] - shingle_start[rows]
        mixed = _mix32(_joined(shingles, shingle_start, rows, sizes))
        near = np.flatnonzero(is_probe[mixed >> shift])
        mixed = mixed[near]
        row = np.searchsorted(table, mixed)
        row[row == len(table)] = 0
        exact = table[row] == mixed if len(table) else np.zeros(0, np.bool_)
        place = np.repeat(places[begin : begin + len(rows)], sizes)[near[exact]]
        hits.append((row[exact].astype(np.uint64) << _HALF) | place.astype(np.uint64))
    packed = distinct(np.concatenate(hits))
    return (packed >> _HALF).astype(np.int64), (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
