"""Put documents that are tied together into groups that fit a worker, and let workers settle them.

Components are labelled, whole components are put together until they are worth a task, and each group is one. Buckets
are held in memory, or lie in files: dedupe.corpus.bands. Which it is changes no keeper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.components import Forest
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.bands import Ties
from dedupe.corpus.connect import labels_of
from dedupe.corpus.settle import SettleTask, Tied, settle, weights
from dedupe.corpus.tasks import Engine, Task
from dedupe.hashing import ranges
from dedupe.index import choose_bands, shared_buckets
from dedupe.records import Offsets
from dedupe.write import replacing

SHARE_OF_BANDS = 8  # bands are shuffled where their keys take more than this part of the memory
_BYTES_PER_SHINGLE = 80  # to verify components takes 40 at most; the other half is for columns of all documents
_MIN_GROUP_SHINGLES = 1 << 20
_GROUP_SHINGLES = 1 << 21  # put together, whatever the memory: several workers have work, and the arrays are small
_KEY_BYTES = 8
_Labels: TypeAlias = NDArray[Any]
_Groups: TypeAlias = NDArray[np.int32]
_MakeTask: TypeAlias = Callable[[int, Tied], SettleTask]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Hold pairs of places, candidates besides buckets: `known` int64 (num_known, 2), and inner inside outer."""

    known: Offsets
    inner: Offsets
    outer: Offsets


@dataclass(frozen=True, slots=True)
class Settled:
    """Name the keepers of some documents, and how alike they are."""

    docs: Offsets
    keeper: Offsets
    resemblance: NDArray[np.float64]
    containment: NDArray[np.float64]


class _Buckets(Protocol):
    """Know which documents share buckets; `labels`: the least place that each is tied to by them."""

    labels: _Labels

    def prepare(self, stage: str, group_of: _Groups, num_groups: int) -> _MakeTask:
        """Make ready to make tasks of a group's number and pairs; `group_of`: by place, -1 for none."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Hold what all tasks of a search have in common. `docs`: the documents, in keeper order; `max_weight`: how many
    shingles a group may have."""

    artefacts: Artefacts
    config: Config
    engine: Engine
    memory_bytes: int
    docs: Offsets
    max_weight: int


