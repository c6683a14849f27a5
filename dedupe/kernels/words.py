"""Hash tokens and find words that a document's prose shares, with numba: the twin of dedupe.debris.tokens, bit for bit.

Where that sorts the words of a batch, each document has a table of its own here.
"""

from __future__ import annotations

import numpy as np

from dedupe.debris.tokens import LONG_TOKEN_BYTES
from dedupe.kernels import compiled
from dedupe.kernels.numba_types import (
    BOOL,
    BYTES,
    FLAGS,
    HASHES,
    I64,
    OFFSET_TABLE,
    PLACES,
    READ_BYTES,
    READ_FLAGS,
    READ_HASHES,
    READ_OFFSETS,
    U64,
    types,
)
from dedupe.records import Blocks, Flags, Hashes, Offsets

_ODD, _ODD_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_PLACES_OF_WORDS = types.Array(U64, 1, "A", aligned=False)
_MARGIN = 8
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_LONG = LONG_TOKEN_BYTES
_SEVERAL, _NOBODY, _FREE = -1, -2, -3  # of the owner of a word: several blocks of prose, none; its slot is free


@compiled(U64(U64))
def _mix(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    value = (value ^ (value >> np.uint64(32))) * _ODD_2
    return value ^ (value >> np.uint64(29))


@compiled(types.void(READ_BYTES, BYTES))
def _mask(stream, out):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Copy a stream with each digit as 0, _MARGIN bytes on."""
    for at in range(len(stream)):
        byte = stream[at]
        out[at + _MARGIN] = 0x30 if byte - 0x30 < 10 and byte >= 0x30 else byte


@compiled(types.void(_PLACES_OF_WORDS, READ_OFFSETS, I64, HASHES))
def _hash(words, token_pos, num_bytes, out):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Hash tokens; `words`: the eight bytes from each place of the masked stream on, _MARGIN bytes before it too."""
    num = len(token_pos)
    for token in range(num):
        start = token_pos[token]
        size = (token_pos[token + 1] if token + 1 < num else num_bytes) - start
        first, last = words[start + _MARGIN], words[start + size + _MARGIN - 8]
        if size < 8:
            spare = np.uint64(8 * (8 - size))
            first = first & (_ALL >> spare) if size else np.uint64(0)
            last = last & (_ALL << spare) if size else np.uint64(0)
        out[token] = _mix((first * _ODD) ^ last ^ (np.uint64(size) << np.uint64(56)))


@compiled(BOOL(HASHES, PLACES, READ_FLAGS, I64, I64, HASHES, PLACES, FLAGS, PLACES))
def _enter(hashes, blocks, prose, num, size, keys, owner, twice, slot):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Give each of some words (or pairs) a slot of a table, and note there whose prose has it, and what comes twice.

    `blocks`: of each word, ascending. `slot`: filled in by word; `twice`, by slot. Gives up, returning False, on words
    that were made to crowd a table.
    """
    mask, patience = size - 1, 1000 + 100 * num
    owner[:size] = _FREE
    for word in range(num):
        key, block = hashes[word], blocks[word]
        at = np.int64(key >> np.uint64(20)) & mask
        while owner[at] != _FREE and keys[at] != key:
            at = (at + 1) & mask
            patience -= 1
            if patience < 0:
                return False
        here, is_prose = owner[at], prose[block]
        twice[at] = here != _FREE
        if here == _FREE:
            keys[at] = key
            owner[at] = block if is_prose else _NOBODY
        elif is_prose and here != block:
            owner[at] = block if here == _NOBODY else _SEVERAL
        slot[word] = at
    return True


@compiled(I64(I64))
def _table_size(num):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    size = 16
    while size < 2 * num:
        size *= 2
    return size


@compiled(BOOL(READ_HASHES, READ_OFFSETS, I64, READ_OFFSETS, READ_OFFSETS, READ_FLAGS, OFFSET_TABLE))
def _share(tokens, token_pos, num_bytes, token_start, doc_start, prose, found):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count, for each block, its shared words, long ones, shared long ones, and shared pairs of neighbors.

    Pairs of which either word comes but once are not looked at. Gives up, returning False, on words that were made to
    crowd a table.
    """
    keys, hashes = np.empty(0, np.uint64), np.empty(0, np.uint64)
    owner, slot, blocks = np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.int32)
    twice = np.empty(0, np.bool_)
    for doc in range(len(doc_start) - 1):
        low, high = doc_start[doc], doc_start[doc + 1]
        first = token_start[low]
        num = token_start[high] - first
        size = _table_size(num)
        if size > len(keys):
            keys, hashes = np.empty(size, np.uint64), np.empty(size, np.uint64)
            owner, slot, blocks = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32)
            twice = np.empty(size, np.bool_)
        salt = np.uint64(doc) * _ODD
        for block in range(low, high):
            for token in range(token_start[block], token_start[block + 1]):
                hashes[token - first], blocks[token - first] = tokens[token] ^ salt, block
        if not _enter(hashes, blocks, prose, num, size, keys, owner, twice, slot):
            return False
        num_pairs = np.int64(0)
        for block in range(low, high):
            shared, is_long, shared_long, again = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            for token in range(token_start[block], token_start[block + 1]):
                at = slot[token - first]
                here = owner[at]
                elsewhere = np.int64(here != _NOBODY) & np.int64(here != block)
                shared += elsewhere
                end = token_pos[token + 1] if token + 1 < len(token_pos) else num_bytes
                longer = np.int64(end - token_pos[token] >= _LONG)
                is_long += longer
                shared_long += longer & elsewhere
                hashes[num_pairs], blocks[num_pairs] = _mix(tokens[token - 1] ^ salt) + (tokens[token] ^ salt), block
                before, again = again, np.int64(twice[at])
                num_pairs += before & again
            found[block, 0], found[block, 1], found[block, 2] = shared, is_long, shared_long
        if not _enter(hashes, blocks, prose, num_pairs, _table_size(num_pairs), keys, owner, twice, slot):
            return False
        for pair in range(num_pairs):
            block, here = blocks[pair], owner[slot[pair]]
            found[block, 3] += np.int64(here != _NOBODY) & np.int64(here != block)
    return True


