"""Go from UTF-8 bytes to shingles, content hashes and signatures in one pass: normalize + shingle + sketch, compiled.

Bit for bit what those stages give for each text by itself, without their arrays between: a text stays in the cache
from its bytes to its signature. ASCII is mapped byte by byte, other characters through the tables of
dedupe.normalize. The kernel stops where it lacks something, and goes on when its caller has supplied it:

- a character that is not in the tables yet: they learn its neighbours too, so there are few such stops;
- a combining mark or jamo: the caller asks whether the text is in composed form; if so the kernel reads it, if not
  the NumPy stages do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dedupe.kernels import compiled, load_numba
from dedupe.kernels.minhash import PIECE, lower, mix_one
from dedupe.kernels.minhash import signatures as sign
from dedupe.normalize import is_composed_text
from dedupe.records import Blocks, Hashes, Offsets, Texts

_U64, _I = np.uint64, np.int64
_BASE = _U64(0x9E3779B97F4A7C15)  # of dedupe.hashing
_MIX_1, _MIX_2 = _U64(0xBF58476D1CE4E5B9), _U64(0x94D049BB133111EB)
_FACTORS = np.array([pow(int(_BASE), 2 * k + 3, 1 << 64) for k in range(5)], _U64)  # of dedupe.shingle
_NUM_POWERS = 256
_POWERS = np.multiply.accumulate(np.concatenate([np.ones(1, _U64), np.full(_NUM_POWERS - 1, _BASE)]))
_LETTER, _SINGLE, _MARK = 1, 2, 3  # kinds of dedupe.normalize; 0 is dropped, 4 a mark on a single
_TO_ASK, _COMPOSED, _DONE = 0, 1, 2  # states of a text
_VOICING_MARKS = 0xFF9E >> 1  # both of half-width kana
_ASK = -1  # instead of a code point: may the text at hand be read as it stands?

types = load_numba().types
_I64 = types.int64
_READ_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_READ_INFO = types.Array(types.uint16, 1, "C", readonly=True)
_READ_WORDS = types.Array(types.uint64, 1, "C", readonly=True)
_READ_OFFSETS = types.Array(_I64, 1, "C", readonly=True)
_READ_TABLE = types.Array(types.uint32, 2, "C", readonly=True)
_WORDS, _INTS = types.Array(types.uint64, 1, "C"), types.Array(_I64, 1, "C")
_HASHES, _TABLE = types.Array(types.uint32, 1, "C"), types.Array(types.uint32, 2, "C")


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


class _Characters:
    """Hold what a character adds to a token, a window on the tables of dedupe.normalize; filled on demand.

    `sums`: uint64 (0x110000,), the token sum of its canonical bytes. `info`: uint16 (0x110000,), 0 where not known yet,
    else its kind plus one, above bit 3 the number of its canonical bytes.
    """

    def __init__(self) -> None:
        self.sums = np.zeros(0x110000, np.uint64)
        self.info = np.zeros(0x110000, np.uint16)

    def learn_around(self, code: int) -> None:
        """Fill in a code point and the rest of its 256."""
        from dedupe.normalize import TABLES

        codes = np.arange(code & ~0xFF, (code | 0xFF) + 1)
        TABLES.learn(codes.astype(np.uint32))
        num_bytes = TABLES.num_bytes[codes].astype(np.int64)
        for step in range(int(num_bytes.max(initial=0))):
            longer = codes[num_bytes > step]
            self.sums[longer] += (TABLES.pool[TABLES.at[longer] + step] + _U64(1)) * _POWERS[step]
        self.info[codes] = (TABLES.kind[codes].astype(np.uint16) + 1) | (num_bytes << 3).astype(np.uint16)


_CHARACTERS = _Characters()


@compiled(types.uint64(types.uint64))
def _mix(value):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    value = (value ^ (value >> _U64(30))) * _MIX_1
    value = (value ^ (value >> _U64(27))) * _MIX_2
    return value ^ (value >> _U64(31))


@compiled(types.UniTuple(_I64, 2)(_READ_BYTES, _I64, _I64))
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


@compiled(types.uint64(_I64))
def _power(exponent):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Raise the base to any exponent, by squaring; for the rare token that is longer than the table of powers."""
    result, square = _U64(1), _BASE
    while exponent:
        if exponent & 1:
            result *= square
        square *= square
        exponent >>= 1
    return result


