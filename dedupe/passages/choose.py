"""Choose among the passages of one document."""

from __future__ import annotations

import numpy as np

from dedupe.passages.extend import Passage

_MAX_COVERED_FRACTION = 0.5  # a passage mostly told already is not told again


def choose_passages(found: list[tuple[int, int, Passage]]) -> list[tuple[int, int, Passage]]:
    """Keep the longest of passages that overlap; `found`: (place of the source in keeper order, source, passage).

    Of equal ones the one from the best source stays. Returns them by position.

    >>> one, two = Passage((0, 90), (0, 90), 90), Passage((10, 70), (5, 65), 60)
    >>> choose_passages([(3, 7, two), (4, 8, one)]) == [(4, 8, one)]
    True
    """
    if len(found) < 2:
        return found
    chosen: list[tuple[int, int, Passage]] = []
    times_told = np.zeros(max(each.span[1] for _, _, each in found), np.int64)  # of each token
    for each in sorted(found, key=lambda each: (-each[2].num_equal, each[0], each[2].span, each[2].source_span)):
        start, end = each[2].span
        told = times_told[start:end]
        if told.sum() <= _MAX_COVERED_FRACTION * (end - start):
            told += 1
            chosen.append(each)
    return sorted(chosen, key=lambda each: (each[2].span, each[0]))
