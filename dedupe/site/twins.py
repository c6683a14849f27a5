"""Find pages that are one article in two frames: they share most of their prose, if not most of their text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Flags, Hashes, Offsets

MIN_SHARED_FRACTION = 0.6  # of the prose of the page that has less of it
_MIN_SHARED_TOKENS = 100
_MAX_VOTES = 4  # prose that stands on more pages is boilerplate, and makes no pairs


def shared_prose(block: Hashes, site: Hashes, vote: Offsets, prose_tokens: Offsets) -> dict[str, Offsets]:
    """Count the tokens of prose of every vote, and those that pairs of votes of a site share.

    All arrays one row a block, all copies of a block among them; `prose_tokens` is 0 for what is no prose.
    Returns `vote`, `total`, and `one` < `two`, `shared`; to be added up over calls.
    """
    rows = np.flatnonzero(prose_tokens)
    rows = rows[np.lexsort((vote[rows], site[rows], block[rows]))]
    block, site, vote, prose_tokens = block[rows], site[rows], vote[rows], prose_tokens[rows]
    new_group = np.ones(len(block), np.bool_)
    new_group[1:] = (block[1:] != block[:-1]) | (site[1:] != site[:-1])
    new_vote = new_group.copy()
    new_vote[1:] |= vote[1:] != vote[:-1]
    vote, tokens, new_group = vote[new_vote], prose_tokens[new_vote], new_group[new_vote]
    votes, owner = np.unique(vote, return_inverse=True)
    pairs = _pairs(vote, tokens, new_group)
    return {"vote": votes, "total": _sums(owner, tokens, len(votes)), **pairs}


def _pairs(vote: Offsets, tokens: Offsets, new_group: Flags) -> dict[str, Offsets]:
    begins = np.flatnonzero(new_group)
    sizes = np.diff(np.append(begins, len(vote)))
    one, two, shared = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for size in range(2, _MAX_VOTES + 1):
        at = begins[sizes == size]
        for low in range(size):
            for high in range(low + 1, size):
                one.append(vote[at + low])
                two.append(vote[at + high])
                shared.append(tokens[at])
    return {"one": np.concatenate(one), "two": np.concatenate(two), "shared": np.concatenate(shared)}


def _sums(owner: NDArray[np.intp], tokens: Offsets, size: int) -> Offsets:
    return np.bincount(owner, tokens, size).astype(np.int64)


def merge_votes(
    keeper: Offsets, one: Offsets, two: Offsets, shared: Offsets, vote: Offsets, total: Offsets
) -> Offsets:
    """Give pages that share most of their prose the vote of the least of them; int64 (num_docs,).

    `keeper`: int64 (num_docs,), the vote of each document so far. The rest as `shared_prose` gives it, added up.
    """
    prose = np.zeros(len(keeper), np.int64)
    np.add.at(prose, vote, total)
    pair, of_pair = np.unique((one << 32) | two, return_inverse=True)
    common = _sums(of_pair, shared, len(pair))
    one, two = pair >> 32, pair & 0xFFFFFFFF
    twins = common >= np.maximum(_MIN_SHARED_TOKENS, MIN_SHARED_FRACTION * np.minimum(prose[one], prose[two]))
    label = np.arange(len(keeper))
    before = np.zeros(0, np.int64)
    while not np.array_equal(label, before):
        before = label.copy()
        least = np.minimum(label[one[twins]], label[two[twins]])
        np.minimum.at(label, one[twins], least)
        np.minimum.at(label, two[twins], least)
        label = label[label]
    return label[keeper]