@compiled(
    types.UniTuple(_I64, 2)(
        _READ_BYTES, _I64, _I64, types.boolean, _READ_WORDS, _READ_WORDS, _READ_INFO, _WORDS, _INTS
    )
)
def _tokens(data, at, end, composed, weights, sums, info, tokens, sizes):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write the raw sum and the size of each token of one text, from row 1 on; return their number and 0.

    Where it lacks something: (-1, code point) or (-1, _ASK).
    """
    count, before = _I(0), _I(0)
    raw, size = _U64(0), _I(0)  # of the token at hand
    while at < end:
        byte = data[_U64(at)]  # an unsigned index cannot be meant to count from the end, which would be checked
        if byte < 0x80:
            # no branch on what a byte is: ends of words cannot be foreseen, and a wrong guess costs 15 cycles
            inside = _I(before in (_LETTER, _MARK))
            while byte < 0x80:
                weight = weights[byte]
                letter = _I(weight != 0)
                starts = letter & (inside ^ 1)
                inside = letter
                count += starts
                raw &= _U64(starts) - _U64(1)
                size &= starts - 1
                raw += weight * (_POWERS[_U64(size)] if size < _NUM_POWERS else _power(size))
                size += letter
                tokens[_U64(count)], sizes[_U64(count)] = raw, size
                at += 1
                if at >= end:
                    break
                byte = data[_U64(at)]
            before = _LETTER * inside
            continue
        second = _I(data[_U64(at + 1)]) if at + 1 < end else 0
        third = _I(data[_U64(at + 2)]) if at + 2 < end else 0
        if 0xC2 <= byte < 0xE0 and second & 0xC0 == 0x80:
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
        if (kind >= _MARK or 0x1160 <= code <= 0x11FF or code >> 1 == _VOICING_MARKS) and not composed:
            return -1, _ASK
        if kind:
            if kind == _SINGLE or before == 0 or (kind == _LETTER and before != _LETTER and before != _MARK):
                count += 1
                raw, size = _U64(0), _I(0)
            raw += sums[_U64(code)] * (_POWERS[_U64(size)] if size < _NUM_POWERS else _power(size))
            size += known >> 3
            tokens[_U64(count)], sizes[_U64(count)] = raw, size
        before = kind
    return count, 0


@compiled(types.uint64(_WORDS, _INTS, _I64))
def _content(tokens, sizes, count):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Hash the whole stream from the sums of its tokens."""
    content, power = _U64(0), _U64(1)
    for k in range(1, count + 1):
        content += power * tokens[k]
        power *= _POWERS[sizes[k]] if sizes[k] < _NUM_POWERS else _power(sizes[k])
    return _mix(content)


@compiled(_I64(_WORDS, _I64, _HASHES, _I64))
def _shingle(tokens, count, shingles, pos):  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    """Write the shingles of tokens 1 to `count`, given as raw sums, at `pos`; return where they end."""
    for k in range(1, count + 1):
        tokens[k] = _mix(tokens[k])
    if 0 < count < 5:
        total = _U64(count)
        for k in range(count):
            total += tokens[k + 1] * _FACTORS[k]
        shingles[pos] = np.uint32(_mix(total) >> _U64(32))
        return pos + 1
    for k in range(count - 4):
        total = tokens[k + 1] * _FACTORS[0] + tokens[k + 2] * _FACTORS[1] + tokens[k + 3] * _FACTORS[2]
        total += tokens[k + 4] * _FACTORS[3] + tokens[k + 5] * _FACTORS[4]
        shingles[pos + k] = np.uint32(_mix(total) >> _U64(32))
    return pos + max(0, count - 4)


