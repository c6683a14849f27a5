"""Make the two views of a text that are compared: the canonical stream and its tokens.

The canonical stream holds the letters, digits and marks of a text after NFKC and case folding, as UTF-8
bytes, everything else dropped. A token is a run of them; characters of scripts written without spaces
(Han, kana, Thai, Lao, Khmer, Myanmar) are tokens of their own, with the marks that follow.

Code points go through the tables of `dedupe.code_points`; ASCII pays for none. Only text that is not in composed form
is recomposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from itertools import pairwise

import numpy as np
import regex
from numpy.typing import NDArray

from dedupe import kernels
from dedupe.code_points import (
    ASCII_BYTES,
    DROPPED,
    LETTER,
    MARK,
    TABLES,
    canonical_of_code,
    compose,
    decode_at,
    is_composed_text,
    starts_token,
)
from dedupe.hashing import distinct
from dedupe.records import Blocks, Bytes, Offsets, Texts

_CHUNK_BYTES = 1 << 20  # scratch arrays stay in cache and below 40 bytes a byte of this
_LEAST_CHUNK_BYTES = 1 << 12


_JOINS = regex.compile(r"[\p{M}\u1160-\u11ff\uff9e\uff9f\ufffd]")  # composes with what stands before, or is broken


_ASCII_TABLE = ASCII_BYTES.tobytes()


def normalize(texts: Texts, doc_start: Offsets, start: Offsets, end: Offsets) -> Blocks:
    """Make the canonical streams and tokens of all blocks.

    `doc_start`, `start`, `end`: as `segment` gives them. Between blocks there must be white space only.
    """
    streams: list[Bytes] = []
    tokens: list[Offsets] = []
    stream_start = np.zeros(len(start) + 1, np.int64)
    done = num_stream = previous = 0
    borders = _borders(texts)
    make = _compiled(texts, start, stream_start) if kernels.are_on() else None
    step = _CHUNK_BYTES
    while done < len(texts.data):
        stop = min(_chunk_stop(texts.data, done, step), borders[-1])
        data = texts.data[done:stop]
        is_composed = _is_composed(data)
        if not is_composed and stop - done > 2 * _LEAST_CHUNK_BYTES and step > _LEAST_CHUNK_BYTES:
            step = max(_LEAST_CHUNK_BYTES, step // 8)  # what is around the few characters to compose goes the fast way
            continue
        step = min(2 * step, _CHUNK_BYTES) if is_composed else step
        if make is not None and is_composed:
            stream, token_pos, previous = make(done, stop, previous, num_stream)
        else:
            stream, token_pos, source, previous = _canonical(data, previous, is_composed)
            rows = slice(*np.searchsorted(start, (done, stop)))
            stream_start[rows] = num_stream + np.searchsorted(source, start[rows] - done)
            token_pos += num_stream
        streams.append(stream)
        tokens.append(token_pos)
        num_stream += len(stream)
        done = stop
        if done == borders[-1]:
            borders.pop()
            previous = DROPPED
    stream_start[np.searchsorted(start, done):] = num_stream  # the last blocks may be empty
    stream = np.concatenate(streams) if streams else np.empty(0, np.uint8)
    token_pos = np.concatenate(tokens) if tokens else np.empty(0, np.int64)
    token_pos = _with_block_starts(token_pos, stream_start)
    token_start = np.searchsorted(token_pos, stream_start)
    return Blocks(doc_start, start, end, stream, stream_start, token_pos, token_start)


def _compiled(
    texts: Texts, start: Offsets, stream_start: Offsets
) -> Callable[[int, int, int, int], tuple[Bytes, Offsets, int]]:
    """Prepare the compiled twin of what follows for text in composed form."""
    from dedupe.kernels.text import Canonizer

    return partial(Canonizer(TABLES, ASCII_BYTES, np.ascontiguousarray(start), stream_start).add, texts.data)


def _is_composed(data: Bytes) -> bool:
    """Say whether a piece of text is valid UTF-8 in composed form (NFC)."""
    if int(data.max(initial=0)) < 0x80:
        return True
    try:
        return is_composed_text(data.tobytes().decode())
    except UnicodeDecodeError:
        return False


def source_map(block: bytes) -> list[int]:
    """Say where each byte of a block's canonical stream came from.

    Returns the first byte of the source character of each stream byte, and the block's size at the end. One
    block at a time is best done in plain Python; `normalize` is for many.

    >>> source_map("U.S. – É".encode())
    [0, 2, 9, 9, 11]
    """
    text = block.decode("utf-8", "surrogateescape")
    if not is_composed_text(text):
        return _source_map_by_codes(text, len(block))
    source: list[int] = []
    at = 0
    for char in text:
        num_canonical, num_bytes = _widths(char)
        if num_canonical == 1:
            source.append(at)
        elif num_canonical:
            source.extend([at] * num_canonical)
        at += num_bytes
    source.append(at)
    return source


@lru_cache(maxsize=1 << 16)
def _widths(char: str) -> tuple[int, int]:
    """Give the bytes of a character's canonical form and its own; an invalid byte is one."""
    own = 1 if "\udc80" <= char <= "\udcff" else len(char.encode("utf-8", "surrogatepass"))
    return len(canonical_of_code(ord(char))[1]), own


