"""Extend seeds to the passages that two documents share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Span

SHINGLE_TOKENS = 5
MIN_EQUAL_FRACTION = 0.8  # of the least length of a passage; the rest may have been edited
_MAX_GAP_TOKENS = 15  # an edited clause; two edits with fewer equal tokens between them make one gap
_MAX_SLIPS = 64  # shifts looked at of two documents that repeat one phrase all over: bounds the work
_MAX_SLIP = 12  # tokens put in or taken out in a gap
_REACH = 10 + SHINGLE_TOKENS - 1  # shingles looked at behind the last equal run, for one too short to have a seed
_MAX_REACHES = 16  # at either end, of runs of
_MAX_RUN = 4096  # shingles at most: bounds the work


@dataclass(frozen=True, slots=True)
class Passage:
    """Say that tokens `span` of a document repeat tokens `source_span` of another.

    `num_equal`: tokens of the passage that are equal, in order; the rest was edited.
    """

    span: Span
    source_span: Span
    num_equal: int


def shared_passages(
    shingles: NDArray[np.uint32], source: NDArray[np.uint32], seeds: list[Span], min_tokens: int
) -> list[Passage]:
    """Find the passages of about `min_tokens` tokens that two documents share; of those, MIN_EQUAL_FRACTION are equal.

    How long a passage is, is only known when it has been snapped to sentences: edits at its ends hide the rest.

    `shingles`, `source`: uint32, word 5-shingles in order. `seeds`: positions of windows that seem equal.

    >>> text = np.arange(100, dtype=np.uint32)
    >>> shared_passages(text[20:80], text, [(10, 30)], 50)
    [Passage(span=(0, 64), source_span=(20, 84), num_equal=64)]
    """
    runs = _equal_runs(shingles, source, seeds)
    found = []
    for chain in _chains(runs):
        chain = _reached(shingles, source, chain)
        tokens = [(at, at + size + SHINGLE_TOKENS - 1) for at, _, size in chain]
        num_equal = sum(end - max(start, before) for (start, end), before in
                        zip(tokens, [0, *(end for _, end in tokens)], strict=False))
        if num_equal >= MIN_EQUAL_FRACTION * min_tokens:
            last = chain[-1]
            found.append(Passage(
                (tokens[0][0], tokens[-1][1]),
                (chain[0][1], last[1] + last[2] + SHINGLE_TOKENS - 1), num_equal,
            ))
    return found


def _equal_runs(
    shingles: NDArray[np.uint32], source: NDArray[np.uint32], seeds: list[Span]
) -> list[tuple[int, int, int]]:
    """Extend seeds both ways to maximal runs of equal shingles: (start, source start, size), ascending."""
    by_slip: dict[int, list[int]] = {}
    for at, source_at in seeds:
        by_slip.setdefault(at - source_at, []).append(at)
    runs = []
    most = sorted(by_slip.items(), key=lambda item: (-len(item[1]), item[0]))[:_MAX_SLIPS]
    for slip, starts in most:
        low = max(0, slip)
        high = min(len(shingles), len(source) + slip)
        equal = shingles[low:high] == source[low - slip:high - slip]
        unequal = np.flatnonzero(~equal) + low
        before = np.searchsorted(unequal, starts)
        for at, row in sorted({(int(unequal[row - 1]) + 1 if row else low, int(row)) for row in before}):
            end = int(unequal[row]) if row < len(unequal) else high
            if end > at:
                runs.append((at, at - slip, end - at))
    return sorted(runs)


def _chains(runs: list[tuple[int, int, int]]) -> list[list[tuple[int, int, int]]]:
    """Join runs that follow each other in both documents with little between them."""
    chains: list[list[tuple[int, int, int]]] = []
    for run in runs:
        best = next((chain for chain in reversed(chains[-8:]) if _follows(chain[-1], run)), None)
        if best is None:
            chains.append([run])
        else:
            best.append(run)
    return chains


def _reached(
    shingles: NDArray[np.uint32], source: NDArray[np.uint32], chain: list[tuple[int, int, int]]
) -> list[tuple[int, int, int]]:
    """Put equal runs before and behind a chain that are too short to have seeds: what is left between two edits."""
    ahead, behind = list(chain), list[tuple[int, int, int]]()
    for _ in range(_MAX_REACHES):
        at, source_at, size = ahead[-1]
        found = _nearest_run(shingles[at + size:], source[source_at + size:])
        if found is None:
            break
        ahead.append((at + size + found[0], source_at + size + found[1], found[2]))
    for _ in range(_MAX_REACHES):
        at, source_at, _ = (behind or chain)[-1 if behind else 0]
        found = _nearest_run(shingles[:at][::-1], source[:source_at][::-1])
        if found is None:
            break
        behind.append((at - found[0] - found[2], source_at - found[1] - found[2], found[2]))
    return behind[::-1] + ahead


def _nearest_run(one: NDArray[np.uint32], two: NDArray[np.uint32]) -> tuple[int, int, int] | None:
    """Find the equal run that begins nearest to the start of both: (start, other start, size), or None."""
    equal = one[:_REACH, None] == two[None, :_REACH]
    starts, others = np.nonzero(equal)
    slips = np.abs(starts - others)
    near = np.flatnonzero(slips <= _MAX_SLIP)
    if not len(near):
        return None
    best = near[np.lexsort((starts[near], slips[near], starts[near] + others[near]))[0]]
    start, other = int(starts[best]), int(others[best])
    limit = min(len(one) - start, len(two) - other, _MAX_RUN)
    unequal = np.flatnonzero(one[start:start + limit] != two[other:other + limit])
    return start, other, int(unequal[0]) if len(unequal) else limit


def _follows(one: tuple[int, int, int], two: tuple[int, int, int]) -> bool:
    gap, source_gap = two[0] - one[0] - one[2], two[1] - one[1] - one[2]
    ahead = two[0] + two[2] > one[0] + one[2] and two[1] > one[1]
    limit = _MAX_GAP_TOKENS + SHINGLE_TOKENS - 1
    return ahead and gap <= limit and source_gap <= limit and abs(gap - source_gap) <= _MAX_SLIP
