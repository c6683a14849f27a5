"""Tell by samples whether texts still become the same tokens, shingles and windows: any change of these shows."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np

from dedupe.hashing import StreamHashes
from dedupe.normalize import normalize
from dedupe.passages import winnowed_seeds
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.shingle import token_hashes, word_shingles

# Every kind of thing that normalization decides on: case, compatibility forms, marks, digits, joined and split words,
# scripts without spaces, line ends, bytes that are no UTF-8.
_SAMPLE = (
    "The U.S. “old town” re-opened — at 10:45, said Straße/STRASSE.\r\n\r\n"
    "ﬁne ＡＢＣ①② ½ café cafe\u0301 naïve\u00a0word\n"
    "Ελληνικά ΣΊΣΥΦΟΣ · Русский ЁЛКА\n"
    "\u0627\u0644\u0633\u0644\u0627\u0645\u064f عليكم ١٢٣\n"
    "河水上涨，城市的桥。ひらがなカタカナ한국어\nกำลังอ่านข่าว ພາສາລາວ ភាសាខ្មែរ မြန်မာ\n"
    "हिन्दी में समाचार\u2028ІЇҐ x\u200by *** e\u0301\n"
).encode() + b"caf\xe9 \xff\x00\x1b[0m end\n"


@cache
def normalization() -> str:
    """Hash what a sample of many scripts becomes: tokens and shingles; 16 hex digits."""
    texts = Texts.of([_SAMPLE])
    blocks = normalize(texts, *segment(texts))
    tokens = token_hashes(blocks, StreamHashes(blocks.stream))
    shingles, _ = word_shingles(blocks, tokens)
    content = blocks.stream.tobytes() + tokens.astype("<u8").tobytes() + shingles.astype("<u4").tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()


@cache
def winnowing() -> str:
    """Hash which windows are chosen of a sample of shingles, and their hashes; 16 hex digits."""
    sample = np.arange(200, dtype=np.uint32) * np.uint32(2654435761)
    seed, _, at = winnowed_seeds(sample, np.array([0, len(sample)]))
    content = seed.astype("<u8").tobytes() + at.astype("<i8").tobytes()
    return hashlib.blake2b(content, digest_size=8).hexdigest()
