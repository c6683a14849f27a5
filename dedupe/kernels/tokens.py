"""Hash the tokens of texts with numba: the compiled twin of dedupe.tokens.

As there, a text goes one of two ways. *In place*, a piece of 512 bytes at a time: canonical bytes stand where their
characters stand, so a token is a run of them and its sum the difference of two prefix sums. Bytes are told apart,
and the ends of runs found, without a branch on what a byte is: ends of words cannot be foreseen, and a wrong guess
costs 15 cycles. *Character by character*: all else, and texts with a long stretch without ASCII spaces or marks.

A text is UTF-8, or *wide*: UTF-16, little end first, without lone surrogates. That is how Python's own strings beyond
ASCII are had for a quarter of the time of UTF-8. Its units need no decoding: a piece of 256 goes in place as if each
had as many bytes as the canonical form of its character, and only texts with marks, single characters or letters
beyond the first plane go character by character.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.code_points import JAMO, LETTER, MARK, SINGLE, TABLES, VOICING, may_compose
from dedupe.hashing import BASE, BASE_INVERSE, powers
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import (
    BOOL,
    BYTES,
    HASHES,
    I64,
    NUMBERS,
    OFFSETS,
    READ_BYTES,
    READ_HASHES,
    READ_NUMBERS,
    READ_SHORTS,
    U64,
    types,
)

_U64, _I = np.uint64, np.int64
_PIECE = 512  # bytes; its arrays and tables stay in the first-level cache together
_UNITS, _MOST_BYTES = 256, 4  # a piece of a wide text, and what one of its units may come to
_NUM_POWERS = _UNITS * _MOST_BYTES
_POWERS, _DOWN = powers(BASE, _NUM_POWERS), powers(BASE_INVERSE, _NUM_POWERS)
_ELSEWHERE = 0xFFFFFFFF  # instead of weights: this character does not go in place
ASK = -1  # instead of a code point: may the text at hand be read as it stands?
LEAVE = -2  # instead of a code point: this text does not go in place
_GATHER = _U64(0x0102040810204080)  # times eight bytes of 0 or 1: their bits, in the top byte


def _ones_of_words() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """List for each outcome of _GATHER which of eight bytes were 1, in order, in eight places; and how many."""
    places, counts = np.zeros((256, 8), np.uint32), np.zeros(256, np.uint8)
    for chosen in range(256):
        ones = [place for place in range(8) if chosen >> place & 1]
        row = sum(1 << 8 * place for place in ones) * int(_GATHER) % (1 << 64) >> 56
        places[row, :len(ones)], counts[row] = ones, len(ones)
    return places.ravel(), counts


_ONES, _NUM_ONES = _ones_of_words()


class Characters:
    """Hold what a character adds to a token, a window on the tables of dedupe.code_points; filled on demand.

    `info`: uint16 (0x110000,), 0 where not known yet, else its kind plus one, above bit 3 the number of its canonical
    bytes. `weights`: uint32 (0x110000,), its canonical bytes plus one, the first lowest, 0 where it is dropped.
    `spans`: uint8 (0x10000,), of a unit of UTF-16 that can be read by itself: its canonical bytes plus one; else 0.
    """

    def __init__(self) -> None:
        self.info = np.zeros(0x110000, np.uint16)
        self.weights = np.zeros(0x110000, np.uint32)
        self.spans = np.zeros(0x10000, np.uint8)
        self.spans[0xDC00:0xE000] = 1  # the first halves say what both are

    def learn_around(self, code: int) -> None:
        """Fill in a code point and the rest of its 256."""
        codes = np.arange(code & ~0xFF, (code | 0xFF) + 1)
        TABLES.learn(codes.astype(np.uint32))
        kind, num_bytes = TABLES.kind[codes], TABLES.num_bytes[codes].astype(np.int64)
        width = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
        is_letter = (kind == LETTER) & ~may_compose(codes)
        fits = is_letter & (num_bytes == width)
        for step in range(4):
            has = codes[fits & (width > step)]
            byte = TABLES.pool[TABLES.at[has] + step].astype(np.uint32) + np.uint32(1)
            self.weights[has] |= byte << np.uint32(8 * step)
        self.weights[codes[~fits & (kind != 0)]] = _ELSEWHERE
        if code < 0x10000:
            by_itself = (is_letter & (num_bytes <= _MOST_BYTES)) | (kind == 0)
            self.spans[codes] = np.where(by_itself, num_bytes + 1, 0)
        self.info[codes] = (kind.astype(np.uint16) + 1) | (num_bytes << 3).astype(np.uint16)


CHARACTERS = Characters()


@compiled(types.UniTuple(I64, 2)(READ_BYTES, I64, I64))
def _decode(data, at, end):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Decode the character beyond ASCII at `at`: code point and size, (-1, 1) for a byte that is not UTF-8."""
    first = np.int64(data[at])
    if first < 0xC2 or first > 0xF4:
        return -1, 1
    size = 2 if first < 0xE0 else (3 if first < 0xF0 else 4)
    if at + size > end:
        return -1, 1
    low, high = 0x80, 0xBF
    if first == 0xE0:
        low = 0xA0
    elif first == 0xED:
        high = 0x9F
    elif first == 0xF0:
        low = 0x90
    elif first == 0xF4:
        high = 0x8F
    second = np.int64(data[at + 1])
    if second < low or second > high:
        return -1, 1
    code = (first & (0xFF >> (size + 1))) << 6 | (second & 0x3F)
    for k in range(2, size):
        following = np.int64(data[at + k])
        if following & 0xC0 != 0x80:
            return -1, 1
        code = code << 6 | (following & 0x3F)
    return code, size