def _source_map_by_codes(text: str, num_bytes: int) -> list[int]:
    source: list[int] = canonical_by_codes(text, 0)[2].tolist()
    return [*source, num_bytes]


def stream_of(text: str) -> bytes:
    """Give the canonical stream of a short text, for phrases in data files and fingerprints."""
    return canonical_many([text.encode("utf-8", "surrogatepass")]).stream.tobytes()


def canonical_many(passages: Sequence[bytes]) -> Blocks:
    """Make one block of each passage, empty ones too: streams and tokens of all in one pass."""
    texts = Texts.of(list(passages))
    rows = np.arange(len(passages) + 1)
    return normalize(texts, rows, texts.offsets[:-1], texts.offsets[1:])


def tokens_of(text: bytes) -> list[bytes]:
    """List the tokens of one text.

    >>> tokens_of("Don't: Ça va? 北京".encode())[:4]
    [b'don', b't', b'\\xc3\\xa7a', b'va']
    """
    stream, token_pos, _, _ = _canonical(np.frombuffer(text, np.uint8), 0)
    bounds = [*token_pos.tolist(), len(stream)]
    whole = stream.tobytes()
    return [whole[a:b] for a, b in pairwise(bounds)]


def _with_block_starts(token_pos: Offsets, stream_start: Offsets) -> Offsets:
    """Begin a token at each block: documents laid end to end may touch without white space."""
    firsts = stream_start[:-1][np.diff(stream_start) > 0]
    at = np.searchsorted(token_pos, firsts)
    missing = np.append(token_pos, -1)[at] != firsts
    return np.insert(token_pos, at[missing], firsts[missing]) if missing.any() else token_pos


def _borders(texts: Texts) -> list[int]:
    """List the texts that could join the one before them, the last first, after the end of the batch.

    They begin with a mark, a jamo, or the rest of a broken character; the work is cut before them.
    """
    firsts = distinct(texts.offsets[:-1])
    firsts = firsts[(firsts > 0) & (firsts < len(texts.data))]
    firsts = firsts[texts.data[firsts] >= 0x80]
    heads = ((at, texts.data[at:at + 4].tobytes().decode("utf-8", "replace")) for at in firsts.tolist()[::-1])
    return [len(texts.data), *(at for at, head in heads if _JOINS.match(head))]


def _chunk_stop(data: Bytes, begin: int, num_bytes: int) -> int:
    """End a chunk of about `num_bytes` before an ASCII byte, where no character and no mark is cut off its base."""
    stop = begin + num_bytes
    if stop >= len(data):
        return len(data)
    while stop < len(data):
        ascii_at = np.flatnonzero(data[stop:stop + 4096] < 0x80)
        if len(ascii_at):
            return stop + int(ascii_at[0])
        stop += 4096
    return len(data)


def _canonical(
    data: Bytes, previous: int, is_composed: bool | None = None
) -> tuple[Bytes, Offsets, Offsets, int]:
    """Make stream, token positions and source offsets of a piece of text; `previous` kind before it.

    `is_composed`: whether it is valid UTF-8 in composed form, where that is known.

    The source offsets are int64 (num_stream_bytes,), ascending; inside a character they may point at any
    of its bytes.
    """
    if len(data) == 0:
        return np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64), previous
    if int(data.max()) < 0x80:
        return _canonical_ascii(data, previous)
    is_composed = _is_composed(data) if is_composed is None else is_composed
    in_place = _canonical_in_place(data, previous) if is_composed else None
    return in_place or canonical_by_codes(data.tobytes().decode("utf-8", "surrogateescape"), previous)


