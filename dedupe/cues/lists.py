"""Load the compiled cue lists, with a user's own phrases, into one table that `find` can search.

The lists themselves are dedupe/data/cues/*.toml; `python -m dedupe.cues.build` compiles them, because
parsing them at every start would cost twenty times as much as loading one file of ready columns.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from functools import lru_cache
from pkgutil import get_data
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dedupe.cues.hashes import prefix_hashes, span_hashes
from dedupe.cues.phrases import KINDS, ends_in_colon, num_tokens, stream_of
from dedupe.errors import ConfigError
from dedupe.records import Bytes, Flags, Floats, Hashes, Offsets

COMPILED = "compiled.json"
# Longer blocks are never looked at. The longest limit of a list is 40 tokens where words have spaces and
# 80 in scripts whose characters are tokens of three bytes; 640 bytes are 40 long Cyrillic words.
MAX_BLOCK_TOKENS, MAX_BLOCK_BYTES, MAX_BYTES_BEYOND = 40, 640, 256
# Added to a hash so that the kinds do not find each other's phrases.
SALTS = np.array([0, 0x1D8E4E27C47D124F, 0x3A8F057C5C1E4A3B, 0x5851F42D4C957F2D], np.uint64)
SIEVE_SHIFT = np.uint64(46)
# As the categories' defaults; a user's phrase may be longer than that and still match.
_USER_MAX_TOKENS, _USER_MAX_TOKENS_COLON = 12, 40

ExtraCue = tuple[str, str, str, float]


class Cue(Struct, frozen=True):
    """Hold one phrase with everything that its list says about it.

    `exact`: punctuation counts, as in "-30-" (not for kind ends). `in_sentence`: a block that ends like a
    sentence may match.
    """

    category: str
    kind: str
    text: str
    strength: float
    max_tokens: int
    in_sentence: bool = False
    exact: bool = False

    @property
    def stream(self) -> bytes:
        return stream_of(self.text)

    @property
    def needs_colon(self) -> bool:
        return ends_in_colon(self.text)

    @property
    def key(self) -> tuple[bytes, str, bool, str]:
        """Tell apart what may stand in a table side by side."""
        return self.stream, self.kind, self.needs_colon, self.text.casefold() if self.exact else ""


class CueTable(Struct, frozen=True):
    """Hold all phrases, one row each, ordered by `keys`.

    `categories`: names, "" at index 0; `continues`: bool (num_categories,), whether lines that follow
    belong to such a cue. `phrases`: natural spelling. By row: `category` uint8, `kind` uint8 (1 whole,
    2 starts, 3 ends), `strength` float32 0–1, `max_tokens` int64 (longest block it may match in);
    `needs_colon`, `in_sentence`, `exact` bool as in `Cue`; `keys` uint64, ascending, equal where phrases
    differ in punctuation only. `stream` uint8 and `stream_start` int64 (num_rows + 1,): masked canonical
    streams. `sieve`: bool (262144,), true at the top 18 bits of each key.
    """

    categories: tuple[str, ...]
    continues: Flags
    phrases: tuple[str, ...]
    category: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    strength: Floats
    max_tokens: Offsets
    needs_colon: Flags
    in_sentence: Flags
    exact: Flags
    stream: Bytes
    stream_start: Offsets
    keys: Hashes
    sieve: Flags
    max_phrase_tokens: int

    def __len__(self) -> int:
        return len(self.phrases)

    def stream_of(self, row: int) -> bytes:
        """Return the masked canonical stream of phrase `row`."""
        return self.stream[self.stream_start[row] : self.stream_start[row + 1]].tobytes()

    def cue(self, row: int) -> Cue:
        """Return row `row` as a record."""
        return Cue(
            category=self.categories[self.category[row]],
            kind=KINDS[self.kind[row]],
            text=self.phrases[row],
            strength=float(self.strength[row]),
            max_tokens=int(self.max_tokens[row]),
            in_sentence=bool(self.in_sentence[row]),
            exact=bool(self.exact[row]),
        )


@lru_cache(maxsize=8)
def load_cues(extra: tuple[ExtraCue, ...] = ()) -> CueTable:
    """Return the table of all built-in cues and of `extra`: (category, kind, phrase, strength) tuples.

    A user's phrase replaces the built-in one of the same kind, colon and spelling; strength 0 switches
    it off. A category that is not built in is added. The table is cached and must not be written to.

    Raises:
        ConfigError: a kind other than whole, starts, ends; a strength outside 0–1; a phrase without
            letters or digits; a phrase that ends in a colon where kind is ends.

    >>> table = load_cues((("house_style", "whole", "The Bee, daily", 0.9),))
    >>> table.categories[-1], "The Bee, daily" in table.phrases
    ('house_style', True)
    """
    if not extra:
        return _load(get_data("dedupe", f"data/cues/{COMPILED}") or b"")
    table = load_cues()
    added = {cue.key: cue for cue in map(_user_cue, extra)}
    categories = list(dict.fromkeys((*table.categories, *(cue.category for cue in added.values()))))
    if len(categories) > 256:
        raise ConfigError(f"cues: found {len(categories) - 1} categories, at most 255 are possible; merge some")
    kept = [cue for cue in map(table.cue, range(len(table))) if cue.key not in added]
    continues = [*table.continues.tolist(), *[False] * (len(categories) - len(table.categories))]
    return assemble(categories, continues, kept + [cue for cue in added.values() if cue.strength])


@lru_cache(maxsize=256)
def own_cues(extra: tuple[ExtraCue, ...], categories: tuple[str, ...]) -> CueTable:
    """Return a table of a user's cues alone, their categories numbered as in `categories`.

    Raises: ConfigError: as `load_cues`.
    """
    if len(categories) > 256:
        raise ConfigError(f"cues: found {len(categories) - 1} categories, at most 255 are possible; merge some")
    cues = {cue.key: cue for cue in map(_user_cue, extra)}
    return assemble(categories, [False] * len(categories), list(cues.values()))


def _user_cue(extra: ExtraCue) -> Cue:
    category, kind, phrase, strength = extra
    where = f"cue {phrase!r} of category {category!r}"
    if kind not in KINDS[1:]:
        raise ConfigError(f"{where}: found kind {kind!r}, expected one of {', '.join(KINDS[1:])}")
    if not 0 <= strength <= 1:
        raise ConfigError(f"{where}: found strength {strength}, expected a number from 0 to 1")
    if not stream_of(phrase) or not category:
        raise ConfigError(f"{where}: found no letter or digit to compare; give a name and some words")
    if ends_in_colon(phrase) and kind == "ends":
        raise ConfigError(f"{where}: a phrase that ends blocks cannot ask for a colon; drop it or use starts")
    limit = _USER_MAX_TOKENS_COLON if ends_in_colon(phrase) else _USER_MAX_TOKENS
    return Cue(category, kind, phrase, strength, max(limit, num_tokens(phrase) + 12), kind == "whole")


def assemble(categories: Sequence[str], continues: Sequence[bool], cues: Sequence[Cue]) -> CueTable:
    """Put cues into a table, ordered by hash, exact phrases and those with a colon before plain ones."""
    start, stream = _join([cue.stream for cue in cues])
    kind = np.array([KINDS.index(cue.kind) for cue in cues], np.uint8)
    keys = span_hashes(prefix_hashes(stream), start[:-1], start[1:]) + SALTS[kind]
    rank = np.array([2 - 2 * cue.exact - cue.needs_colon for cue in cues], np.int64)
    order = np.lexsort((rank, keys))
    cues = [cues[row] for row in order.tolist()]
    start, stream = _join([cue.stream for cue in cues])
    places = {name: place for place, name in enumerate(categories)}
    return CueTable(
        categories=tuple(categories),
        continues=np.array(continues, np.bool_),
        phrases=tuple(cue.text for cue in cues),
        category=np.array([places[cue.category] for cue in cues], np.uint8),
        kind=kind[order],
        strength=np.array([cue.strength for cue in cues], np.float32),
        max_tokens=np.array([cue.max_tokens for cue in cues], np.int64),
        needs_colon=np.array([cue.needs_colon for cue in cues], np.bool_),
        in_sentence=np.array([cue.in_sentence for cue in cues], np.bool_),
        exact=np.array([cue.exact for cue in cues], np.bool_),
        stream=stream,
        stream_start=start,
        keys=keys[order],
        sieve=_sieve(keys),
        max_phrase_tokens=max((num_tokens(cue.text) for cue in cues if cue.kind != "whole"), default=0),
    )


def _join(streams: list[bytes]) -> tuple[Offsets, Bytes]:
    start = np.zeros(len(streams) + 1, np.int64)
    np.cumsum([len(stream) for stream in streams], out=start[1:])
    return start, np.frombuffer(b"".join(streams), np.uint8)


def _sieve(keys: Hashes) -> Flags:
    sieve = np.zeros(1 << 18, np.bool_)
    sieve[keys >> SIEVE_SHIFT] = True
    return sieve


def _load(compiled: bytes) -> CueTable:
    """Read what `build.compile_lists` writes: text columns joined by LF, numbers as little-endian base64."""
    source = msgspec.json.decode(compiled)
    sizes = _column(source, "stream_bytes", "<u2")
    start = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=start[1:])
    flags = _column(source, "flags", "u1")
    keys = _column(source, "keys", "<u8").astype(np.uint64)
    return CueTable(
        categories=tuple(source["categories"]),
        continues=np.array(source["continues"], np.bool_),
        phrases=tuple(source["phrases"].split("\n")),
        category=_column(source, "category", "u1"),
        kind=_column(source, "kind", "u1"),
        strength=_column(source, "strength", "<f4").astype(np.float32),
        max_tokens=_column(source, "max_tokens", "<u2").astype(np.int64),
        needs_colon=(flags & 1) > 0,
        in_sentence=(flags & 2) > 0,
        exact=(flags & 4) > 0,
        stream=np.frombuffer(source["stream"].encode(), np.uint8),
        stream_start=start,
        keys=keys,
        sieve=_sieve(keys),
        max_phrase_tokens=source["max_phrase_tokens"],
    )


def _column(source: dict[str, str], name: str, dtype: str) -> NDArray[Any]:
    return np.frombuffer(b64decode(source[name]), np.dtype(dtype))
