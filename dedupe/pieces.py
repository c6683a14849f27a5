"""Cut a stream of items into pieces that are worked on together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")

MOST_ITEMS = 1 << 14  # what is kept of an item takes memory also where its size is nothing


def pieces(
    items: Iterable[_Item], size_of: Callable[[_Item], int], most: int, most_items: int = MOST_ITEMS
) -> Iterator[list[_Item]]:
    """Gather items, in order, until their sizes add up to `most` or there are `most_items` of them.

    The item that reaches a bound is the last of its piece, so a piece is larger than `most` by less than one item. No
    piece is empty.

    >>> list(pieces(["ab", "c", "defg", "h"], len, 3)), list(pieces(["ab", "c", "defg", "h"], len, 3, 1))
    ([['ab', 'c'], ['defg'], ['h']], [['ab'], ['c'], ['defg'], ['h']])
    """
    held: list[_Item] = []
    size = 0
    for item in items:
        held.append(item)
        size += size_of(item)
        if size >= most or len(held) == most_items:
            yield held
            held, size = [], 0
    if held:
        yield held
