"""Apply the rule of dedupe.cluster: in keeper order, a document goes for the first kept candidate it matches.

Documents are numbered in keeper order here, so the least number is the best keeper. Most documents that go match
the very least of their candidates, and that pair is known beforehand; all these are counted in one batch, and the
walk in keeper order only looks them up. What the walk lacks it presumes from the signatures and notes; the notes are
counted in a batch and the walk is taken again, and counts what it still lacks document by document.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.candidates import Candidates
from dedupe.cluster.sets import Criteria, ShingleSets
from dedupe.records import Flags, Offsets

Choose = Callable[[int, list[int]], int]

_SLICE_PAIRS = 8192


def assign_keepers(
    sets: ShingleSets,
    signatures: NDArray[np.uint32],
    rows: Offsets,
    candidates: Candidates,
    criteria: Criteria,
    num_settled: int = 0,
    *,
    fast: bool | None = None,
) -> tuple[Offsets, Offsets]:
    """Walk the documents in keeper order and find each its keeper.

    Args:
        sets: the documents' distinct shingles, in keeper order.
        signatures, rows: the signature of document d is signatures[rows[d]].
        num_settled: how many of the documents, the first, are kept without a question.

    Returns:
        The keeper of every document (itself if kept) and the number of shingles it shares with it; int64 both.
    """
    if fast is None:
        from dedupe.kernels import worthwhile

        fast = worthwhile(len(sets.values))
    if fast:
        from dedupe.kernels.stars import assign_keepers as compiled

        return compiled(sets, signatures, rows, candidates, criteria, num_settled)
    verifier = _Verifier(sets, signatures, rows, criteria)
    least = candidates.least()
    least[:num_settled] = np.arange(num_settled)
    keeper = _settle(candidates, least, verifier)
    overlap = sets.sizes.copy()
    gone = np.flatnonzero(keeper != np.arange(len(keeper)))
    overlap[gone] = sets.overlaps(gone, keeper[gone])
    return keeper, overlap


class _Verifier:
    """Decide whether documents match keepers: those with too few equal signature values do not, the rest is counted."""

    def __init__(
        self, sets: ShingleSets, signatures: NDArray[np.uint32], rows: Offsets, criteria: Criteria
    ) -> None:
        self.sets, self.signatures, self.rows, self.criteria = sets, signatures, rows, criteria

    def _sizes(self, docs: Offsets, keepers: Offsets) -> tuple[Offsets, Offsets]:
        return self.sets.sizes[docs], self.sets.sizes[keepers]

    def estimate(self, docs: Offsets, keepers: Offsets) -> tuple[Offsets, Flags, Flags]:
        """Count equal signature values; say which pairs may match, and which of them are expected to."""
        equal = np.empty(len(docs), np.int64)
        for begin in range(0, len(docs), _SLICE_PAIRS):
            part = slice(begin, begin + _SLICE_PAIRS)
            left, right = self.signatures[self.rows[docs[part]]], self.signatures[self.rows[keepers[part]]]
            equal[part] = np.count_nonzero(left == right, axis=1)
        least, expected = self.criteria.least_equal(self.signatures.shape[1], *self._sizes(docs, keepers))
        return equal, equal >= least, equal >= expected

    def match(self, docs: Offsets, keepers: Offsets) -> Flags:
        """Decide exactly; bool (num_pairs,)."""
        _, found, _ = self.estimate(docs, keepers)
        docs, keepers = docs[found], keepers[found]
        found[found] = self.criteria.match(self.sets.overlaps(docs, keepers), *self._sizes(docs, keepers))
        return found


def _settle(candidates: Candidates, least: Offsets, verifier: _Verifier) -> Offsets:
    """Walk once presuming and, if anything was presumed, once counting; return the keepers."""
    docs = np.flatnonzero(least < np.arange(len(least)))
    matches_least = np.zeros(len(least), np.bool_)
    matches_least[docs] = verifier.match(docs, least[docs])
    other = docs[~matches_least[docs]]
    max_keepers = verifier.criteria.max_keepers
    chooser = _Chooser(verifier, dict.fromkeys(zip(other.tolist(), least[other].tolist(), strict=True), False))
    keeper = _walk(candidates, least, matches_least, max_keepers, chooser.presume)
    if not chooser.notes:
        return keeper
    chooser.count_notes()
    return _walk(candidates, least, matches_least, max_keepers, chooser.count)


class _Chooser:
    """Choose the first of some kept documents that a document matches; -1 for none.

    `known` holds verdicts that were counted, `notes` the pairs to count, `near` the options of a document that may
    match and whether they are expected to, as of the last walk: few options change from one walk to the next.
    """

    def __init__(self, verifier: _Verifier, known: dict[tuple[int, int], bool]) -> None:
        self.verifier, self.known = verifier, known
        self.notes: list[tuple[int, int]] = []
        self.near: dict[int, tuple[list[int], dict[int, bool]]] = {}

    def presume(self, doc: int, options: list[int]) -> int:
        """Choose by what is known, else note the pair and presume what the signatures say."""
        for option, is_expected in self._near(doc, options).items():
            verdict = self.known.get((doc, option))
            if verdict is None:
                self.notes.append((doc, option))
            if is_expected if verdict is None else verdict:
                return option
        return -1

    def _near(self, doc: int, options: list[int]) -> dict[int, bool]:
        before, near = self.near.get(doc, ([], {}))
        if before != options:
            keepers = np.array(options)
            equal, may_match, expected = self.verifier.estimate(np.full(len(options), doc), keepers)
            chosen = np.flatnonzero(may_match)
            most = self.verifier.criteria.max_counted
            if len(chosen) > most + 1:
                by_likeness = np.argsort(-equal[chosen[1:]], kind="stable")[:most]
                chosen = np.concatenate([chosen[:1], np.sort(chosen[1:][by_likeness])])
            near = dict(zip(keepers[chosen].tolist(), expected[chosen].tolist(), strict=True))
            self.near[doc] = options, near
        return near

    def count_notes(self) -> None:
        pairs = np.array(self.notes, np.int64)
        verdicts = self.verifier.match(pairs[:, 0], pairs[:, 1])
        self.known.update(zip(self.notes, verdicts.tolist(), strict=True))
        self.notes.clear()

    def count(self, doc: int, options: list[int]) -> int:
        """Choose by what is known, else count now."""
        near = list(self._near(doc, options))
        unknown = np.array([option for option in near if (doc, option) not in self.known], np.int64)
        if len(unknown):
            verdicts = self.verifier.match(np.full(len(unknown), doc), unknown).tolist()
            self.known.update(zip(((doc, option) for option in unknown.tolist()), verdicts, strict=True))
        return next((option for option in near if self.known[doc, option]), -1)


def _walk(
    candidates: Candidates, least: Offsets, matches_least: Flags, max_keepers: int, choose: Choose
) -> Offsets:
    """Apply the rule once; `choose` picks the first match of a document among its kept candidates, or -1."""
    keeper = list(range(len(least)))
    kept_in: dict[int, list[int]] = {}
    doc_start, outer_start = candidates.doc_start.tolist(), candidates.outer_start.tolist()
    outer = candidates.outer.tolist()
    for doc, (best, is_match) in enumerate(zip(least.tolist(), matches_least.tolist(), strict=True)):
        if is_match and keeper[best] == best:
            keeper[doc] = best
            continue
        buckets = candidates.doc_buckets[doc_start[doc] : doc_start[doc + 1]].tolist()
        if best < doc:
            options = {option for bucket in buckets for option in kept_in.get(bucket, ())}
            holders = outer[outer_start[doc] : outer_start[doc + 1]]
            options.update(holder for holder in holders if keeper[holder] == holder)
            keeper[doc] = choose(doc, sorted(options)) if options else -1
            if keeper[doc] >= 0:
                continue
            keeper[doc] = doc
        for bucket in buckets:
            members = kept_in.setdefault(bucket, [])
            if len(members) < max_keepers:
                members.append(doc)
    return np.array(keeper, np.int64)
