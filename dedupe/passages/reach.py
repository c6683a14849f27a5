"""Follow passages across edits to equal runs that are too short to have a seed, for many chains of runs at once."""

from __future__ import annotations

import numpy as np

from dedupe.passages.alike import EqualRuns, Pairs, common_sizes, join_runs
from dedupe.records import Flags, Offsets

SHINGLE_TOKENS = 5
MAX_SLIP = 12  # tokens put in or taken out in a gap
_REACH = 10 + SHINGLE_TOKENS - 1  # shingles looked at behind the last equal run
_MAX_REACHES = 16  # at either end, of runs of
_MAX_RUN = 4096  # shingles at most: bounds the work
_SLICE_CHAINS = 1 << 12


def _places() -> Offsets:
    """List where the next run may begin in both documents, the nearest first: int64 (2, num_places)."""
    one, two = np.divmod(np.arange(_REACH * _REACH), _REACH)
    slip = np.abs(one - two)
    order = np.lexsort((one, slip, one + two))
    return np.stack([one, two])[:, order[slip[order] <= MAX_SLIP]]


_PLACES = _places()


def reached(pairs: Pairs, ends: EqualRuns, *, forward: bool) -> tuple[EqualRuns, Offsets, Offsets]:
    """List the runs that follow chains behind their last runs (forward), or stand before their first ones.

    `ends`: the last, or first, run of each chain. Returns runs, the row of the chain of each in `ends`, and how many
    runs lie between, from 0 on.
    """
    found, rows, steps = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for begin in range(0, len(ends), _SLICE_CHAINS):
        row = np.arange(begin, min(begin + _SLICE_CHAINS, len(ends)))
        held = ends.take(row)
        for step in range(_MAX_REACHES):
            held, goes_on = _next_runs(pairs, held, forward)
            row = row[goes_on]
            if not len(row):
                break
            found.append(held)
            rows.append(row)
            steps.append(np.full(len(row), step))
    return join_runs(found), np.concatenate(rows), np.concatenate(steps)


def _next_runs(pairs: Pairs, ends: EqualRuns, forward: bool) -> tuple[EqualRuns, Flags]:
    """Find the equal run nearest to each of some runs, and say which of them have one."""
    pair = ends.pair
    one, two = (ends.at + ends.size, ends.other_at + ends.size) if forward else (ends.at, ends.other_at)
    room = pairs.size[pair] - one if forward else one
    other_room = pairs.other_size[pair] - two if forward else two
    one, two = pairs.start[pair] + one, pairs.other_start[pair] + two
    ahead, other_ahead = (_values(pairs, *each, forward) for each in ((one, room), (two, other_room)))
    # what lies behind the end of a document is equal to nothing
    alike = (ahead[:, _PLACES[0]] == other_ahead[:, _PLACES[1]]) & (ahead[:, _PLACES[0]] >= 0)
    best = alike.argmax(axis=1)
    goes_on = alike[np.arange(len(best)), best]
    start, other_start = _PLACES[:, best[goes_on]]
    sign = 1 if forward else -1
    limit = np.minimum(np.minimum(room[goes_on] - start, other_room[goes_on] - other_start), _MAX_RUN)
    size = common_sizes(
        pairs.shingles, one[goes_on] + sign * start, two[goes_on] + sign * other_start, limit, forward=forward
    )
    at, other_at = ends.at[goes_on], ends.other_at[goes_on]
    if forward:
        at, other_at = at + ends.size[goes_on] + start, other_at + ends.size[goes_on] + other_start
    else:
        at, other_at = at - start - size, other_at - other_start - size
    return EqualRuns(pair[goes_on], at, other_at, size), goes_on


def _values(pairs: Pairs, at: Offsets, room: Offsets, forward: bool) -> Offsets:
    """Give the next shingles from each place on, int64 (num_rows, _REACH); -1 and -2 where there are none."""
    steps = np.arange(_REACH)
    inside = steps < room[:, None]
    places = at[:, None] + (steps if forward else -1 - steps)
    values: Offsets = np.where(inside, pairs.shingles[np.where(inside, places, 0)].astype(np.int64), -1)
    return values
