"""Count, block by block and site by site, the documents that have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dedupe.records import Flags, Hashes, Offsets

_MIX = np.uint64(0x9E3779B97F4A7C15)
NUM_EXAMPLES = 2  # a document is shown another one than itself


@dataclass(frozen=True, slots=True)
class Recurring:
    """List the blocks that recur on a site, sorted by `key`; one row each.

    `key`: uint64, of block and site. `num_documents`, `num_sites`: int64, documents of the site that have it,
    near-duplicates as one, at least two; sites that have it. `edge_fraction`: float32, 0-1. `example_doc`,
    `example_row`: int64 (num_rows, NUM_EXAMPLES), documents that have it and the number of the block in them.
    """

    key: Hashes
    num_documents: Offsets
    num_sites: Offsets
    edge_fraction: NDArray[np.float32]
    example_doc: Offsets
    example_row: Offsets

    def __len__(self) -> int:
        return len(self.key)


def key_of(block: Hashes, site: Hashes) -> Hashes:
    """Mix the hashes of blocks and sites into one; uint64 of the same shape."""
    mixed = (site ^ (site >> np.uint64(31))) * _MIX
    key: Hashes = (block ^ (mixed >> np.uint64(29)) ^ mixed) * _MIX
    return key ^ (key >> np.uint64(32))


def site_sizes(site: Hashes, vote: Offsets) -> tuple[Hashes, Offsets]:
    """Count the documents of every site, near-duplicates as one: sites uint64, ascending, and their counts.

    `site`: uint64 (num_docs,), 0 where it is not known. `vote`: int64 (num_docs,), the keeper of each document.

    >>> [found.tolist() for found in site_sizes(np.array([7, 7, 7, 0], np.uint64), np.array([0, 0, 2, 3]))]
    [[7], [2]]
    """
    known = site != 0
    order = np.lexsort((vote[known], site[known]))
    site, vote = site[known][order], vote[known][order]
    is_new = np.ones(len(site), np.bool_)
    is_new[1:] = (site[1:] != site[:-1]) | (vote[1:] != vote[:-1])
    names, counts = np.unique(site[is_new], return_counts=True)
    return names, counts.astype(np.int64)


def count_recurring(
    block: Hashes, site: Hashes, doc: Offsets, row: Offsets, at_edge: Flags, vote: Offsets, rank: Hashes
) -> Recurring:
    """Count the blocks of some documents; all copies of a block must be among them.

    Args:
        block, site: uint64 (num_blocks,), in any order.
        doc, row: int64, the document and the number of the block in it.
        at_edge: bool, the block stands before or after all prose of its document.
        vote: int64, the keeper of the block's document.
        rank: uint64, decides which documents are examples: the least, whatever the order of arrival.

    A block that stands several times in the documents of one vote counts once, at the edge if all do.
    """
    order = np.lexsort((row, rank, vote, site, block))
    block, site, vote = block[order], site[order], vote[order]
    new_block = _changes(block)
    new_group = new_block | _changes(site)
    new_vote = new_group | _changes(vote)
    votes = np.flatnonzero(new_vote)
    if not len(votes):
        return _none()
    edges = np.minimum.reduceat(at_edge[order].astype(np.float32), votes)
    group = np.cumsum(new_group)[votes] - 1
    num_documents = np.bincount(group)
    sites_of_block = np.bincount(np.cumsum(new_block)[np.flatnonzero(new_group)] - 1)
    num_sites = sites_of_block[np.cumsum(new_block)[np.flatnonzero(new_group)] - 1]
    first = order[votes]
    by_rank = np.lexsort((rank[first], group))
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_documents)])[:-1]
    chosen = np.flatnonzero(num_documents >= 2)
    examples = first[by_rank[start[chosen][:, None] + np.arange(NUM_EXAMPLES)]]
    key = key_of(block, site)[np.flatnonzero(new_group)][chosen]
    by_key = np.argsort(key, kind="stable")
    chosen, examples = chosen[by_key], examples[by_key]
    return Recurring(
        key[by_key], num_documents[chosen].astype(np.int64), num_sites[chosen].astype(np.int64),
        (np.bincount(group, edges) / num_documents)[chosen].astype(np.float32), doc[examples], row[examples],
    )


def _changes(values: NDArray[np.generic]) -> Flags:
    changes = np.ones(len(values), np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _none() -> Recurring:
    nobody, pairs = np.empty(0, np.int64), np.empty((0, NUM_EXAMPLES), np.int64)
    return Recurring(np.empty(0, np.uint64), nobody, nobody, np.empty(0, np.float32), pairs, pairs)


def join_recurring(parts: Sequence[Recurring]) -> Recurring:
    """Put lists together, sorted by key."""
    if not parts:
        return _none()
    columns = {each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Recurring)}
    order = np.argsort(columns["key"], kind="stable")
    return Recurring(**{name: column[order] for name, column in columns.items()})


def look_up(keys: Hashes, block: Hashes, site: Hashes) -> Offsets:
    """Find blocks in a sorted list of keys: int64 (num_blocks,), the row of each, -1 where there is none."""
    if not len(keys):
        return np.full(len(block), -1, np.int64)
    wanted = key_of(block, site)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[at] == wanted) & (block != 0) & (site != 0), at, -1)
