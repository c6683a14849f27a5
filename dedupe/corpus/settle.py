"""Settle documents that depend on each other: verify candidates and name the keeper of each; the task of `near`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dedupe.cluster import Criteria
from dedupe.cluster.parts import clusters_in_parts
from dedupe.config import Config
from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.bands import buckets_of
from dedupe.corpus.tasks import Made, Spread, Task
from dedupe.records import Offsets
from dedupe.write import replacing

_SHINGLES_PER_DOC = 40  # a signature and what is kept by document take as much memory as so many shingles


@dataclass(frozen=True, slots=True)
class Tied:
    """Hold candidates as places in keeper order: buckets (`sizes`, `members`), pairs of which `inner` may stand inside
    `outer`; all int64."""

    sizes: Offsets
    members: Offsets
    inner: Offsets
    outer: Offsets


@dataclass(frozen=True, slots=True)
class SettleTask:
    """Name the candidates of a group of documents; where `path` is given, more buckets of the `group` are there.

    `docs`: the document at each place, or the file that says so. `max_weight`: how many shingles may be in memory;
    documents that have more are settled in parts.
    """

    artefacts: Artefacts
    config: Config
    docs: Offsets | str
    tied: Tied
    max_weight: int
    path: str = ""
    group: int = 0
    shift: int = 0


def weights(artefacts: Artefacts, docs: Offsets) -> Offsets:
    """Say what documents take of the memory, in shingles; int64 (num_docs,)."""
    found: Offsets = artefacts.num_shingles[docs] + _SHINGLES_PER_DOC
    return found


def settle(task: Task, folder: Path, spread: Spread) -> Made:
    """Verify the candidates of a group and write down each document's keeper."""
    work: SettleTask = task.payload
    tied = _all_tied(work)
    places = np.unique(np.concatenate([tied.members, tied.inner, tied.outer]))
    docs = _docs_at(work.docs, places)

    def load(rows: Offsets) -> tuple[NDArray[np.uint32], Offsets, NDArray[np.uint32]]:
        return *work.artefacts.shingles(docs[rows]), work.artefacts.signatures(docs[rows])

    clusters = clusters_in_parts(
        load, weights(work.artefacts, docs), np.concatenate([np.zeros(1, np.int64), np.cumsum(tied.sizes)]),
        *(np.searchsorted(places, each) for each in (tied.members, tied.inner, tied.outer)),
        criteria=Criteria(min_resemblance=work.config.min_resemblance, min_containment=work.config.min_containment),
        max_weight=work.max_weight,
    )
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(
            file, docs=docs, keeper=docs[clusters.keeper],
            resemblance=clusters.resemblance, containment=clusters.containment,
        )
    return Made({"docs": len(docs)}, (f"{task.name}.npz",))


def _all_tied(work: SettleTask) -> Tied:
    if not work.path:
        return work.tied
    sizes, members = buckets_of(work.path, work.group, work.shift)
    return Tied(
        np.concatenate([work.tied.sizes, sizes]), np.concatenate([work.tied.members, members]),
        work.tied.inner, work.tied.outer,
    )


def _docs_at(docs: Offsets | str, places: Offsets) -> Offsets:
    found = np.load(docs, mmap_mode="r")[places] if isinstance(docs, str) else docs[places]
    return np.asarray(found, np.int64)
