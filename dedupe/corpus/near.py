"""Find near-duplicate documents of a corpus larger than memory: a keeper for every document that goes.

    buckets     one band after another: 16 bytes a document
    components  documents tied together by buckets; only components depend on each other
    stars       components, as many at a time as fit, with their shingles: the rule of dedupe.cluster; a component that
                does not fit by itself, in parts
    pages       documents inside a longer one share no bucket: candidates by probes, then stars again

The result is that of dedupe.cluster on the whole corpus at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import exact_copies, representatives
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.containment import containment_pairs
from dedupe.corpus.settle import SettleTask, settle, weights
from dedupe.corpus.tasks import Engine, Task
from dedupe.index import choose_bands, shared_buckets
from dedupe.records import Hashes, Offsets

_BYTES_PER_SHINGLE = 80  # to verify components takes 40 at most; the other half is for columns of all documents
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MIN_GROUP_SHINGLES = 1 << 20


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


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Hold candidates as places in keeper order: buckets, and pairs (inner may stand inside outer)."""

    start: Offsets
    members: Offsets
    inner: Offsets
    outer: Offsets


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
    shingle_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(artefacts.num_shingles)])
    order = artefacts.order(config.keep)
    stands = exact_copies(_content(artefacts), shingle_start, order)
    docs = representatives(stands, shingle_start, order)
    bands, _ = choose_bands(config.min_resemblance, config.num_perm)
    own = docs[docs < artefacts.num_own]
    buckets = shared_buckets((artefacts.band(band)[own] for band in range(bands)), own)
    place = np.full(len(artefacts), -1, np.int64)
    place[docs] = np.arange(len(docs))
    nobody = np.empty(0, np.int64)
    candidates = _with_pairs(_Candidates(buckets.start, place[buckets.docs], nobody, nobody), place, stands, known)
    everyone = np.ones(len(docs), np.bool_)
    search = _Search(artefacts, config, engine, memory_bytes, docs)
    search.stars("stars", candidates, everyone, result)
    keepers = docs[result.keeper[docs] == docs]
    inner, outer = containment_pairs(artefacts, docs, keepers, config.min_containment, engine)
    if len(inner):
        candidates = _Candidates(candidates.start, candidates.members, place[inner], place[outer])
        touched = np.zeros(len(docs), np.bool_)
        touched[candidates.inner] = touched[candidates.outer] = True
        search.stars("pages", candidates, touched, result)
    for column in (result.keeper, result.resemblance, result.containment):
        column[:] = column[stands]
    return result


def _with_pairs(buckets: _Candidates, place: Offsets, stands: Offsets, known: Offsets | None) -> _Candidates:
    """Add a bucket for each pair of documents that are no copies of each other."""
    if known is None or not len(known):
        return buckets
    pairs = np.unique(np.sort(place[stands[known]], axis=1), axis=0)
    pairs = pairs[(pairs[:, 0] >= 0) & (pairs[:, 0] < pairs[:, 1])]
    start = np.concatenate([buckets.start, buckets.start[-1] + 2 * np.arange(1, len(pairs) + 1)])
    return _Candidates(start, np.concatenate([buckets.members, pairs.ravel()]), buckets.inner, buckets.outer)


def _content(artefacts: Artefacts) -> Hashes:
    """Hash the content of every document: its stream, and values of its signature, for the former can be forged."""
    content: Hashes = artefacts.column("content").astype(np.uint64)
    return content ^ (artefacts.band(0) * _ODD)


def places_of(artefacts: Artefacts, config: Config) -> Offsets:
    """Give every document its place in keeper order; int64 (num_docs,)."""
    place = np.empty(len(artefacts), np.int64)
    place[artefacts.order(config.keep)] = np.arange(len(artefacts))
    return place


