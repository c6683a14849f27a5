"""Go from UTF-8 bytes to shingles, content hashes and signatures in one pass: tokens + shingle + sketch, compiled.

Bit for bit what those stages give for each text by itself, without their arrays between: a text stays in the cache
from its bytes to its signature. Characters beyond ASCII are read by the tables of dedupe.code_points. The kernel stops
where it lacks something, and goes on when its caller has supplied it:

- a character that is not in the tables yet: they learn its neighbours too, so there are few such stops;
- a combining mark or jamo: the caller asks whether the text is in composed form; if so the kernel reads it, if not
  the NumPy stages do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.code_points import ASCII_BYTES, TABLES, is_composed_text
from dedupe.hashing import BASE
from dedupe.kernels import compiled
from dedupe.kernels.minhash import PIECE, lower, mix_one
from dedupe.kernels.minhash import signatures as sign
from dedupe.kernels.mixing import mix
from dedupe.kernels.numba_types import (
    BYTES,
    HASHES,
    I64,
    NUMBER_TABLE,
    NUMBERS,
    OFFSETS,
    READ_BYTES,
    READ_FLAGS,
    READ_HASHES,
    READ_NUMBER_TABLE,
    READ_NUMBERS,
    READ_OFFSETS,
    READ_SHORTS,
    U64,
    types,
)
from dedupe.kernels.tokens import (
    ASK,
    CHARACTERS,
    LEAVE,
    power_of,
    scratch_of_piece,
    tokens_in_place,
    tokens_of,
    tokens_of_wide,
)
from dedupe.records import Blocks, Flags, Hashes, Offsets, Texts

_U64, _I = np.uint64, np.int64
_FACTORS = np.array([pow(BASE, 2 * k + 3, 1 << 64) for k in range(5)], _U64)  # of dedupe.shingle
_TO_TRY, _TO_ASK, _COMPOSED, _DONE = 0, 1, 2, 3  # states of a text: in place, by characters, they may be read, done


@dataclass(frozen=True, slots=True)
class Sketched:
    """Hold what near-duplicate search needs of a batch of texts.

    `shingles`: uint32 (num_shingles,). `shingle_start`: int64 (num_docs + 1,). `content_hash`: uint64 (num_docs,), of
    the whole canonical stream. `signatures`: uint32 (num_docs, num_perm).
    """

    shingles: NDArray[np.uint32]
    shingle_start: Offsets
    content_hash: Hashes
    signatures: NDArray[np.uint32]


@compiled(U64(HASHES, OFFSETS, I64))
def _content(tokens, sizes, count):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Hash the whole stream from the sums of its tokens."""
    content, power = _U64(0), _U64(1)
    for k in range(1, count + 1):
        content += power * tokens[k]
        power *= power_of(sizes[k])
    return mix(content)


