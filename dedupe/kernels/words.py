"""Hash tokens and find words that a document's prose shares, with numba: the twin of dedupe.debris.tokens, bit for bit.

Where that sorts the words of a batch, each document has a table of its own here.
"""

from __future__ import annotations

import numpy as np

from dedupe.debris.tokens import LONG_TOKEN_BYTES
from dedupe.kernels import compiled, load_numba
from dedupe.records import Blocks, Flags, Hashes, Offsets

types = load_numba().types
_I64, _U64 = types.int64, types.uint64
_READ_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_READ_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
_READ_OFFSETS = types.Array(_I64, 1, "C", readonly=True)
_READ_HASHES = types.Array(_U64, 1, "C", readonly=True)
_HASHES = types.Array(_U64, 1, "C")
_OFFSETS = types.Array(_I64, 1, "C")
_TABLE = types.Array(_I64, 2, "C")
_ODD, _ODD_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_LONG = LONG_TOKEN_BYTES
_SEVERAL = -1  # more than one block of prose has the word


@compiled(_U64(_U64))
def _mix(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    value = (value ^ (value >> np.uint64(32))) * _ODD_2
    return value ^ (value >> np.uint64(29))


@compiled(types.void(_READ_BYTES, _READ_OFFSETS, _HASHES))
def _hash(stream, token_pos, out):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    for token in range(len(token_pos)):
        start = token_pos[token]
        end = token_pos[token + 1] if token + 1 < len(token_pos) else len(stream)
        short = min(end - start, 8)
        first, last = np.uint64(0), np.uint64(0)
        for step in range(short):
            byte = np.uint64(stream[start + step])
            byte = np.uint64(48) if byte - np.uint64(48) < np.uint64(10) else byte
            first |= byte << np.uint64(8 * step)
        if end - start <= 8:
            last = first << np.uint64(8 * (8 - short)) if short else first
        else:
            for step in range(8):
                byte = np.uint64(stream[end - 8 + step])
                byte = np.uint64(48) if byte - np.uint64(48) < np.uint64(10) else byte
                last |= byte << np.uint64(8 * step)
        out[token] = _mix((first * _ODD) ^ last ^ (np.uint64(end - start) << np.uint64(56)))


@compiled(_I64(_OFFSETS, _HASHES, _OFFSETS, _I64, _U64, _I64))
def _note(slots, keys, owner, mask, key, block):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Note in a table that prose of `block` has the word; return the slots tried. A slot is 0 where nothing stands."""
    at, tried = np.int64(key >> np.uint64(20)) & mask, 1
    while slots[at] != 0 and keys[at] != key:
        at, tried = (at + 1) & mask, tried + 1
    if slots[at] == 0:
        slots[at] = 1
        keys[at] = key
        owner[at] = block
    elif owner[at] != block:
        owner[at] = _SEVERAL
    return tried


@compiled(_I64(_OFFSETS, _HASHES, _OFFSETS, _I64, _U64, _I64))
def _look_up(slots, keys, owner, mask, key, block):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Return twice the slots tried, and one more where the prose of another block has the word."""
    at, tried = np.int64(key >> np.uint64(20)) & mask, 2
    while slots[at] != 0:
        if keys[at] == key:
            return tried + (owner[at] != block)
        at, tried = (at + 1) & mask, tried + 2
    return tried


@compiled(types.boolean(_READ_HASHES, _READ_OFFSETS, _I64, _READ_OFFSETS, _READ_OFFSETS, _READ_FLAGS, _TABLE))
def _share(tokens, token_pos, num_bytes, token_start, doc_start, prose, found):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Count, for each block, its shared words, long ones, shared long ones, and shared pairs of neighbors.

    Gives up, returning False, on words that were made to crowd a table.
    """
    slots, keys, owner = np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64)
    for doc in range(len(doc_start) - 1):
        low, high = doc_start[doc], doc_start[doc + 1]
        num = token_start[high] - token_start[low]
        size = 16
        while size < 2 * num:
            size *= 2
        if size > len(slots):
            slots, keys, owner = np.empty(size, np.int64), np.empty(size, np.uint64), np.empty(size, np.int64)
        salt, patience = np.uint64(doc) * _ODD, 1000 + 100 * num
        for pairs in range(2):
            slots[:size] = 0
            for block in range(low, high):
                if prose[block]:
                    for token in range(token_start[block], token_start[block + 1] - pairs):
                        key = tokens[token] ^ salt
                        if pairs:
                            key = _mix(key) + (tokens[token + 1] ^ salt)
                        patience -= _note(slots, keys, owner, size - 1, key, block)
                        if patience < 0:
                            return False
            for block in range(low, high):
                counts = found[block]
                for token in range(token_start[block], token_start[block + 1] - pairs):
                    key = tokens[token] ^ salt
                    if pairs:
                        key = _mix(key) + (tokens[token + 1] ^ salt)
                    answer = _look_up(slots, keys, owner, size - 1, key, block)
                    patience -= answer >> 1
                    if patience < 0:
                        return False
                    if pairs:
                        counts[3] += answer & 1
                    else:
                        end = token_pos[token + 1] if token + 1 < len(token_pos) else num_bytes
                        is_long = np.int64(end - token_pos[token] >= _LONG)
                        counts[0] += answer & 1
                        counts[1] += is_long
                        counts[2] += is_long & answer
    return True


def token_hashes(blocks: Blocks) -> Hashes:
    """Hash every token as `dedupe.debris.tokens.token_hashes` does."""
    out = np.empty(len(blocks.token_pos), np.uint64)
    _hash(blocks.stream, np.ascontiguousarray(blocks.token_pos), out)
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
