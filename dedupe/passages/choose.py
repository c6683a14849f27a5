"""Choose among the passages of one document."""

from __future__ import annotations

from dedupe.passages.extend import Passage

_MAX_COVERED_FRACTION = 0.5  # a passage mostly told already is not told again


def choose_passages(found: list[tuple[int, int, Passage]]) -> list[tuple[int, int, Passage]]:
    """Keep the longest of passages that overlap; `found`: (place of the source in keeper order, source, passage).

    Of equal ones the one from the best source stays. Returns them by position.

    >>> one, two = Passage((0, 90), (0, 90), 90), Passage((10, 70), (5, 65), 60)
    >>> choose_passages([(3, 7, two), (4, 8, one)]) == [(4, 8, one)]
    True
    """
    chosen: list[tuple[int, int, Passage]] = []
    for each in sorted(found, key=lambda each: (-each[2].num_equal, each[0], each[2].span, each[2].source_span)):
        start, end = each[2].span
        covered = sum(max(0, min(end, other.span[1]) - max(start, other.span[0])) for _, _, other in chosen)
        if covered <= _MAX_COVERED_FRACTION * (end - start):
            chosen.append(each)
    return sorted(chosen, key=lambda each: (each[2].span, each[0]))
