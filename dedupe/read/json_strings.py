"""Read the JSON strings of a whole block at once, as bytes: no text becomes a str and comes back."""

from __future__ import annotations

import msgspec
import numpy as np

from dedupe.records import Bytes, Offsets

_BACKSLASH = 0x5C
_CACHED_BYTES = 512 << 10  # of strings read together: the arrays stay in a core's cache
# What stands behind a backslash and the one character it means; 0 where it is "u" or another backslash.
_MEANT = np.zeros(256, np.uint8)
for _short, _char in zip(b'nrtbf"/', b'\n\r\t\b\f"/', strict=True):
    _MEANT[_short] = _char
_decode = msgspec.json.Decoder(str).decode


def read_strings(block: bytes, spans: list[tuple[int, int]]) -> list[bytes | None]:
    """Read the strings at `spans` (ascending, with their quotes) into UTF-8; None where only the plain reader can.

    Strings with short escapes only are read together: their backslashes are found and dropped in arrays.
    Others are decoded one by one.

    >>> read_strings(b'"a\\\\n" "b" "\\\\u00e9" "\\\\ud800"', [(0, 5), (6, 9), (10, 18), (19, 27)])
    [b'a\\n', b'b', b'\\xc3\\xa9', None]
    """
    texts: list[bytes | None] = []
    first = 0
    for number, (_, end) in enumerate(spans, 1):
        if number == len(spans) or end - spans[first][0] > _CACHED_BYTES:
            texts += _read_together(block, spans[first:number])
            first = number
    return texts


def _read_together(block: bytes, spans: list[tuple[int, int]]) -> list[bytes | None]:
    begin, size = spans[0][0], spans[-1][1] - spans[0][0]
    codes = np.frombuffer(block, np.uint8, size, begin)
    marks = np.flatnonzero(codes == _BACKSLASH)
    if not len(marks):
        return [block[start + 1:end - 1] for start, end in spans]
    inside = np.array(spans, np.int64) + np.array((1 - begin, -1 - begin))  # without the quotes
    meant = _MEANT[codes[np.minimum(marks + 1, size - 1)]]
    hard = marks[meant == 0]
    is_hard = np.diff(np.searchsorted(hard, inside), axis=1)[:, 0] > 0
    if is_hard.all():
        return [_decoded(block[start:end]) for start, end in spans]
    short = _without_marks(codes, marks, meant)
    places = (inside - np.searchsorted(marks, inside)).tolist()
    return [
        _decoded(block[start:end]) if one_by_one else short[place[0]:place[1]]
        for (start, end), place, one_by_one in zip(spans, places, is_hard.tolist(), strict=True)
    ]


def _without_marks(codes: Bytes, marks: Offsets, meant: Bytes) -> bytes:
    """Drop the backslashes and put what they mean behind them."""
    text = codes.copy()
    text[np.minimum(marks + 1, len(codes) - 1)] = meant
    keep = np.ones(len(codes), np.bool_)
    keep[marks] = False
    return text[keep].tobytes()


def _decoded(value: bytes) -> bytes | None:
    try:
        return _decode(value).encode()
    except (msgspec.MsgspecError, UnicodeError):
        return None