@dataclass(frozen=True, slots=True)
class _Search:
    artefacts: Artefacts
    config: Config
    engine: Engine
    memory_bytes: int
    docs: Offsets

    def stars(self, stage: str, candidates: _Candidates, wanted: NDArray[np.bool_], result: Keepers) -> None:
        """Settle all components that have a wanted document, and write what comes out into `result`."""
        label = components(len(self.docs), candidates)
        is_wanted = np.zeros(len(self.docs), np.bool_)
        is_wanted[label[wanted]] = True
        tied = np.zeros(len(self.docs), np.bool_)
        tied[candidates.members] = tied[candidates.inner] = tied[candidates.outer] = True
        takes_part = np.flatnonzero(is_wanted[label] & tied)
        groups = self._groups(takes_part, label[takes_part])
        tasks = [
            Task(f"{number:05}-{self._most}", f"{stage} {number}", self._task(group, candidates))
            for number, group in enumerate(groups)
        ]
        for manifest in self.engine.map_files(stage, settle, tasks):
            with np.load(self.engine.folder / stage / f"{manifest.task}.npz") as made:
                rows = made["docs"]
                result.keeper[rows] = made["keeper"]
                result.resemblance[rows] = made["resemblance"]
                result.containment[rows] = made["containment"]

    @property
    def _most(self) -> int:
        """How many shingles a group may have; with another bound groups are other ones, and none counts as done."""
        return max(_MIN_GROUP_SHINGLES, self.memory_bytes // _BYTES_PER_SHINGLE)

    def _groups(self, places: Offsets, label: Offsets) -> list[Offsets]:
        """Put whole components together until they fill the memory of a worker."""
        if not len(places):
            return []
        order = np.lexsort((places, label))
        places, label = places[order], label[order]
        begins = np.flatnonzero(np.diff(label, prepend=-1))
        sizes = np.add.reduceat(weights(self.artefacts, self.docs[places]), begins)
        group = np.zeros(len(begins), np.int64)
        number, filled = 0, 0
        for at, size in enumerate(sizes.tolist()):
            if filled and filled + size > self._most:
                number, filled = number + 1, 0
            filled += size
            group[at] = number
        cuts = begins[np.flatnonzero(np.diff(group)) + 1]
        return [np.sort(part) for part in np.split(places, cuts)]

    def _task(self, places: Offsets, candidates: _Candidates) -> SettleTask:
        """Number the documents of a group from 0 in keeper order, with the candidates among them."""
        local = np.full(len(self.docs), -1, np.int64)
        local[places] = np.arange(len(places))
        sizes = np.diff(candidates.start)
        inside = local[candidates.members[candidates.start[:-1]]] >= 0 if len(sizes) else np.zeros(0, np.bool_)
        members = candidates.members[np.repeat(inside, sizes)]
        pairs = (local[candidates.inner] >= 0) & (local[candidates.outer] >= 0)
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[inside])])
        return SettleTask(
            self.artefacts, self.config, self.docs[places], start, local[members],
            local[candidates.inner[pairs]], local[candidates.outer[pairs]], self._most,
        )


def components(num_docs: int, candidates: _Candidates) -> Offsets:
    """Label each document with the least document it is tied to, over any number of steps; int64 (num_docs,).

    Labels spread over buckets and pairs, and then along themselves, until none changes.
    """
    label = np.arange(num_docs)
    sizes = np.diff(candidates.start)
    while True:
        before = label.copy()
        if len(sizes):
            least = np.minimum.reduceat(label[candidates.members], candidates.start[:-1])
            np.minimum.at(label, candidates.members, np.repeat(least, sizes))
            np.minimum.at(label, before[candidates.members], np.repeat(least, sizes))
        for one, two in ((candidates.inner, candidates.outer), (candidates.outer, candidates.inner)):
            np.minimum.at(label, one, label[two])
            np.minimum.at(label, before[one], label[two])
        while (label[label] != label).any():
            label = label[label]
        if (label == before).all():
            return label


def stages(folder: Path) -> Sequence[Path]:
    """List the folders this search leaves behind."""
    return [folder / name for name in ("stars", "pages")]
