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
from dedupe.corpus.tasks import Made, Spread, Task
from dedupe.records import Offsets
from dedupe.write import replacing

_SHINGLES_PER_DOC = 40  # a signature and what is kept by document take as much memory as so many shingles


@dataclass(frozen=True, slots=True)
class SettleTask:
    """Hold documents in keeper order, and candidates among them by their places here.

    `max_weight`: how many shingles may be in memory; documents that have more are settled in parts.
    """

    artefacts: Artefacts
    config: Config
    docs: Offsets
    start: Offsets
    members: Offsets
    inner: Offsets
    outer: Offsets
    max_weight: int


def weights(artefacts: Artefacts, docs: Offsets) -> Offsets:
    """Say what documents take of the memory, in shingles; int64 (num_docs,)."""
    found: Offsets = artefacts.num_shingles[docs] + _SHINGLES_PER_DOC
    return found


def settle(task: Task, folder: Path, spread: Spread) -> Made:
    """Verify the candidates of a group and write down each document's keeper."""
    work: SettleTask = task.payload

    def load(places: Offsets) -> tuple[NDArray[np.uint32], Offsets, NDArray[np.uint32]]:
        docs = work.docs[places]
        return *work.artefacts.shingles(docs), work.artefacts.signatures(docs)

    clusters = clusters_in_parts(
        load, weights(work.artefacts, work.docs), work.start, work.members, work.inner, work.outer,
        criteria=Criteria(min_resemblance=work.config.min_resemblance, min_containment=work.config.min_containment),
        max_weight=work.max_weight,
    )
    with replacing(str(folder / f"{task.name}.npz")) as file:
        np.savez(
            file, docs=work.docs, keeper=work.docs[clusters.keeper],
            resemblance=clusters.resemblance, containment=clusters.containment,
        )
    return Made({"docs": len(work.docs)}, (f"{task.name}.npz",))