@compiled(types.void(READ_HASHES, READ_OFFSETS, HASHES))
def _in_order(tokens, token_start, found):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Hash each block by its tokens in order."""
    for block in range(len(found)):
        total, place = np.uint64(0), np.uint64(0)
        for token in range(token_start[block], token_start[block + 1]):
            total += _mix(tokens[token] + place)
            place += _ODD
        found[block] = total


def block_hashes(tokens: Hashes, token_start: Offsets) -> Hashes:
    """Hash every block as `dedupe.debris.tokens.block_hashes` does."""
    found = np.empty(len(token_start) - 1, np.uint64)
    _in_order(np.ascontiguousarray(tokens), np.ascontiguousarray(token_start), found)
    return found


def token_hashes(blocks: Blocks) -> Hashes:
    """Hash every token as `dedupe.debris.tokens.token_hashes` does."""
    out = np.empty(len(blocks.token_pos), np.uint64)
    masked = np.zeros(len(blocks.stream) + 2 * _MARGIN, np.uint8)
    _mask(blocks.stream, masked)
    words = np.ndarray((len(masked) - 7,), np.dtype("<u8"), masked, strides=(1,))
    _hash(words, np.ascontiguousarray(blocks.token_pos), len(blocks.stream), out)
    return out


def shared_counts(blocks: Blocks, tokens: Hashes, is_prose: Flags) -> Offsets | None:
    """Count shared words, long words, shared long ones and shared pairs of each block: int64 (4, num_blocks).

    None for words that were made to crowd a table: only sorting takes its usual time for them.
    """
    found = np.zeros((len(blocks), 4), np.int64)
    done = _share(
        np.ascontiguousarray(tokens), np.ascontiguousarray(blocks.token_pos), len(blocks.stream),
        np.ascontiguousarray(blocks.token_start), np.ascontiguousarray(blocks.doc_start),
        np.ascontiguousarray(is_prose), found,
    )  # fmt: skip
    return np.ascontiguousarray(found.T) if done else None
