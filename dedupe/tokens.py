"""Hash the tokens of texts where they stand: UTF-8 bytes in, one sum a token out, no streams between.

The sums are those that `dedupe.normalize` and `dedupe.hashing.StreamHashes` lead to: of the canonical bytes of a token,
(byte[j] + 1) * BASE**j modulo 2**64. Who wants shingles and signatures only needs no more than that, and it costs a
third of making the streams. Blocks, and where in a text something stands, are for `normalize`.

Texts go one of two ways. *In place*: canonical bytes stand where their characters stand, so a token is a run of them,
and its sum is the difference of two prefix sums; for ASCII, and for texts with few other letters, each with as many
canonical bytes as its own. *By codes*: all else, character by character.
"""

from __future__ import annotations

from collections.abc import Iterator
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


def hash_tokens(texts: Texts) -> Tokens:
    """Hash every token of every text; what stands at the end of one and the beginning of the next never joins.

    >>> found = hash_tokens(Texts.of([b"One, two", b"", "one \\N{EM DASH} z\\u00e9".encode()]))
    >>> found.doc_start.tolist(), found.num_bytes.tolist(), bool(found.sums[0] == found.sums[2])
    ([0, 2, 2, 4], [3, 3, 3, 3], True)
    """
    offsets, first_part = _parts(texts)
    stays = _may_stay(texts.data, offsets)
    found = []
    for parts in _pieces(offsets, np.flatnonzero(stays)):
        stays[parts], tokens = _in_place(texts.data, offsets, parts)
        found.append((parts[stays[parts]], tokens))
    for parts in _pieces(offsets, np.flatnonzero(~stays)):
        found.append((parts, _by_codes(texts.data, offsets, parts)))
    num_tokens = np.zeros(len(offsets) - 1, np.int64)
    for parts, tokens in found:
        num_tokens[parts] = np.diff(tokens.doc_start)
    part_start = np.concatenate([np.zeros(1, np.int64), np.cumsum(num_tokens)])
    by_way = np.concatenate([np.empty(0, np.uint64), *(tokens.sums for _, tokens in found)])
    sizes = np.concatenate([np.empty(0, np.int64), *(tokens.num_bytes for _, tokens in found)])
    if stays.all() or not stays.any():
        return Tokens(by_way, sizes, part_start[first_part])
    went = np.repeat(stays, num_tokens)
    sums, num_bytes, num_in_place = np.empty_like(by_way), np.empty_like(sizes), int(np.count_nonzero(went))
    sums[went], sums[~went] = by_way[:num_in_place], by_way[num_in_place:]
    num_bytes[went], num_bytes[~went] = sizes[:num_in_place], sizes[num_in_place:]
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


def _pieces(offsets: Offsets, parts: Offsets) -> list[Offsets]:
    """Put parts together to pieces of about a size."""
    if not len(parts):
        return []
    ends = np.cumsum(offsets[parts + 1] - offsets[parts])
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
    bad = []
    for at, find in ((lead[is_two], _of_two_bytes), (lead[~is_two], _of_more_bytes)):
        if not len(at):
            continue
        codes, width, is_valid = find(piece, bounds, at)
        kind = _kinds(codes)
        fits = is_valid & (kind == LETTER) & (TABLES.num_bytes[codes] == width) & ~may_compose(codes)
        bad.append(at[is_valid & ~fits & (kind != DROPPED)])
        if not fits.all():
            at, codes, width = at[fits], codes[fits], width[fits]
        pool_at = TABLES.at[codes]
        weights[at] = TABLES.pool[pool_at] + np.uint8(1)
        weights[at + 1] = TABLES.pool[pool_at + 1] + np.uint8(1)
        for step in range(2, int(width.max(initial=0))):
            has = width > step
            weights[at[has] + step] = TABLES.pool[pool_at[has] + step] + np.uint8(1)
    fits = np.ones(len(bounds) - 1, np.bool_)
    for places in bad:
        fits[np.searchsorted(bounds, places, side="right") - 1] = False
    return fits


def _of_two_bytes(piece: Bytes, bounds: Offsets, at: Offsets) -> tuple[Offsets, Offsets, Flags]:
    """Decode characters of two bytes: code points, their bytes, and whether they are UTF-8 within their part."""
    first, second = piece[at], piece[np.minimum(at + 1, len(piece) - 1)]
    codes = (first.astype(np.int64) & 0x1F) << 6 | (second & 0x3F)
    is_valid = (first >= 0xC2) & (second & 0xC0 == 0x80)
    if at[-1] == len(piece) - 1 or (piece[bounds[:-1][np.diff(bounds) > 0]] & 0xC0 == 0x80).any():
        is_valid &= at + 2 <= bounds[np.searchsorted(bounds, at, side="right")]
    return codes, np.full(len(at), 2), is_valid


def _of_more_bytes(piece: Bytes, bounds: Offsets, at: Offsets) -> tuple[Offsets, Offsets, Flags]:
    """Do the same for three and four bytes; surrogates count as characters, which are dropped just as their bytes."""
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
    prefix = np.zeros(len(weights) + 1, np.uint64)
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


def _by_codes(data: Bytes, offsets: Offsets, parts: Offsets) -> Tokens:
    """Hash parts code point by code point."""
    pairs = zip(offsets[parts].tolist(), offsets[parts + 1].tolist(), strict=True)
    texts = [data[a:b].tobytes().decode("utf-8", "surrogateescape") for a, b in pairs]
    bounds = np.cumsum([0, *(len(text) + 1 for text in texts)])
    text = "\n".join([*texts, ""])  # what is dropped between two texts keeps them apart
    codes = _codes(text)
    kind = _kinds(codes)
    # nothing below jamo composes but marks: one look spares most texts six
    composes = int(codes.max(initial=0)) >= JAMO[0] and may_compose(codes).any()
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


def _codes(text: str) -> Offsets:
    """Give the code points of a text, as numbers to look up with; int64 (num_codes,)."""
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.uint16)
    if len(units) == len(text):
        return units.astype(np.int64)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)


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