@compiled(I64(READ_BYTES, I64))
def _pair(data, at):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Decode the two halves of a character at `at`."""
    high = _I(data[_U64(at)]) | _I(data[_U64(at + 1)]) << 8
    low = _I(data[_U64(at + 2)]) | _I(data[_U64(at + 3)]) << 8
    return 0x10000 + ((high & 0x3FF) << 10 | low & 0x3FF)


@compiled(U64(I64))
def power_of(exponent):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Raise the base to any exponent, by squaring where the table of powers ends."""
    if exponent < _NUM_POWERS:
        return _POWERS[_U64(exponent)]
    result, square = _U64(1), _U64(BASE)
    while exponent:
        if exponent & 1:
            result *= square
        square *= square
        exponent >>= 1
    return result


@compiled(
    types.UniTuple(I64, 2)(
        READ_BYTES, I64, I64, BOOL, BOOL, READ_HASHES, READ_HASHES, READ_SHORTS, HASHES, OFFSETS
    )
)
def tokens_of(data, at, end, wide, composed, weights, sums, info, tokens, sizes):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write the raw sum and the size of each token of one text, from row 1 on; return their number and 0.

    Where it lacks something: (-1, code point) or (-1, ASK).
    """
    count, before = _I(0), _I(0)
    raw, size = _U64(0), _I(0)  # of the token at hand
    while at < end:
        byte = _I(data[_U64(at)])  # an unsigned index cannot be meant to count from the end, which would be checked
        if wide:
            byte |= _I(data[_U64(at + 1)]) << 8
        if byte < 0x80 and not wide:
            # no branch on what a byte is: ends of words cannot be foreseen, and a wrong guess costs 15 cycles
            inside = _I(before in (LETTER, MARK))
            while byte < 0x80:
                weight = weights[byte]
                letter = _I(weight != 0)
                starts = letter & (inside ^ 1)
                inside = letter
                count += starts
                raw &= _U64(starts) - _U64(1)
                size &= starts - 1
                raw += weight * (_POWERS[_U64(size)] if size < _NUM_POWERS else power_of(size))
                size += letter
                tokens[_U64(count)], sizes[_U64(count)] = raw, size
                at += 1
                if at >= end:
                    break
                byte = _I(data[_U64(at)])
            before = LETTER * inside
            continue
        second = _I(data[_U64(at + 1)]) if at + 1 < end else 0
        third = _I(data[_U64(at + 2)]) if at + 2 < end else 0
        if wide:
            code, width = byte, 2
            if 0xD800 <= code < 0xDC00:
                code, width = _pair(data, at), 4
        elif 0xC2 <= byte < 0xE0 and second & 0xC0 == 0x80:
            code, width = _I(byte & 0x1F) << 6 | second & 0x3F, 2
        elif 0xE0 < byte < 0xED and second & 0xC0 == 0x80 and third & 0xC0 == 0x80:
            code, width = _I(byte & 0x0F) << 12 | (second & 0x3F) << 6 | third & 0x3F, 3
        else:  # the rest, and what needs a closer look
            code, width = _decode(data, at, end)
        at += width
        known = _I(info[_U64(code)]) if code >= 0 else _I(1)  # a byte that is not UTF-8 is dropped
        kind = (known & 7) - 1
        if kind < 0:
            return -1, code
        if (kind >= MARK or JAMO[0] <= code <= JAMO[1] or VOICING[0] <= code <= VOICING[1]) and not composed:
            return -1, ASK
        if kind:
            if kind == SINGLE or before == 0 or (kind == LETTER and before != LETTER and before != MARK):
                count += 1
                raw, size = _U64(0), _I(0)
            raw += sums[_U64(code)] * (_POWERS[_U64(size)] if size < _NUM_POWERS else power_of(size))
            size += known >> 3
            tokens[_U64(count)], sizes[_U64(count)] = raw, size
        before = kind
    return count, 0


@compiled(I64(I64, READ_HASHES, NUMBERS))
def _list_ones(num_words, words, places):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """List where bytes are 1, of bytes that are 0 or 1, given as words of eight; returns how many there are."""
    count, base = _U64(0), _U64(0)
    for word in range(_U64(num_words)):
        row = (words[word] * _GATHER) >> _U64(56)
        first, num_ones = row << _U64(3), _U64(_NUM_ONES[row])
        places[count] = _ONES[first] + base
        places[count + _U64(1)] = _ONES[first + _U64(1)] + base
        places[count + _U64(2)] = _ONES[first + _U64(2)] + base
        places[count + _U64(3)] = _ONES[first + _U64(3)] + base
        if num_ones > 4:
            for k in range(_U64(4), _U64(8)):
                places[count + k] = _ONES[first + k] + base
        base += _U64(8)
        count += num_ones
    return _I(count)


@compiled(types.uint8(READ_BYTES, BYTES))
def _weigh_ascii(piece, weighed):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write what the bytes of a piece weigh, 0 if they are dropped or not ASCII; returns the bits of all of them."""
    every = np.uint8(0)
    for k in range(len(piece)):  # by itself, or neither loop becomes vector instructions
        every |= piece[_U64(k)]
    for k in range(len(piece)):
        byte = piece[_U64(k)]
        small = np.uint8(byte | np.uint8(0x20))
        weight = np.uint8(0)
        if (small >= 0x61) & (small <= 0x7A):
            weight = np.uint8(small + 1)
        if (byte >= 0x30) & (byte <= 0x39):
            weight = np.uint8(byte + 1)
        weighed[_U64(k)] = weight
    return every


