"""Find near-duplicate documents of a corpus larger than memory: a keeper for every document that goes.

    buckets     documents that share a band: one band after another on the driver while they fit, else shuffled
    components  documents tied together by buckets; only components depend on each other
    stars       components, as many at a time as fit, with their shingles: the rule of dedupe.cluster; a component that
                does not fit by itself, in parts
    pages       documents inside a longer one share no bucket: candidates by probes, then stars again

The result is that of dedupe.cluster on the whole corpus at once, and the same either way. Where bands are shuffled, the
driver holds of a document its place in keeper order, its label and its keeper, and no candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import exact_copies, representatives
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.containment import containment_pairs
from dedupe.corpus.groups import Pairs, Search, Settled
from dedupe.corpus.inside import shuffled_pairs
from dedupe.corpus.tasks import Engine
from dedupe.records import Hashes, Offsets

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Keepers:
    """Name the keeper of every document: int64 and float64 (num_docs,); its own number where it stays."""

    keeper: Offsets
    resemblance: NDArray[np.float64]
    containment: NDArray[np.float64]

    @classmethod
    def of(cls, num_docs: int) -> Keepers:
        """Let every document keep itself."""
        return cls(np.arange(num_docs), np.ones(num_docs), np.ones(num_docs))

    def of_own(self, num_own: int) -> Keepers:
        """Leave out documents after the first `num_own`, which the run does not have."""
        return Keepers(self.keeper[:num_own], self.resemblance[:num_own], self.containment[:num_own])


def find_near(
    artefacts: Artefacts, config: Config, engine: Engine, memory_bytes: int, known: Offsets | None = None
) -> Keepers:
    """Find the keeper of every document.

    `known`: int64 (num_pairs, 2), further candidates: documents of the run, and others that `artefacts` numbers after
    them; those are only ever compared in these pairs.
    """
    result = Keepers.of(len(artefacts))
    if config.near_duplicates == "off" or not len(artefacts):
        return result
    stands, docs = _representatives(artefacts, config)
    place = np.full(len(artefacts), -1, np.int64)
    place[docs] = np.arange(len(docs))
    pairs = _known_pairs(place, stands, known)
    search = Search(artefacts, config, engine, memory_bytes, docs, place)
    _keep(result, search.settled("stars", pairs))
    keepers = docs[result.keeper[docs] == docs]
    if search.is_held:
        inner, outer = containment_pairs(artefacts, docs, keepers, config.min_containment, engine)
    else:
        inner, outer = shuffled_pairs(artefacts, docs, keepers, config.min_containment, engine, memory_bytes)
    if len(inner):
        pairs = Pairs(pairs.known, place[inner], place[outer])
        _keep(result, search.settled("pages", pairs, wanted=place[np.unique(inner)]))
    for column in (result.keeper, result.resemblance, result.containment):
        column[:] = column[stands]
    return result


def _keep(result: Keepers, settled: Iterator[Settled]) -> None:
    """Write what groups of documents came to into the columns of all."""
    for each in settled:
        result.keeper[each.docs] = each.keeper
        result.resemblance[each.docs] = each.resemblance
        result.containment[each.docs] = each.containment


def _representatives(artefacts: Artefacts, config: Config) -> tuple[Offsets, Offsets]:
    """Give the document that stands for each, and those that stand for themselves, in keeper order."""
    shingle_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(artefacts.num_shingles)])
    order = artefacts.order(config.keep)
    stands = exact_copies(_content(artefacts), shingle_start, order)
    return stands, representatives(stands, shingle_start, order)


def _known_pairs(place: Offsets, stands: Offsets, known: Offsets | None) -> Pairs:
    """Give the pairs of documents that are no copies of each other."""
    nobody = np.empty(0, np.int64)
    if known is None or not len(known):
        return Pairs(np.empty((0, 2), np.int64), nobody, nobody)
    pairs = np.unique(np.sort(place[stands[known]], axis=1), axis=0)
    return Pairs(pairs[(pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1])], nobody, nobody)


def _content(artefacts: Artefacts) -> Hashes:
    """Hash the content of every document: its stream, and values of its signature, for the former can be forged."""
    content: Hashes = artefacts.column("content").astype(np.uint64)
    return content ^ (artefacts.band(0) * _ODD)


def places_of(artefacts: Artefacts, config: Config) -> Offsets:
    """Give every document its place in keeper order; int64 (num_docs,)."""
    place = np.empty(len(artefacts), np.int64)
    place[artefacts.order(config.keep)] = np.arange(len(artefacts))
    return place