@compiled(
    types.UniTuple(_I64, 2)(
        _READ_BYTES, _READ_OFFSETS, _I64, types.Array(types.uint8, 1, "C"), _READ_WORDS, _READ_WORDS, _READ_INFO,
        _READ_TABLE, _WORDS, _INTS, _HASHES, _HASHES, _INTS, _WORDS, _TABLE,
    )
)  # fmt: skip
def _run(  # type: ignore[no-untyped-def]  # compiled by numba from the signature
    data, offsets, first_doc, state, weights, sums, info, parameters, tokens, sizes, mixed, shingles, shingle_start,
    content_hash, signatures,
):  # fmt: skip
    """Read texts from `first_doc` on; return the text and the code point it stopped at, or (num_docs, 0)."""
    for doc in range(first_doc, len(offsets) - 1):
        if state[doc] == _DONE:
            continue
        composed = state[doc] == _COMPOSED
        count, code = _tokens(data, offsets[doc], offsets[doc + 1], composed, weights, sums, info, tokens, sizes)
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


def sketch_texts(texts: Texts, num_perm: int = 128, seed: int = 1) -> Sketched:
    """Compute shingles, content hashes and signatures of texts.

    The same bits as segment, normalize, word_shingles and signatures give for each text; where the last character of a
    text and the first of the next would combine, those see one character, and this function sees two.

    >>> sketched = sketch_texts(Texts.of([b"One, two", b"", "one TWO \\N{EM DASH}".encode()]), num_perm=2)
    >>> sketched.shingle_start.tolist(), bool(sketched.content_hash[0] == sketched.content_hash[2])
    ([0, 1, 1, 2], True)
    """
    from dedupe.sketch import EMPTY, permutations

    num_docs = len(texts)
    data = np.ascontiguousarray(texts.data)
    # a token takes two bytes, its letter and what parts it from the next, or is a character of three
    shingles = np.empty(len(data) // 2 + num_docs + 1, np.uint32)
    shingle_start = np.zeros(num_docs + 1, np.int64)
    content_hash = np.zeros(num_docs, np.uint64)
    rows = np.full((num_docs, num_perm), EMPTY, np.uint32)
    state = np.zeros(num_docs, np.uint8)
    most_tokens = int(np.diff(texts.offsets).max(initial=0)) // 2 + 2
    tokens, sizes = np.empty(most_tokens, np.uint64), np.empty(most_tokens, np.int64)
    mixed, parameters, weights = np.empty(PIECE, np.uint32), permutations(num_perm, seed), _ascii_weights()
    doc, code = 0, 0
    while doc < num_docs:
        doc, code = _run(
            data, texts.offsets, doc, state, weights, _CHARACTERS.sums, _CHARACTERS.info, parameters,
            tokens, sizes, mixed, shingles, shingle_start, content_hash, rows,
        )  # fmt: skip
        if doc == num_docs:
            break
        if code != _ASK:
            _CHARACTERS.learn_around(code)
            continue
        text = data[texts.offsets[doc] : texts.offsets[doc + 1]].tobytes()
        state[doc] = _COMPOSED
        if not is_composed_text(text.decode("utf-8", "surrogateescape")):
            state[doc] = _DONE
            found, content_hash[doc] = _by_stages(text)
            begin = int(shingle_start[doc])
            shingle_start[doc + 1] = begin + len(found)
            shingles[begin : begin + len(found)] = found
            rows[doc] = sign(found, np.array([0, len(found)]), parameters)[0]
    return Sketched(shingles[: shingle_start[-1]], shingle_start, content_hash, rows)


def _ascii_weights() -> Hashes:
    """Map ASCII letters and digits to what their canonical byte adds to a sum, all other bytes to 0."""
    from dedupe.normalize import canonical_of_code

    weights = np.zeros(256, np.uint64)
    for code in range(128):
        kind, canonical = canonical_of_code(code)
        weights[code] = canonical[0] + 1 if kind else 0
    return weights


def _by_stages(text: bytes) -> tuple[NDArray[np.uint32], np.uint64]:
    """Give shingles and content hash of one text by way of the NumPy stages."""
    from dedupe.hashing import StreamHashes
    from dedupe.normalize import canonical_by_codes
    from dedupe.shingle import token_hashes, word_shingles

    stream, token_pos, _, _ = canonical_by_codes(text.decode("utf-8", "surrogateescape"), 0)
    whole, one = np.array([0, len(stream)]), np.array([0, 1])
    blocks = Blocks(one, one[:1], one[1:], stream, whole, token_pos, np.array([0, len(token_pos)]))
    hashes = StreamHashes(stream)
    shingles, _ = word_shingles(blocks, token_hashes(blocks, hashes))
    return shingles, hashes.spans(whole[:1], whole[1:])[0]