def canonical_by_codes(text: str, previous: int) -> tuple[Bytes, Offsets, Offsets, int]:
    """Do what `_canonical` does, code point by code point: the plain way, right for every text."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    source = _source_bytes(codes)
    if not is_composed_text(text):
        codes, keep = compose(text, codes)
        codes, source = codes[keep], source[keep]
    TABLES.learn(codes)
    kind = TABLES.kind[codes]
    before = np.empty_like(kind)
    before[0], before[1:] = previous, kind[:-1]
    starts = starts_token(kind, before)
    kept = np.flatnonzero(kind)
    last = int(kind[-1])
    codes, source, starts = codes[kept], source[kept], starts[kept]
    num_bytes = TABLES.num_bytes[codes].astype(np.int64)
    ends = np.cumsum(num_bytes)
    begins = ends - num_bytes
    token_pos = begins[starts]
    if not len(codes):
        return np.empty(0, np.uint8), token_pos, begins, last
    take = np.repeat(TABLES.at[codes] - begins, num_bytes) + np.arange(ends[-1])
    return TABLES.pool[take], token_pos, np.repeat(source, num_bytes), last


def _canonical_in_place(data: Bytes, previous: int) -> tuple[Bytes, Offsets, Offsets, int] | None:
    """Write canonical bytes over the bytes they come from; None where a character would not fit.

    Only for valid UTF-8 in composed form. Work is done for the bytes once and for the characters beyond
    ASCII, which in most texts are few.
    """
    lead = np.flatnonzero(data >= 0xC0)
    codes, width = decode_at(data, lead)
    TABLES.learn(codes)
    kind, num_bytes = TABLES.kind[codes], TABLES.num_bytes[codes]
    if (num_bytes > width).any():
        return None
    mapped = np.frombuffer(bytearray(data).translate(_ASCII_TABLE), np.uint8)
    letters = mapped != 0
    starts = letters.copy()
    starts[1:] &= ~letters[:-1]
    starts[0] &= previous not in (LETTER, MARK)
    after = lead + width
    joined = after[(kind == LETTER) | (kind == MARK)]
    starts[joined[joined < len(data)]] = False
    before = np.where(letters[lead - 1], LETTER, DROPPED).astype(np.uint8)
    adjacent = np.flatnonzero(np.diff(lead) == width[:-1]) + 1
    before[adjacent] = kind[adjacent - 1]
    if lead[0] == 0:
        before[0] = previous
    starts[lead] = starts_token(kind, before)
    at = TABLES.at[codes]
    for byte in range(int(num_bytes.max(initial=0))):
        has = num_bytes > byte
        mapped[lead[has] + byte] = TABLES.pool[at[has] + byte]
    source = np.flatnonzero(mapped)
    last = int(kind[-1]) if after[-1] == len(data) else (LETTER if letters[-1] else DROPPED)
    return mapped[source], np.flatnonzero(starts[source]), source, last


def _canonical_ascii(data: Bytes, previous: int) -> tuple[Bytes, Offsets, Offsets, int]:
    mapped = np.frombuffer(data.tobytes().translate(_ASCII_TABLE), np.uint8)
    kept = mapped != 0
    source = np.flatnonzero(kept)
    starts = kept.copy()
    starts[1:] &= ~kept[:-1]
    starts[0] &= previous not in (LETTER, MARK)
    token_pos = np.flatnonzero(starts[source])
    return mapped[source], token_pos, source, LETTER if kept[-1] else DROPPED


def _source_bytes(codes: NDArray[np.uint32]) -> Offsets:
    """Give the byte offset of each code point; a lone surrogate stands for one invalid byte."""
    width = np.ones(len(codes), np.int64)
    width += codes >= 0x80
    width += codes >= 0x800
    width += codes >= 0x10000
    width[(codes >= 0xDC80) & (codes <= 0xDCFF)] = 1
    ends = np.cumsum(width)
    return ends - width


