"""Look at the characters of blocks with numba: the compiled twin of loops in dedupe.debris.characters, bit for bit."""

from __future__ import annotations

import numpy as np

from dedupe.debris import kinds as kind
from dedupe.kernels import compiled, load_numba
from dedupe.records import Blocks, Bytes, Floats

types = load_numba().types
_I64 = types.int64
_READ_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_READ_OFFSETS = types.Array(_I64, 1, "C", readonly=True)
_TABLE = types.Array(_I64, 2, "C")
_SPACE, _LOWER, _UPPER, _UNCASED, _DIGIT = kind.SPACE, kind.LOWER, kind.UPPER, kind.UNCASED, kind.DIGIT
_COLON, _DASH, _SLASH, _BAR = kind.COLON, kind.DASH, kind.SLASH, kind.BAR
_INSIDE, _PICTURE = kind.INSIDE, kind.PICTURE
_NUM_KINDS = kind.NUM_KINDS
FORMS = ("times", "urls", "dates", "mails", "handles", "markdown", "gaps", "cased", "titled")


@compiled(types.void(_READ_BYTES, _READ_BYTES, _READ_BYTES, types.Array(types.uint8, 1, "C")))
def _kinds(data, of_bytes, of_code_points, kinds):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Fill in the kinds of all bytes; behind the first byte of a letter one is INSIDE, of three bytes two."""
    size = len(data)
    after_letter, after_wide, last_wide = False, False, False
    for at in range(size):
        byte = np.int64(data[at])
        found, letter, wide = np.int64(of_bytes[byte]), False, False
        if byte >= 0xC2:
            second = np.int64(data[at + 1]) & 0x3F if at + 1 < size else 0
            third = np.int64(data[at + 2]) & 0x3F if at + 2 < size else 0
            found = np.int64(_PICTURE)
            if byte < 0xE0:
                found = np.int64(of_code_points[(byte & 0x1F) << 6 | second])
            elif byte < 0xF0:
                found = np.int64(of_code_points[(byte & 0x0F) << 12 | second << 6 | third])
            letter = bool(found >= _LOWER and found <= _UNCASED)
            wide = bool(letter and byte >= 0xE0)
        kinds[at] = _INSIDE if after_letter or after_wide else found
        after_letter, after_wide, last_wide = letter, last_wide, wide


@compiled(types.void(_READ_BYTES, _READ_BYTES, _READ_OFFSETS, _READ_OFFSETS, _I64, _TABLE, _TABLE))
def _count(data, kinds, start, end, most, counts, forms):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count kinds in the first `most` bytes of each block, and forms (as FORMS names them) in all of it."""
    size = len(data)
    for block in range(len(start)):
        tally, form = counts[block], forms[block]
        stop = start[block] + most
        for at in range(start[block], end[block]):
            here = np.int64(kinds[at])
            if at < stop:
                tally[here] += 1
            before = np.int64(kinds[at - 1]) if at else 0
            if here == _LOWER or here == _UPPER:  # noqa: SIM109 - a tuple costs
                if not ((before >= _LOWER and before <= _DIGIT) or before == _INSIDE):
                    form[7] += 1
                    form[8] += here == _UPPER
                continue
            byte = data[at]
            if here == _COLON:
                form[0] += before == _DIGIT and kinds[at + 1] == _DIGIT
                form[1] += at + 2 < size and data[at + 1] == 0x2F and data[at + 2] == 0x2F
            elif here == _SLASH or here == _DASH or byte == 0x2E:  # noqa: SIM109 - the same
                form[2] += before == _DIGIT and kinds[at + 1] == _DIGIT
            elif byte == 0x40 or byte == 0x23:
                inside = byte == 0x40 and before >= _LOWER and before <= _DIGIT
                form[3] += inside
                form[4] += not inside
            elif byte == 0x5D:
                form[5] += at + 1 < size and (data[at + 1] == 0x28 or data[at + 1] == 0x5B)
            if here == _BAR or here == _DASH:  # noqa: SIM109 - the same
                form[6] += before == _SPACE


def kinds_of(data: Bytes) -> Bytes:
    """Give the kind of every byte, as `kinds.kinds_of` does."""
    kinds = np.zeros(len(data) + 1, np.uint8)
    _kinds(np.ascontiguousarray(data), kind.kinds_of_bytes(), kind.kinds_of_code_points(), kinds)
    return kinds


def count(data: Bytes, kinds: Bytes, blocks: Blocks, most: int) -> tuple[Floats, dict[str, Floats]]:
    """Count the characters of each kind, float32 (NUM_KINDS, num_blocks), and the forms by name."""
    counts = np.zeros((len(blocks), _NUM_KINDS), np.int64)
    forms = np.zeros((len(blocks), len(FORMS)), np.int64)
    start, end = np.ascontiguousarray(blocks.start), np.ascontiguousarray(blocks.end)
    _count(np.ascontiguousarray(data), kinds, start, end, most, counts, forms)
    counts[:, [kind.NONE, kind.INSIDE]] = 0  # the stages count neither
    by_name = zip(FORMS, forms.T.astype(np.float32), strict=True)
    return np.ascontiguousarray(counts.T, np.float32), dict(by_name)
