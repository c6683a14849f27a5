"""Join the equal runs of pairs of documents to the passages that they share.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dedupe.passages.alike import EqualRuns, Pairs, bounds_of, equal_runs, join_runs
from dedupe.passages.reach import MAX_SLIP, SHINGLE_TOKENS, reached
from dedupe.records import Offsets, Span

MIN_EQUAL_FRACTION = 0.8  # of the least length of a passage; the rest may have been edited
_MAX_GAP_TOKENS = 15  # an edited clause; two edits with fewer equal tokens between them make one gap
_MAX_CHAINS = 8  # that a run may follow: the last ones


@dataclass(frozen=True, slots=True)
class Passage:
    """Say that tokens `span` of a document repeat tokens `source_span` of another.

    `num_equal`: tokens of the passage that are equal, in order; the rest was edited.
    """

    span: Span
    source_span: Span
    num_equal: int


@dataclass(frozen=True, slots=True)
class PairPassages:
    """List passages of pairs of documents, all int64 (num_passages,), sorted by pair; see `Passage`."""

    pair: Offsets
    start: Offsets
    end: Offsets
    source_start: Offsets
    source_end: Offsets
    num_equal: Offsets

    def __len__(self) -> int:
        return len(self.pair)

    def passages(self) -> list[Passage]:
        """Give each as a record."""
        columns = (getattr(self, each.name).tolist() for each in fields(self)[1:])
        rows = zip(*columns, strict=True)
        return [Passage((start, end), (other, other_end), size) for start, end, other, other_end, size in rows]


def shared_passages(
    shingles: NDArray[np.uint32], source: NDArray[np.uint32], seeds: list[Span], min_tokens: int
) -> list[Passage]:
    """Find the passages of about `min_tokens` tokens that two documents share; see `passages_of_pairs`.

    `shingles`, `source`: uint32, word 5-shingles in order. `seeds`: positions of windows that seem equal.

    >>> text = np.arange(100, dtype=np.uint32)
    >>> shared_passages(text[20:80], text, [(10, 30)], 50)
    [Passage(span=(0, 64), source_span=(20, 84), num_equal=64)]
    """
    first, size = np.zeros(1, np.int64), np.array([len(shingles)])
    pairs = Pairs(np.concatenate([shingles, source]), first, size, size, np.array([len(source)]))
    at, source_at = np.array(seeds, np.int64).reshape(-1, 2).T
    return passages_of_pairs(pairs, np.zeros(len(at), np.int64), at, source_at, min_tokens).passages()


def passages_of_pairs(
    pairs: Pairs, pair: Offsets, at: Offsets, source_at: Offsets, min_tokens: int
) -> PairPassages:
    """Find the passages of about `min_tokens` tokens that pairs share; of those, MIN_EQUAL_FRACTION are equal.

    How long a passage is, is only known when it has been snapped to sentences: edits at its ends hide the rest.

    `pair`, `at`, `source_at`: int64 (num_seeds,), positions of windows that seem equal.
    """
    runs = equal_runs(pairs, pair, at, source_at)
    chain = _chains(runs)
    order = np.argsort(chain, kind="stable")
    runs, chain = runs.take(order), chain[order]
    firsts, lasts = bounds_of(chain)
    behind, behind_chain, _ = reached(pairs, runs.take(lasts), forward=True)
    ahead, ahead_chain, step = reached(pairs, runs.take(firsts), forward=False)
    every, owner = join_runs([ahead, runs, behind]), np.concatenate([ahead_chain, chain, behind_chain])
    order = np.lexsort((np.concatenate([-1 - step, np.arange(len(runs) + len(behind))]), owner))
    return _measured(every.take(order), owner[order], min_tokens)


def _chains(runs: EqualRuns) -> Offsets:
    """Number the chains of runs that follow each other in both documents with little between them; int64 (num_runs,).

    Run by run: most pairs of documents have one or two.
    """
    chain = []
    held: list[tuple[int, tuple[int, int, int]]] = []  # the latest chains of a pair: number, last run
    last_pair, count = -1, 0
    columns = (each.tolist() for each in (runs.pair, runs.at, runs.other_at, runs.size))
    for pair, at, other_at, size in zip(*columns, strict=True):
        if pair != last_pair:
            held, last_pair = [], pair
        run = (at, other_at, size)
        place = len(held) - 1
        while place >= 0 and not _follows(held[place][1], run):
            place -= 1
        if place >= 0:
            held[place] = (held[place][0], run)
            chain.append(held[place][0])
        else:
            held = [*held[1 - _MAX_CHAINS:], (count, run)]
            chain.append(count)
            count += 1
    return np.array(chain, np.int64)


def _follows(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    gap, source_gap = two[0] - one[0] - one[2], two[1] - one[1] - one[2]
    ahead = two[0] + two[2] > one[0] + one[2] and two[1] > one[1]
    limit = _MAX_GAP_TOKENS + SHINGLE_TOKENS - 1
    return ahead and gap <= limit and source_gap <= limit and abs(gap - source_gap) <= MAX_SLIP


def _measured(runs: EqualRuns, chain: Offsets, min_tokens: int) -> PairPassages:
    """Make a passage of each chain, its runs in order, that has enough equal tokens."""
    firsts, lasts = bounds_of(chain)
    end = runs.at + runs.size + SHINGLE_TOKENS - 1
    before = np.concatenate([np.zeros(1, np.int64), end])[:len(end)]
    before[firsts] = 0
    num_equal = np.add.reduceat(end - np.maximum(runs.at, before), firsts) if len(firsts) else firsts
    enough = num_equal >= MIN_EQUAL_FRACTION * min_tokens
    firsts, lasts = firsts[enough], lasts[enough]
    source_end = runs.other_at[lasts] + runs.size[lasts] + SHINGLE_TOKENS - 1
    return PairPassages(
        runs.pair[firsts], runs.at[firsts], end[lasts], runs.other_at[firsts], source_end, num_equal[enough]
    )
