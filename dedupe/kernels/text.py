"""Make canonical streams with numba: the compiled twin of `dedupe.normalize.normalize`, bit for bit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dedupe.code_points import LETTER, MARK, SINGLE, UNKNOWN, CodeTables
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import BYTES, I64, OFFSETS, READ_BYTES, READ_OFFSETS, READ_PLACES, types

if TYPE_CHECKING:
    from dedupe.records import Bytes, Offsets

_ROOM = 256  # no code point has more canonical bytes
_PAGE = 128  # code points that are looked up together


@compiled(
    types.UniTuple(I64, 6)(
        READ_BYTES, I64, I64, I64, I64, READ_BYTES, READ_BYTES, READ_BYTES, READ_PLACES, READ_BYTES,
        READ_OFFSETS, I64, OFFSETS, BYTES, I64, OFFSETS, I64,
    )
)  # fmt: skip
def _canonical(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    data, at, stop, previous, origin, ascii_bytes, kinds, num_bytes, places, pool, start, row, stream_start, stream,
    size, token_pos, num_tokens,
):  # fmt: skip
    """Go on at byte `at` to `stop`, as long as there is room.

    Returns the byte, the kind before it, the next row of `start`, the sizes of stream and tokens, and the code point
    to look up or -1. `origin`: bytes of the stream that were made before.
    """
    num_rows, room = len(start), len(stream) - _ROOM
    next_start = start[row] if row < num_rows else stop
    while at < stop and size < room:
        while at >= next_start and row < num_rows:
            stream_start[row] = origin + size
            row += 1
            next_start = start[row] if row < num_rows else stop
        first = np.int64(data[at])
        if first < 0x80:
            byte = ascii_bytes[first]
            at += 1
            if byte == 0:
                previous = 0
                continue
            if previous != LETTER and previous != MARK:
                token_pos[num_tokens] = origin + size
                num_tokens += 1
            stream[size] = byte
            size += 1
            previous = LETTER
            continue
        width = 2
        code = (first & 0x1F) << 6 | (np.int64(data[at + 1]) & 0x3F)
        if first >= 0xE0:
            width = 3
            code = (first & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | (np.int64(data[at + 2]) & 0x3F)
        if first >= 0xF0:
            width = 4
            code = (first & 0x07) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12 | (np.int64(data[at + 2]) & 0x3F) << 6
            code |= np.int64(data[at + 3]) & 0x3F
        kind = np.int64(kinds[code])
        if kind == UNKNOWN:
            return at, previous, row, size, num_tokens, code
        at += width
        if kind != 0:
            if kind == SINGLE:
                begins = True
            elif kind == LETTER:
                begins = previous != LETTER and previous != MARK
            else:
                begins = previous == 0
            if begins:
                token_pos[num_tokens] = origin + size
                num_tokens += 1
            place = places[code]
            for step in range(num_bytes[code]):
                stream[size + step] = pool[place + step]
            size += num_bytes[code]
        previous = kind
    return at, previous, row, size, num_tokens, -1


class Canonizer:
    """Make the streams of the blocks of a batch, piece of text by piece."""

    def __init__(self, tables: CodeTables, ascii_bytes: Bytes, start: Offsets, stream_start: Offsets) -> None:
        self._tables, self._ascii, self._start, self._stream_start = tables, ascii_bytes, start, stream_start

    def add(self, data: Bytes, begin: int, stop: int, previous: int, origin: int) -> tuple[Bytes, Offsets, int]:
        """Do data[begin:stop], valid UTF-8 in composed form, after a character of kind `previous`.

        `origin`: bytes of the stream so far. Fills in where streams begin of blocks that begin here; returns the
        stream, the places of its tokens in the whole stream, and the last kind.
        """
        tables = self._tables
        row = int(np.searchsorted(self._start, begin))
        streams = []
        at, made = begin, origin
        token_pos = np.empty((stop - begin) // 2 + 2, np.int64)
        stream = np.empty(stop - begin + 2 * _ROOM, np.uint8)
        size = num_tokens = 0
        while at < stop:
            at, previous, row, size, num_tokens, code = _canonical(
                data, at, stop, previous, made, self._ascii, tables.kind, tables.num_bytes, tables.at, tables.pool,
                self._start, row, self._stream_start, stream, size, token_pos, num_tokens,
            )  # fmt: skip
            if code >= 0:
                first = code - code % _PAGE
                tables.learn(np.arange(first, first + _PAGE, dtype=np.uint32))
            elif at < stop:  # the stream is full
                streams.append(stream[:size].copy())
                made, size = made + size, 0
        streams.append(stream[:size])
        return streams[0] if len(streams) == 1 else np.concatenate(streams), token_pos[:num_tokens], previous
