"""Cut texts into the tokens that all tools are given: folded words, and Han characters one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain

SHINGLE_TOKENS = 5
find_tokens: Callable[[str], list[str]] = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff_]+").findall


def tokens(text: str) -> list[str]:
    return find_tokens(text.lower())


def shingles(text: str) -> Iterable[tuple[str, ...]]:
    found = tokens(text)
    if len(found) < SHINGLE_TOKENS:
        return [tuple(found)] if found else []
    return zip(found, found[1:], found[2:], found[3:], found[4:], strict=False)


def shingle_texts(text: str) -> list[str]:
    return list(map(" ".join, shingles(text)))


def flat_hashes(texts: list[str]) -> tuple[list[int], list[int]]:
    """Hash all shingles with Python's own hash, the fastest there is without a compiler: values, and row starts."""
    rows = [list(map(hash, shingles(text))) for text in texts]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    return list(chain.from_iterable(rows)), starts
