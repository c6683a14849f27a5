"""Hash the tokens of texts where they stand: UTF-8 bytes in, one sum a token out, no streams between.

The sums are those that `dedupe.normalize` and `dedupe.hashing.StreamHashes` lead to: of the canonical bytes of a token,
(byte[j] + 1) * BASE**j modulo 2**64. Who wants shingles and signatures only needs no more than that, and it costs a
third of making the streams. Blocks, and where in a text something stands, are for `normalize`.

Texts go one of two ways. *In place*: canonical bytes stand where their characters stand, so a token is a run of them,
and its sum is the difference of two prefix sums; for ASCII, and for texts with few other letters, each with as many
canonical bytes as its own. *By codes*: all else, character by character.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.code_points import (
    ASCII_BYTES,
    DROPPED,
    JAMO,
    LETTER,
    MARK,
    TABLES,
    UNKNOWN,
    compose,
    decode_at,
    is_composed_text,
    may_compose,
    starts_token,
)
from dedupe.hashing import BASE, BASE_INVERSE, distinct, powers, powers_at
from dedupe.records import Bytes, Flags, Hashes, Offsets, Texts, Tokens

_PIECE_BYTES = 1 << 18  # hashed at a time, in arrays of 8 bytes a byte
_MOST_DENSE = 8  # a text goes in place where at most one in so many bytes begins a character beyond ASCII
_SAMPLE = 5  # one byte in so many is looked at for that: a prime number, for characters of two and four bytes
_ROW_BITS = 14  # powers of the base begin anew after so many positions, so that their table stays in the cache
_ROW, _IN_ROW = 1 << _ROW_BITS, (1 << _ROW_BITS) - 1
_UP, _DOWN = powers(BASE, _ROW), powers(BASE_INVERSE, _ROW)
_WEIGHTS = bytes(byte + 1 if byte else 0 for byte in ASCII_BYTES.tolist())
# Of characters of two bytes, by these: what the two canonical bytes weigh, 0 for nothing, or one of the marks.
_ELSEWHERE, _UNSEEN, _BROKEN = 1, 2, 3
_PAIRS = np.full(1 << 16, _BROKEN, np.uint16)
_PAIRS.reshape(256, 256)[0xC2:0xE0, 0x80:0xC0] = _UNSEEN
_NO_STRINGS: Mapping[int, str] = MappingProxyType({})


def goes_by_codes(text: str) -> bool:
    """Say whether a string has so many characters beyond ASCII that its UTF-8 would be decoded again.

    A sample decides, and texts of a piece and more are left to be cut: either way gives the same sums.
    """
    sample = text[::_SAMPLE]
    num_bytes = len(sample.encode("utf-8", "surrogatepass"))
    return len(text) < _PIECE_BYTES and num_bytes * _MOST_DENSE > len(sample) * (_MOST_DENSE + 1)


def hash_tokens(texts: Texts, strings: Mapping[int, str] = _NO_STRINGS) -> Tokens:
    """Hash every token of every text; what stands at the end of one and the beginning of the next never joins.

    `strings`: texts that are given as such, by their number; `texts` has nothing in their place.

    >>> found = hash_tokens(Texts.of([b"One, two", b"", "one \\N{EM DASH} z\\u00e9".encode()]))
    >>> found.doc_start.tolist(), found.num_bytes.tolist(), bool(found.sums[0] == found.sums[2])
    ([0, 2, 2, 4], [3, 3, 3, 3], True)
    """
    offsets, first_part = _parts(texts)
    stays, sizes = _may_stay(texts.data, offsets), np.diff(offsets)
    given = dict(zip(first_part[list(strings)].tolist(), strings.values(), strict=True))
    stays[list(given)] = False
    sizes[list(given)] = [2 * len(text) for text in given.values()]
    found = []
    for parts in _pieces(sizes, np.flatnonzero(stays)):
        stays[parts], tokens = _in_place(texts.data, offsets, parts)
        found.append((parts[stays[parts]], tokens))
    for parts in _pieces(sizes, np.flatnonzero(~stays)):
        found.append((parts, _by_codes([given.get(part) or _decoded(texts, offsets, part) for part in parts.tolist()])))
    num_tokens = np.zeros(len(offsets) - 1, np.int64)
    for parts, tokens in found:
        num_tokens[parts] = np.diff(tokens.doc_start)
    part_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_tokens)])
    by_way = np.concatenate([np.empty(0, np.uint64), *(tokens.sums for _, tokens in found)])
    token_sizes = np.concatenate([np.empty(0, np.int64), *(tokens.num_bytes for _, tokens in found)])
    if stays.all() or not stays.any():
        return Tokens(by_way, token_sizes, part_start[first_part])
    went = np.repeat(stays, num_tokens)
    sums, num_bytes, num_in_place = np.empty_like(by_way), np.empty_like(token_sizes), int(np.count_nonzero(went))
    sums[went], sums[~went] = by_way[:num_in_place], by_way[num_in_place:]
    num_bytes[went], num_bytes[~went] = token_sizes[:num_in_place], token_sizes[num_in_place:]
    return Tokens(sums, num_bytes, part_start[first_part])


def _parts(texts: Texts) -> tuple[Offsets, Offsets]:
    """Cut long texts where no token can be: the bounds of all parts, and the first part of each text and behind all."""
    offsets = texts.offsets
    long = np.flatnonzero(np.diff(offsets) > 2 * _PIECE_BYTES)
    if not len(long):
        return offsets, np.arange(len(offsets))
    found = [cut for doc in long.tolist() for cut in _cuts(texts.data, int(offsets[doc]), int(offsets[doc + 1]))]
    cuts = np.array(found, np.int64)
    return np.sort(np.concatenate([offsets, cuts])), np.arange(len(offsets)) + np.searchsorted(cuts, offsets)


def _cuts(data: Bytes, begin: int, end: int) -> Iterator[int]:
    """Find an ASCII byte that is dropped every so often; what begins with it joins nothing before it."""
    at = begin + _PIECE_BYTES
    while at < end:
        window = data[at:min(end, at + 4096)]
        dropped = np.flatnonzero((window < 0x80) & (ASCII_BYTES[window] == 0))
        if len(dropped):
            yield at + int(dropped[0])
            at += int(dropped[0]) + _PIECE_BYTES
        else:
            at += 4096


def _may_stay(data: Bytes, offsets: Offsets) -> Flags:
    """Say which parts have so few characters beyond ASCII that they may go in place."""
    sizes = np.diff(offsets)
    used = data[offsets[0]:offsets[-1]]
    if _is_ascii(used):
        return np.ones(len(sizes), np.bool_)
    lead = np.flatnonzero(used[::_SAMPLE] >= 0xC0)
    bounds = -((offsets[0] - offsets) // _SAMPLE)
    is_sparse: Flags = np.diff(np.searchsorted(lead, bounds)) * (_MOST_DENSE * _SAMPLE) <= sizes
    return is_sparse


def _is_ascii(data: Bytes) -> bool:
    return int(data.max(initial=0)) < 0x80


def _pieces(sizes: Offsets, parts: Offsets) -> list[Offsets]:
    """Put parts together to pieces of about a size."""
    if not len(parts):
        return []
    ends = np.cumsum(sizes[parts])
    return np.split(parts, np.flatnonzero(np.diff(ends // _PIECE_BYTES)) + 1)


def _in_place(data: Bytes, offsets: Offsets, parts: Offsets) -> tuple[Flags, Tokens]:
    """Hash those parts whose canonical bytes fit where their characters stand, and say which they are."""
    piece, bounds = _together(data, offsets, parts)
    weights = np.frombuffer(bytearray(piece).translate(_WEIGHTS), np.uint8)
    fits = np.ones(len(parts), np.bool_) if _is_ascii(piece) else _put_others(piece, bounds, weights)
    if not fits.all():
        return fits, _in_place(data, offsets, parts[fits])[1]
    begin, end = _runs(weights != 0, bounds)
    return fits, Tokens(_sums_in_place(weights, begin, end), end - begin, np.searchsorted(begin, bounds))


def _together(data: Bytes, offsets: Offsets, parts: Offsets) -> tuple[Bytes, Offsets]:
    """Lay parts end to end: their bytes, where each begins, and the end."""
    begins, ends = offsets[parts], offsets[parts + 1]
    bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - begins)])
    if not len(parts) or bounds[-1] == ends[-1] - begins[0]:
        begin = int(begins[0]) if len(parts) else 0
        return data[begin:begin + bounds[-1]], bounds
    return np.concatenate([data[a:b] for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]), bounds


def _put_others(piece: Bytes, bounds: Offsets, weights: Bytes) -> Flags:
    """Write the weights of characters beyond ASCII; say in which parts all of them fit.

    Those do that are dropped, and letters of spaced scripts with as many canonical bytes as their own. Bytes that are
    not UTF-8 weigh nothing, which is what dropping each of them comes to.
    """
    lead = np.flatnonzero(piece >= 0xC0)
    is_two = piece[lead] < 0xE0
    fits = np.ones(len(bounds) - 1, np.bool_)
    for at, put in ((lead[is_two], _put_two_bytes), (lead[~is_two], _put_more_bytes)):
        if len(at):
            bad = put(piece, bounds, weights, at)
            fits[np.searchsorted(bounds, bad, side="right") - 1] = False
    return fits


def _put_two_bytes(piece: Bytes, bounds: Offsets, weights: Bytes, at: Offsets) -> Offsets:
    """Write the weights of characters of two bytes; return where those are that do not fit."""
    pairs = piece[at].astype(np.int64)
    pairs <<= 8
    pairs |= piece[np.minimum(at + 1, len(piece) - 1)]
    both = _PAIRS.take(pairs)
    if (both == _UNSEEN).any():
        _learn_pairs(distinct(pairs[both == _UNSEEN]))
        both = _PAIRS.take(pairs)
    if (piece[bounds[:-1][np.diff(bounds) > 0]] & 0xC0 == 0x80).any():
        both[at + 2 > bounds[np.searchsorted(bounds, at, side="right")]] = _BROKEN
    is_whole = both != _BROKEN
    if not is_whole.all():
        at, both = at[is_whole], both[is_whole]
    weights[at] = both
    weights[at + 1] = both >> 8
    bad: Offsets = at[both == _ELSEWHERE]
    return bad


def _learn_pairs(pairs: Offsets) -> None:
    """Fill in what valid pairs of bytes weigh."""
    codes = (pairs >> 8 & 0x1F) << 6 | (pairs & 0x3F)
    kind = _kinds(codes)
    fits = (kind == LETTER) & (TABLES.num_bytes[codes] == 2)
    at = TABLES.at[codes[fits]]
    _PAIRS[pairs] = np.where(kind == DROPPED, 0, _ELSEWHERE)
    _PAIRS[pairs[fits]] = (TABLES.pool[at] + np.uint16(1)) | (TABLES.pool[at + 1] + np.uint16(1)) << np.uint16(8)


def _put_more_bytes(piece: Bytes, bounds: Offsets, weights: Bytes, at: Offsets) -> Offsets:
    """Do the same for three and four bytes."""
    codes, width, is_valid = _of_more_bytes(piece, bounds, at)
    kind = _kinds(codes)
    fits = is_valid & (kind == LETTER) & (TABLES.num_bytes[codes] == width) & ~may_compose(codes)
    bad: Offsets = at[is_valid & ~fits & (kind != DROPPED)]
    at, codes, width = at[fits], codes[fits], width[fits]
    for step in range(int(width.max(initial=0))):
        has = width > step
        weights[at[has] + step] = TABLES.pool[TABLES.at[codes[has]] + step] + np.uint8(1)
    return bad


def _of_more_bytes(piece: Bytes, bounds: Offsets, at: Offsets) -> tuple[Offsets, Offsets, Flags]:
    """Decode characters of three and four bytes: code points, widths, and whether they are UTF-8 within their part.

    Surrogates count as characters, which are dropped just as their bytes.
    """
    found, width = decode_at(piece, at)
    codes = found.astype(np.int64)
    is_valid = at + width <= bounds[np.searchsorted(bounds, at, side="right")]
    is_valid &= (codes >= np.where(width == 3, 0x800, 0x10000)) & (codes < 0x110000) & (piece[at] < 0xF8)
    for step in (1, 2, 3):
        is_valid &= (piece[np.minimum(at + step, len(piece) - 1)] & 0xC0 == 0x80) | (width <= step)
    codes[~is_valid] = 0
    return codes, width, is_valid


def _runs(inside: Flags, bounds: Offsets) -> tuple[Offsets, Offsets]:
    """Find begin and end of every run; parts end what they hold."""
    if not len(inside):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    edge = np.empty(len(inside) + 1, np.bool_)
    edge[0], edge[-1] = inside[0], inside[-1]
    np.not_equal(inside[1:], inside[:-1], out=edge[1:-1])
    places = np.flatnonzero(edge)
    joints = bounds[1:-1][np.diff(bounds[:-1]) > 0]
    joints = joints[joints < len(inside)]
    joints = joints[inside[joints - 1] & inside[joints]]
    if len(joints):
        places = np.insert(places, np.repeat(np.searchsorted(places, joints), 2), np.repeat(joints, 2))
    return places[::2], places[1::2]


def _sums_in_place(weights: Bytes, begin: Offsets, end: Offsets) -> Hashes:
    """Sum up the runs of weights."""
    prefix = np.empty(len(weights) + 1, np.uint64)
    prefix[0] = 0
    products, whole = prefix[1:], len(weights) & ~_IN_ROW
    np.multiply(weights[:whole].reshape(-1, _ROW), _UP, out=products[:whole].reshape(-1, _ROW))
    np.multiply(weights[whole:], _UP[:len(weights) - whole], out=products[whole:])
    np.cumsum(products, out=products)
    sums = prefix[end]
    sums -= prefix[begin]
    sums *= _DOWN[begin & _IN_ROW]
    for row in _crossing(begin, end):
        sums[row] = _sum(weights[begin[row]:end[row]], np.arange(end[row] - begin[row]))
    return sums


def _crossing(begin: Offsets, end: Offsets) -> list[int]:
    """List the tokens with a place inside where the powers begin anew: few, and done one by one."""
    borders = np.arange(_ROW, int(end[-1]), _ROW) if len(end) else np.empty(0, np.int64)
    rows = np.searchsorted(begin, borders) - 1
    found: list[int] = distinct(rows[end[rows] > borders]).tolist()
    return found


def _sum(values: NDArray[np.unsignedinteger[Any]], places: Offsets) -> np.uint64:
    """Sum up values that stand at ascending places, however long that is."""
    total: np.uint64 = (values * powers_at(BASE, places)).sum(dtype=np.uint64)
    return total


def _decoded(texts: Texts, offsets: Offsets, part: int) -> str:
    return texts.data[offsets[part]:offsets[part + 1]].tobytes().decode("utf-8", "surrogateescape")


def _by_codes(texts: list[str]) -> Tokens:
    """Hash texts code point by code point."""
    bounds = np.cumsum([0, *(len(text) + 1 for text in texts)])
    text = "\n".join([*texts, ""])  # what is dropped between two texts keeps them apart
    units = _units(text)
    # nothing below jamo composes but marks: one look spares most texts six
    composes = int(units.max(initial=0)) >= JAMO[0] and may_compose(units).any()
    codes = units.astype(np.int64)
    kind = _kinds(codes)
    if (int(kind.max(initial=0)) >= MARK or composes) and not is_composed_text(text):
        codes, keep = compose(text, codes)
        codes = codes[keep]
        bounds = np.concatenate([np.zeros(1, np.int64), np.cumsum(keep)])[bounds]
        kind = _kinds(codes)
    before = np.empty_like(kind)
    before[0], before[1:] = DROPPED, kind[:-1]
    first = np.flatnonzero(starts_token(kind, before))
    sums, num_bytes = _sums_by_codes(codes, np.append(first, len(codes)))
    return Tokens(sums, num_bytes, np.searchsorted(first, bounds))


def _units(text: str) -> NDArray[np.unsignedinteger[Any]]:
    """Give the code points of a text; uint16 or uint32 (num_codes,)."""
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    return units if len(units) == len(text) else np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _kinds(codes: Offsets) -> Bytes:
    kind = TABLES.kind.take(codes)
    if int(kind.max(initial=0)) == UNKNOWN:
        TABLES.learn(codes[kind == UNKNOWN].astype(np.uint32))
        kind = TABLES.kind.take(codes)
    return kind


def _sums_by_codes(codes: Offsets, first: Offsets) -> tuple[Hashes, Offsets]:
    """Sum up tokens, each from its first character to before that of the next; and their sizes in bytes."""
    place = np.zeros(len(codes) + 1, np.int64)
    np.cumsum(TABLES.num_bytes.take(codes), out=place[1:])
    prefix = np.zeros(len(codes) + 1, np.uint64)
    values = TABLES.sums.take(codes)
    np.multiply(values, _UP.take(place[:-1] & _IN_ROW), out=prefix[1:])
    np.cumsum(prefix[1:], out=prefix[1:])
    bounds = place[first]
    sums = np.diff(prefix[first])
    sums *= _DOWN[bounds[:-1] & _IN_ROW]
    for row in _crossing(bounds[:-1], bounds[1:]):
        rows = slice(first[row], first[row + 1])
        sums[row] = _sum(values[rows], place[rows] - bounds[row])
    return sums, np.diff(bounds)