class Search:
    """Settle documents that share buckets or stand in pairs; `place`: of every document, -1 where it takes no part.

    `is_held`: whether candidates are so few that the driver has them in memory.
    """

    def __init__(
        self, artefacts: Artefacts, config: Config, engine: Engine, memory_bytes: int, docs: Offsets, place: Offsets
    ) -> None:
        # groups of another size are other ones: none counts as done
        max_weight = max(_MIN_GROUP_SHINGLES, memory_bytes // _BYTES_PER_SHINGLE)
        self._setting = Setting(artefacts, config, engine, memory_bytes, docs, max_weight)
        num_bands, _ = choose_bands(config.min_resemblance, config.num_perm)
        self.is_held = num_bands * len(docs) * _KEY_BYTES * SHARE_OF_BANDS <= memory_bytes
        self._buckets: _Buckets = (_Held if self.is_held else _Shuffled)(self._setting, place, num_bands)

    def settled(self, stage: str, pairs: Pairs, wanted: Offsets | None = None) -> Iterator[Settled]:
        """Settle all components, or those that have a wanted place."""
        forest = Forest(len(self._setting.docs), self._buckets.labels)
        for one, two in ((pairs.known[:, 0], pairs.known[:, 1]), (pairs.outer, pairs.inner)):
            forest.add(one, two)
        group_of, num_groups = _groups(forest.labels(), wanted, self._setting)
        make = self._buckets.prepare(stage, group_of, num_groups)
        of_group = _by_group(pairs, group_of, num_groups)
        tasks = [
            Task(f"{number:05}-{self._setting.max_weight}", f"{stage} {number}", make(number, of_group(number)))
            for number in range(num_groups)
        ]
        for manifest in self._setting.engine.map_files(stage, settle, tasks):
            with np.load(self._setting.engine.folder / stage / f"{manifest.task}.npz") as made:
                yield Settled(**made)


def _groups(label: _Labels, wanted: Offsets | None, setting: Setting) -> tuple[_Groups, int]:
    """Put whole components together, in the order of their labels, until they are worth a task."""
    takes_part = label != np.arange(len(label))
    takes_part[label[takes_part]] = True
    if wanted is not None:
        is_wanted = np.zeros(len(label), np.bool_)
        is_wanted[label[wanted]] = True
        takes_part &= is_wanted[label]
    places = np.flatnonzero(takes_part)
    places = places[np.argsort(label[places], kind="stable")]
    begins = np.flatnonzero(np.diff(label[places], prepend=-1))
    found = np.full(len(label), -1, np.int32)
    if not len(places):
        return found, 0
    sizes = np.add.reduceat(weights(setting.artefacts, setting.docs[places]), begins)
    bounds = np.append(begins, len(places))
    number = 0
    for number, (low, high) in enumerate(_filled(sizes, min(setting.max_weight, _GROUP_SHINGLES))):
        found[places[bounds[low]:bounds[high]]] = number
    return found, number + 1


def _filled(sizes: Offsets, most: int) -> Iterator[tuple[int, int]]:
    """Cut sizes into ranges that add up to `most` and less, or hold one alone.

    >>> list(_filled(np.array([3, 1, 9, 2, 2]), 4))
    [(0, 2), (2, 3), (3, 5)]
    """
    done = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    low = 0
    while low < len(sizes):
        high = max(low + 1, int(np.searchsorted(done, done[low] + most, side="right")) - 1)
        yield low, high
        low = high


def _by_group(pairs: Pairs, group_of: _Groups, num_groups: int) -> Callable[[int], Tied]:
    """Sort pairs by group; those of a group are buckets of two, and inner and outer."""
    known = _Slices(group_of[pairs.known[:, 0]], num_groups)
    inside = _Slices(group_of[pairs.inner], num_groups)

    def tied(group: int) -> Tied:
        two, rows = pairs.known[known.of(group)], inside.of(group)
        return Tied(np.full(len(two), 2), two.ravel(), pairs.inner[rows], pairs.outer[rows])

    return tied


class _Slices:
    """Find the rows of a group; `group`: of every row, -1 for none."""

    def __init__(self, group: _Groups, num_groups: int) -> None:
        self._order = np.argsort(group, kind="stable")
        self._bounds = np.searchsorted(group[self._order], np.arange(num_groups + 1))

    def of(self, group: int) -> Offsets:
        return self._order[self._bounds[group]:self._bounds[group + 1]]


class _Held:
    """Find buckets on the driver, and hold them in memory, as places."""

    def __init__(self, setting: Setting, place: Offsets, num_bands: int) -> None:
        self._setting = setting
        own = setting.docs[setting.docs < setting.artefacts.num_own]
        found = shared_buckets((setting.artefacts.band(band)[own] for band in range(num_bands)), own)
        self._sizes, self._members = np.diff(found.start), place[found.docs]
        self._firsts = found.start[:-1]
        forest = Forest(len(setting.docs))
        forest.add(self._members, np.repeat(self._members[self._firsts], self._sizes))
        self.labels = forest.labels()

    def prepare(self, stage: str, group_of: _Groups, num_groups: int) -> _MakeTask:
        """Sort the buckets by group; the documents of a group are numbered from 0."""
        rows_of = _Slices(group_of[self._members[self._firsts]], num_groups)
        setting = self._setting

        def make(group: int, pairs: Tied) -> SettleTask:
            rows = rows_of.of(group)
            members = np.concatenate([pairs.members, self._members[ranges(self._firsts[rows], self._sizes[rows])]])
            places = np.unique(np.concatenate([members, pairs.inner, pairs.outer]))
            local = (np.searchsorted(places, each) for each in (members, pairs.inner, pairs.outer))
            tied = Tied(np.concatenate([pairs.sizes, self._sizes[rows]]), *local)
            return SettleTask(setting.artefacts, setting.config, setting.docs[places], tied, setting.max_weight)

        return make


class _Shuffled:
    """Let workers find buckets, and leave them in files; the driver has labels alone."""

    def __init__(self, setting: Setting, place: Offsets, num_bands: int) -> None:
        self._setting = setting
        self._folder = setting.engine.folder / "near"
        self._folder.mkdir(exist_ok=True)
        places = self._saved("places", place)
        self._docs = self._saved("docs", setting.docs)
        num_docs, engine, memory_bytes = len(setting.docs), setting.engine, setting.memory_bytes
        self._ties = Ties.of(setting.artefacts, places, num_docs, num_bands, engine, memory_bytes)
        self.labels = labels_of(engine, self._ties.stage, self._ties.made, num_docs, memory_bytes)

    def _saved(self, name: str, numbers: Any) -> str:
        path = str(self._folder / f"{name}.npy")
        with replacing(path) as file:
            np.save(file, numbers)
        return path

    def prepare(self, stage: str, group_of: _Groups, num_groups: int) -> _MakeTask:
        """Shuffle the buckets to the groups."""
        setting = self._setting
        members = self._ties.by_group(stage, self._saved(f"groups-{stage}", group_of), num_groups)

        def make(group: int, pairs: Tied) -> SettleTask:
            return SettleTask(
                setting.artefacts, setting.config, self._docs, pairs, setting.max_weight,
                members.path_of(group), group, members.shift,
            )

        return make
