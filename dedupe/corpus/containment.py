"""Find candidates for containment in a corpus larger than memory."""

from __future__ import annotations

import numpy as np

from dedupe.corpus.artefacts import Artefacts
from dedupe.corpus.tasks import Engine
from dedupe.index import containment_candidates
from dedupe.records import Offsets


def containment_pairs(
    artefacts: Artefacts, docs: Offsets, keepers: Offsets, min_containment: float, engine: Engine
) -> tuple[Offsets, Offsets]:
    """Find which of `docs` may stand inside one of `keepers`; numbers of documents."""
    shingles, start = artefacts.shingles(docs)
    place = np.full(len(artefacts), -1, np.int64)
    place[docs] = np.arange(len(docs))
    pairs = containment_candidates(shingles, start, np.arange(len(docs)), place[keepers], min_containment)
    return docs[pairs.inner], docs[pairs.outer]
