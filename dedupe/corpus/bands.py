"""Find the buckets of a corpus whose bands do not fit in memory: rows of bands are shuffled, and tied bucket by bucket.

    bands   shuffle   a row for each document and band: the band's key, and the band with the document's place
    ties    map       runs of equal keys, distinct; documents tied together as far as these rows tell
    connect           components of the whole: dedupe.corpus.connect
    rows    shuffle   buckets again, by the group of components that a worker settles

Places are numbers in keeper order. Buckets are those of dedupe.index, at the same bits of the same keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster.components import contracted
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.tasks import Arrays, Engine, Made, Manifest, Spread, Task, num_buckets_for, read_bucket
from dedupe.index import distinct_sets, runs_of_keys
from dedupe.records import Hashes, Offsets
from dedupe.write import replacing

_BAND_COLUMNS = {"key": "uint64", "at": "uint64"}
_MEMBER_COLUMNS = {"group": "uint64", "content": "uint64", "place": "uint32"}
_MEMBER_BYTES = 20
_PLACE_BITS = np.uint64(40)
_PLACE = (np.uint64(1) << _PLACE_BITS) - np.uint64(1)
_TIES = "ties"


@dataclass(frozen=True, slots=True)
class BandTask:
    """Say which lot's bands to send; `places`: file with the place of every document, -1 where it takes no part."""

    artefacts: Artefacts
    lot: int
    places: str
    num_bands: int


def band_rows(task: Task) -> Iterator[Arrays]:
    """Send the bands of a lot's documents, one after another."""
    work: BandTask = task.payload
    low, high = work.artefacts.lot_start[work.lot:work.lot + 2].tolist()
    place = np.load(work.places, mmap_mode="r")[low:high].astype(np.int64)
    rows = np.flatnonzero(place >= 0)
    for band in range(work.num_bands):
        at = place[rows].astype(np.uint64) | np.uint64(band) << _PLACE_BITS
        yield {"key": work.artefacts.lot_band(work.lot, band)[rows], "at": at}


def tie(task: Task, folder: Path, spread: Spread) -> Made:
    """Write the buckets among sorted rows of bands, and at most one edge a document that ties it to others."""
    key, at = read_bucket(Path(task.payload), list(_BAND_COLUMNS))
    found = distinct_sets(*_runs(key, at))
    child, root = contracted(found.sizes, found.members)
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(
            file, content=found.content, sizes=found.sizes.astype(np.uint32), members=found.members.astype(np.uint32),
            child=child.astype(np.uint32), root=root.astype(np.uint32),
        )
    return Made({"edges": len(child), "members": len(found.members)}, (f"{task.name}.npz",))


def _runs(key: Hashes, at: Hashes) -> tuple[Offsets, Offsets]:
    """Cut rows into runs of one key and band; two bands have a key in common by chance at most."""
    place, band = (at & _PLACE).astype(np.int64), at >> _PLACE_BITS
    if not ((key[1:] == key[:-1]) & (band[1:] != band[:-1])).any():
        return runs_of_keys(key, place)
    parts = [runs_of_keys(key[band == each], place[band == each]) for each in range(int(band.max()) + 1)]
    return np.concatenate([sizes for sizes, _ in parts]), np.concatenate([members for _, members in parts])


@dataclass(frozen=True, slots=True)
class Ties:
    """Name the files that have the buckets of a corpus, by what keys they have."""

    engine: Engine
    made: Sequence[Manifest]
    memory_bytes: int
    stage = _TIES

    @classmethod
    def of(
        cls, artefacts: Artefacts, places: str, num_places: int, num_bands: int, engine: Engine, memory_bytes: int
    ) -> Ties:
        """Shuffle the bands of all documents and tie those together that share buckets."""
        lots = [
            Task(name, name, BandTask(artefacts, lot, places, num_bands))
            for lot, name in enumerate(artefacts.names)
        ]
        buckets = engine.shuffle_sort(
            "bands", band_rows, lots, _BAND_COLUMNS, ("key", "at"),
            num_buckets_for(num_places * num_bands, 16, memory_bytes),
        )
        works = [Task(each.stem, f"bands {each.stem}", str(each)) for each in buckets]
        return cls(engine, engine.map_files(_TIES, tie, works), memory_bytes)

    def by_group(self, stage: str, groups: str, num_groups: int) -> Members:
        """Shuffle the buckets by the groups of their documents; `groups`: file with the group of each place, or -1."""
        bits = max(1, num_groups.bit_length())
        tasks = [
            Task(each.task, f"{stage} {each.task}", MemberTask(
                str(self.engine.folder / _TIES / f"{each.task}.npz"), groups, 64 - bits
            )) for each in self.made
        ]
        num_members = sum(each.counts["members"] for each in self.made)
        paths = self.engine.shuffle_sort(
            f"{stage}-rows", member_rows, tasks, _MEMBER_COLUMNS, ("group", "content", "place"),
            num_buckets_for(num_members, _MEMBER_BYTES, self.memory_bytes),
        )
        return Members(tuple(map(str, paths)), 64 - bits)


@dataclass(frozen=True, slots=True)
class MemberTask:
    """Say which buckets to send, and where the bits of a group begin in the key."""

    buckets: str
    groups: str
    shift: int


def member_rows(task: Task) -> Iterator[Arrays]:
    """Send the buckets of one file whose documents are in a group; all members of a bucket are in the same."""
    work: MemberTask = task.payload
    with np.load(work.buckets) as held:
        content, sizes, members = held["content"], held["sizes"].astype(np.int64), held["members"]
    group = np.load(work.groups, mmap_mode="r")[members[np.cumsum(sizes) - sizes]]
    wanted = group >= 0
    key = group[wanted].astype(np.uint64) << np.uint64(work.shift)
    yield {
        "group": np.repeat(key, sizes[wanted]), "content": np.repeat(content[wanted], sizes[wanted]),
        "place": members[np.repeat(wanted, sizes)],
    }


@dataclass(frozen=True, slots=True)
class Members:
    """Say in which file the buckets of a group are."""

    paths: tuple[str, ...]
    shift: int

    def path_of(self, group: int) -> str:
        """Name the file."""
        bits = len(self.paths).bit_length() - 1
        return self.paths[group << self.shift >> 64 - bits]


def buckets_of(path: str, group: int, shift: int) -> tuple[Offsets, NDArray[Any]]:
    """Read the distinct buckets of a group: sizes and places, int64."""
    key, content, place = read_bucket(Path(path), list(_MEMBER_COLUMNS))
    wanted = np.uint64(group << shift)
    low, high = np.searchsorted(key, wanted, "left"), np.searchsorted(key, wanted, "right")
    content, place = content[low:high], place[low:high].astype(np.int64)
    is_new = np.ones(len(place), np.bool_)  # the same bucket may come out of several bands
    is_new[1:] = (content[1:] != content[:-1]) | (place[1:] != place[:-1])
    return runs_of_keys(content[is_new], place[is_new])
