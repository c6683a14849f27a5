"""Verify which passages of a document repeat which, on their canonical streams.

Reading order: `equal` (blocks with the same stream, or the same but for digits), `near` (short blocks
that differ in a few characters), `runs` (long runs shared by two blocks), `doubled` (a block that says
the same thing twice in a row). Each proposes by hashes and verifies on the bytes; none decides anything.
"""

from dedupe.match.doubled import find_doubled
from dedupe.match.equal import find_equal, find_equal_but_for_digits
from dedupe.match.near import find_near
from dedupe.match.runs import find_runs

__all__ = [
    "find_doubled",
    "find_equal",
    "find_equal_but_for_digits",
    "find_near",
    "find_runs",
]