@compiled(I64(HASHES, I64, NUMBERS, I64))
def _shingle(tokens, count, shingles, pos):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write the shingles of tokens 1 to `count`, given as raw sums, at `pos`; return where they end."""
    for k in range(1, count + 1):
        tokens[k] = mix(tokens[k])
    if 0 < count < 5:
        total = _U64(count)
        for k in range(count):
            total += tokens[k + 1] * _FACTORS[k]
        shingles[pos] = np.uint32(mix(total) >> _U64(32))
        return pos + 1
    for k in range(count - 4):
        total = tokens[k + 1] * _FACTORS[0] + tokens[k + 2] * _FACTORS[1] + tokens[k + 3] * _FACTORS[2]
        total += tokens[k + 4] * _FACTORS[3] + tokens[k + 5] * _FACTORS[4]
        shingles[pos + k] = np.uint32(mix(total) >> _U64(32))
    return pos + max(0, count - 4)


@compiled(
    types.UniTuple(I64, 2)(
        READ_BYTES, READ_OFFSETS, READ_FLAGS, I64, BYTES, READ_HASHES, READ_HASHES, READ_SHORTS, READ_NUMBERS,
        READ_BYTES, READ_NUMBER_TABLE, HASHES, OFFSETS, BYTES, BYTES, READ_HASHES, NUMBERS, HASHES, NUMBERS, NUMBERS,
        NUMBERS, OFFSETS, HASHES, NUMBER_TABLE,
    )
)  # fmt: skip
def _run(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    data, offsets, is_wide, first_doc, state, ascii_sums, sums, info, weights, spans, parameters, tokens, sizes,
    before, flags, flag_words, places, prefix, bytes_before, mixed, shingles, shingle_start, content_hash, signatures,
):  # fmt: skip
    """Read texts from `first_doc` on; return the text and the code point it stopped at, or (num_docs, 0)."""
    for doc in range(first_doc, len(offsets) - 1):
        if state[doc] == _DONE:
            continue
        begin, end = offsets[doc], offsets[doc + 1]
        count, code = _I(-1), _I(LEAVE)
        if state[doc] == _TO_TRY and is_wide[doc]:
            count, code = tokens_of_wide(
                data, begin, end, info, spans, sums, tokens, sizes, before, flags, flag_words, places, prefix,
                bytes_before,
            )  # fmt: skip
        elif state[doc] == _TO_TRY:
            count, code = tokens_in_place(
                data, begin, end, info, weights, tokens, sizes, before, flags, flag_words, places, prefix
            )
        if code == LEAVE:
            state[doc] = max(state[doc], _TO_ASK)
            composed = state[doc] == _COMPOSED
            count, code = tokens_of(
                data, begin, end, is_wide[doc], composed, ascii_sums, sums, info, tokens, sizes
            )
        if count < 0:
            return doc, code
        content_hash[doc] = _content(tokens, sizes, count)
        begin = shingle_start[doc]
        stop = _shingle(tokens, count, shingles, begin)
        shingle_start[doc + 1] = stop
        for piece in range(begin, stop, PIECE):
            num_mixed = min(PIECE, stop - piece)
            for k in range(num_mixed):
                mixed[k] = mix_one(shingles[piece + k])
            lower(mixed, num_mixed, parameters, signatures[doc])
    return len(offsets) - 1, 0


def sketch_texts(texts: Texts, num_perm: int = 128, seed: int = 1, is_wide: Flags | None = None) -> Sketched:
    """Compute shingles, content hashes and signatures of texts.

    The same bits as segment, normalize, word_shingles and signatures give for each text; where the last character of a
    text and the first of the next would combine, those see one character, and this function sees two.
    `is_wide`: bool (num_docs,), which texts are UTF-16 (see dedupe.kernels.tokens) and not UTF-8.

    >>> sketched = sketch_texts(Texts.of([b"One, two", b"", "one TWO \\N{EM DASH}".encode()]), num_perm=2)
    >>> sketched.shingle_start.tolist(), bool(sketched.content_hash[0] == sketched.content_hash[2])
    ([0, 1, 1, 2], True)
    """
    from dedupe.sketch import EMPTY, permutations

    num_docs = len(texts)
    is_wide = np.zeros(num_docs, np.bool_) if is_wide is None else is_wide
    data = np.ascontiguousarray(texts.data)
    # a token takes two bytes, its letter and what parts it from the next, or is a character of three
    shingles = np.empty(len(data) // 2 + num_docs + 1, np.uint32)
    shingle_start = np.zeros(num_docs + 1, np.int64)
    content_hash = np.zeros(num_docs, np.uint64)
    rows = np.full((num_docs, num_perm), EMPTY, np.uint32)
    state = np.zeros(num_docs, np.uint8)
    most_tokens = int(np.diff(texts.offsets).max(initial=0)) // 2 + 2
    tokens, sizes = np.empty(most_tokens, np.uint64), np.empty(most_tokens, np.int64)
    mixed, parameters = np.empty(PIECE, np.uint32), permutations(num_perm, seed)
    ascii_sums = np.where(ASCII_BYTES > 0, ASCII_BYTES + _U64(1), _U64(0))
    scratch = scratch_of_piece()
    doc, code = 0, 0
    while doc < num_docs:
        doc, code = _run(
            data, texts.offsets, is_wide, doc, state, ascii_sums, TABLES.sums, CHARACTERS.info, CHARACTERS.weights,
            CHARACTERS.spans, parameters, tokens, sizes, *scratch, mixed, shingles, shingle_start, content_hash, rows,
        )  # fmt: skip
        if doc == num_docs:
            break
        if code != ASK:
            CHARACTERS.learn_around(code)
            continue
        found_bytes = data[texts.offsets[doc] : texts.offsets[doc + 1]].tobytes()
        text = found_bytes.decode(*(("utf-16-le",) if is_wide[doc] else ("utf-8", "surrogateescape")))
        state[doc] = _COMPOSED
        if not is_composed_text(text):
            state[doc] = _DONE
            found, content_hash[doc] = _by_stages(text)
            begin = int(shingle_start[doc])
            shingle_start[doc + 1] = begin + len(found)
            shingles[begin : begin + len(found)] = found
            rows[doc] = sign(found, np.array([0, len(found)]), parameters)[0]
    return Sketched(shingles[: shingle_start[-1]], shingle_start, content_hash, rows)


def _by_stages(text: str) -> tuple[NDArray[np.uint32], np.uint64]:
    """Give shingles and content hash of one text by way of the NumPy stages."""
    from dedupe.hashing import StreamHashes
    from dedupe.normalize import canonical_by_codes
    from dedupe.shingle import token_hashes, word_shingles

    stream, token_pos, _, _ = canonical_by_codes(text, 0)
    whole, one = np.array([0, len(stream)]), np.array([0, 1])
    blocks = Blocks(one, one[:1], one[1:], stream, whole, token_pos, np.array([0, len(token_pos)]))
    hashes = StreamHashes(stream)
    shingles, _ = word_shingles(blocks, token_hashes(blocks, hashes))
    return shingles, hashes.spans(whole[:1], whole[1:])[0]
