"""Find blocks whose beginning comes again, with numba: the compiled twin of a loop in dedupe.match.doubled."""

from __future__ import annotations

import numpy as np

from dedupe.kernels import compiled
from dedupe.kernels.numba_types import I64, OFFSETS, READ_BYTES, READ_OFFSETS, types
from dedupe.records import Bytes, Offsets


@compiled(types.void(READ_BYTES, READ_OFFSETS, READ_OFFSETS, I64, I64, OFFSETS))
def _again(stream, start, end, least, probe, found):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    for row in range(len(start)):
        low = start[row]
        one, two, three = stream[low], stream[low + 1], stream[low + 2]
        found[row] = -1
        for at in range(low + least, end[row] - probe + 1):
            if stream[at] == one and stream[at + 1] == two and stream[at + 2] == three:
                size = 3
                while size < probe and stream[at + size] == stream[low + size]:
                    size += 1
                if size == probe:
                    found[row] = at
                    break


def again(stream: Bytes, start: Offsets, end: Offsets, least: int, probe: int) -> Offsets:
    """Find where the first `probe` bytes of each block come again, `least` bytes on or later; -1 where they do not.

    Each block has `least` + `probe` bytes or more, `probe` is 3 or more.
    """
    found = np.empty(len(start), np.int64)
    _again(stream, np.ascontiguousarray(start), np.ascontiguousarray(end), least, probe, found)
    return found