@compiled(I64(READ_BYTES, READ_SHORTS, READ_NUMBERS, BYTES, BYTES, READ_HASHES, NUMBERS))
def _weigh_others(piece, info, weights, weighed, flags, flag_words, places):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write what characters beyond ASCII weigh.

    Returns 0, or what it stopped at: a code point that is not known, or LEAVE.
    """
    size = len(piece)
    for k in range(size):
        flags[_U64(k)] = np.uint8(piece[_U64(k)] >= 0xC0)
    for k in range(size, (size + 7) // 8 * 8):
        flags[_U64(k)] = 0
    for row in range(_list_ones((size + 7) // 8, flag_words, places)):
        at = _I(places[_U64(row)])
        first = _I(piece[_U64(at)])
        second = _I(piece[_U64(at + 1)]) if at + 1 < size else 0
        if 0xC2 <= first < 0xE0 and second & 0xC0 == 0x80:
            code, width = (first & 0x1F) << 6 | second & 0x3F, 2
        else:
            code, width = _decode(piece, at, size)
            if code < 0:
                continue
        weight = weights[_U64(code)]
        if weight == _ELSEWHERE:
            return LEAVE
        if weight == 0 and info[_U64(code)] == 0:
            return code
        weighed[_U64(at)] = np.uint8(weight)
        weighed[_U64(at + 1)] = np.uint8(weight >> np.uint32(8))
        for step in range(2, width):
            weighed[_U64(at + step)] = np.uint8(weight >> np.uint32(8 * step))
    return 0


@compiled(I64(I64, READ_BYTES, READ_BYTES, BYTES, READ_HASHES, NUMBERS))
def _find_runs(size, weighed, before, flags, flag_words, places):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Find the ends of all runs, begin and end in turn; returns how many. `before`: the weights, one byte later."""
    for k in range(size + 1):
        flags[_U64(k)] = np.uint8((weighed[_U64(k)] != 0) != (before[_U64(k)] != 0))
    for k in range(size + 1, (size + 8) // 8 * 8):
        flags[_U64(k)] = 0
    return _list_ones((size + 8) // 8, flag_words, places)


@compiled(types.UniTuple(I64, 3)(READ_BYTES, I64, I64, READ_SHORTS, READ_NUMBERS, BYTES, BYTES, READ_HASHES, NUMBERS))
def _weigh_bytes(data, at, end, info, weights, weighed, flags, flag_words, places):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write what the characters of the next piece weigh, each where it stands.

    Returns where the piece ends, the number of weights, and 0, a code point that is not known, or LEAVE.
    """
    stop = end
    if at + _PIECE < end:  # a piece ends behind an ASCII byte that is dropped
        stop = at + _PIECE
        while stop > at:
            byte = data[_U64(stop - 1)]
            small = np.uint8(byte | np.uint8(0x20))
            if byte < 0x80 and not (0x61 <= small <= 0x7A or 0x30 <= byte <= 0x39):
                break
            stop -= 1
        if stop == at:
            return at, 0, LEAVE
    piece, stopped = data[at:stop], 0
    if _weigh_ascii(piece, weighed) >= 0x80:
        stopped = _weigh_others(piece, info, weights, weighed, flags, flag_words, places)
    return stop, stop - at, stopped


@compiled(
    types.UniTuple(I64, 2)(
        READ_BYTES, I64, I64, READ_SHORTS, READ_NUMBERS, HASHES, OFFSETS, BYTES, BYTES, READ_HASHES, NUMBERS, HASHES
    )
)
def tokens_in_place(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    data, at, end, info, weights, tokens, sizes, before, flags, flag_words, places, prefix
):
    """Do what `tokens_of` does, for a text that goes in place.

    Where it does not: (-1, code point) or (-1, LEAVE).
    """
    row, weighed = _U64(0), before[1:]
    while at < end:
        at, size, stopped = _weigh_bytes(data, at, end, info, weights, weighed, flags, flag_words, places)
        if stopped != 0:
            return -1, stopped
        weighed[_U64(size)] = 0
        total = _U64(0)
        for k in range(size):
            prefix[_U64(k)] = total
            total += _U64(weighed[_U64(k)]) * _POWERS[_U64(k)]
        prefix[_U64(size)] = total
        num_ends = _U64(_find_runs(size, weighed, before, flags, flag_words, places))
        for k in range(_U64(0), num_ends, _U64(2)):
            begin, behind = _U64(places[k]), _U64(places[k + _U64(1)])
            row += _U64(1)
            tokens[row] = (prefix[behind] - prefix[begin]) * _DOWN[begin]
            sizes[row] = _I(behind - begin)
    return _I(row), 0


@compiled(types.UniTuple(I64, 2)(READ_BYTES, I64, I64, READ_SHORTS, READ_BYTES, READ_HASHES, BYTES, HASHES, NUMBERS))
def _add_units(data, at, end, info, spans, sums, weighed, prefix, bytes_before):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write for the next units of a wide text the sums and the canonical bytes before each, and its bytes.

    Returns how many units go in place together, and 0, a code point that is not known, or LEAVE.
    """
    size = _U64(min(_I(_UNITS), (end - at) >> 1))
    total, place = _U64(0), _U64(0)
    for k in range(size):
        low, high = _U64(data[_U64(at) + (k << _U64(1))]), _U64(data[_U64(at) + (k << _U64(1)) + _U64(1)])
        unit = low | high << _U64(8)
        span = _U64(spans[unit])
        if span == 0:
            code = _pair(data, at + 2 * _I(k)) if 0xD800 <= unit < 0xDC00 else _I(unit)
            if info[_U64(code)] != 1:  # not known, or not dropped
                return 0, (LEAVE if info[_U64(code)] else code)
            span = _U64(1)
        prefix[k], bytes_before[k] = total, np.uint32(place)
        weighed[k] = np.uint8(span - _U64(1))
        total += sums[unit] * _POWERS[place]
        place += span - _U64(1)
    prefix[size], bytes_before[size] = total, np.uint32(place)
    if at + 2 * _I(size) < end:
        while size > 0 and weighed[size - _U64(1)] != 0:
            size -= _U64(1)
    return _I(size), (0 if size else LEAVE)


@compiled(
    types.UniTuple(I64, 2)(
        READ_BYTES, I64, I64, READ_SHORTS, READ_BYTES, READ_HASHES, HASHES, OFFSETS, BYTES, BYTES, READ_HASHES,
        NUMBERS, HASHES, NUMBERS,
    )
)  # fmt: skip
def tokens_of_wide(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    data, at, end, info, spans, sums, tokens, sizes, before, flags, flag_words, places, prefix, bytes_before
):
    """Do what `tokens_in_place` does, for a wide text."""
    row, weighed = _U64(0), before[1:]
    while at < end:
        size, stopped = _add_units(data, at, end, info, spans, sums, weighed, prefix, bytes_before)
        if stopped != 0:
            return -1, stopped
        at += 2 * size
        weighed[_U64(size)] = 0
        num_ends = _U64(_find_runs(size, weighed, before, flags, flag_words, places))
        for k in range(_U64(0), num_ends, _U64(2)):
            begin, behind = _U64(places[k]), _U64(places[k + _U64(1)])
            row += _U64(1)
            place = bytes_before[begin]
            tokens[row] = (prefix[behind] - prefix[begin]) * _DOWN[_U64(place)]
            sizes[row] = _I(bytes_before[behind] - place)
    return _I(row), 0


def scratch_of_piece() -> tuple[NDArray[Any], ...]:
    """Make the arrays that a piece takes: weights, flags, these as words, places, sums, and bytes of wide texts."""
    words = np.zeros(_PIECE // 8 + 1, np.uint64)
    weights, places = np.zeros(_PIECE + 2, np.uint8), np.empty(_PIECE + 16, np.uint32)
    prefix, bytes_before = np.empty(_PIECE + 1, np.uint64), np.empty(_UNITS + 1, np.uint32)
    return weights, words.view(np.uint8), words, places, prefix, bytes_before
