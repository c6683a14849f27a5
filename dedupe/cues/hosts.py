"""Match the wording of single hosts in their documents, over what the lists of all found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dedupe.cues.find import find_cues
from dedupe.cues.lists import ExtraCue, own_cues
from dedupe.records import Blocks, CueHits, Texts


def with_host_cues(
    texts: Texts, blocks: Blocks, hits: CueHits, extra: Mapping[int, tuple[ExtraCue, ...]], categories: Sequence[str]
) -> CueHits:
    """Replace the hits of blocks that the wording of their host matches.

    `extra`: by document of the batch, the cues of its host. Of those blocks `phrase` is -1.
    """
    columns = {name: getattr(hits, name).copy() for name in ("category", "kind", "strength", "phrase")}
    for doc, cues in extra.items():
        low, high = int(blocks.doc_start[doc]), int(blocks.doc_start[doc + 1])
        found = find_cues(texts, _blocks_of(blocks, low, high), own_cues(cues, tuple(categories)))
        at = np.flatnonzero(found.phrase >= 0)
        for name in ("category", "kind", "strength"):
            columns[name][low + at] = getattr(found, name)[at]
        columns["phrase"][low + at] = -1
    return CueHits(**columns)


def _blocks_of(blocks: Blocks, low: int, high: int) -> Blocks:
    """Take some blocks in a row as if there were no others; they stay where they are in the text."""
    stream, token = blocks.stream_start[low:high + 1], blocks.token_start[low:high + 1]
    return Blocks(
        doc_start=np.array([0, high - low]),
        start=blocks.start[low:high],
        end=blocks.end[low:high],
        stream=blocks.stream[stream[0]:stream[-1]],
        stream_start=stream - stream[0],
        token_pos=blocks.token_pos[token[0]:token[-1]] - stream[0],
        token_start=token - token[0],
    )
