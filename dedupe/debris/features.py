"""Describe every block by numbers that mean the same in any language.

A feature says how a block looks (length, final punctuation, share of digits), where it stands (distance
to prose, runs of short lines), what it repeats, which words it shares with the prose, and which cue it
is. None looks for words of one language, spaces between words or Latin letters. GROUPS names them all.

Prose here is a first guess from the block alone; the model learns what the guess is worth.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from dedupe.debris.characters import Look, look_at
from dedupe.debris.layout import FAR, Layout, Values
from dedupe.debris.paragraphs import join, paragraph_starts
from dedupe.debris.tokens import SharedWords, block_hashes, fractions_of, mix, token_hashes
from dedupe.hashing import distinct, group_equal
from dedupe.records import Blocks, CueHits, Flags, Floats, Hashes, Offsets, Texts

CUE_NAMES = (
    "also_read", "related", "share", "follow", "newsletter", "subscribe", "paywall", "source", "end_mark", "legal",
    "comments", "caption", "byline", "date", "ads", "player", "counter", "navigation", "app_download", "login",
)
_CUE_WHOLE = 1
_CUE_STRONG = 0.85
_CUE_REACH = 6  # blocks below "Also read:" that may belong to it
_DOC_SALT = np.uint64(0x9E3779B97F4A7C15)
_RUN_MEANS = (
    "ends_sentence", "shared_long", "shared_pairs", "has_digit", "title_share", "comma_rate", "length", "starts_upper",
    "later_copy", "on_host", "urls", "brackets", "gaps", "starts_bullet", "cue_any", "cue_strong",
)
_REACHES = (2, 5, 12)

GROUPS: dict[str, tuple[str, ...]] = {
    "length": (
        "length", "tiny", "short", "phrase", "paragraph", "long_paragraph", "no_letters", "word_length", "prose",
    ),
    "ending": (
        "ends_sentence", "ends_dots", "ends_question", "ends_colon", "ends_comma", "ends_closed", "ends_digit",
        "unended", "short_sentence",
    ),
    "opening": (
        "starts_lower", "starts_upper", "starts_digit", "starts_bullet", "starts_bracket", "starts_quote",
        "starts_dash", "starts_symbol", "starts_picture",
    ),
    "punctuation": (
        "inner_ends", "no_inner_long", "commas", "comma_rate", "colons", "quotes", "gaps", "bars", "slashes",
        "brackets", "symbols", "pictures", "mark_share",
    ),
    "digits": ("digit_share", "has_digit", "mostly_digits", "times", "dates"),
    "case": ("all_caps", "title_share", "title_case", "title_open", "no_case"),
    "links": ("urls", "bare_url", "mails", "handles", "markdown"),
    "shared": ("shared", "shared_long", "shared_pairs", "shared_short", "pairs_short", "shared_none"),
    "place": (
        "to_prose_before", "to_prose_after", "to_prose", "before_first", "after_last", "amid_prose", "touches_prose",
        "mass_before", "mass_after", "run", "prose_near_2", "prose_near_5", "prose_near_12", "size_near_3",
        "position", "top", "bottom", "first", "last",
    ),
    "neighbors": tuple(
        f"{side}_{what}" for side in ("previous", "next") for what in ("length", "prose", "ends", "colon", "alike")
    ),
    "repeats": ("repeated", "later_copy", "on_host", "on_host_times", "not_on_host"),
    "address": ("slug_share", "slug_cover"),
    "cues": (
        *(f"cue_{name}" for name in CUE_NAMES), "cue_any", "cue_strong", "cue_whole", "cue_long", "cue_follows",
        "cue_follows_prose", "cue_previous", "cue_next", "cue_near", "cue_before",
    ),
    "run": (*(f"run_{name}" for name in _RUN_MEANS), "run_has_cue", "run_has_strong"),
    "document": ("doc_rest", "doc_short", "doc_menu", "doc_prose", "doc_blocks", "doc_ended"),
}
FEATURE_NAMES = tuple(name for names in GROUPS.values() for name in names)
Columns = dict[str, Values]


class Hints(Struct, frozen=True):
    """Hold what other stages know about the blocks of a batch; every field may be left out.

    `cues` with the names of its `categories` ("" first) and those `continued` by the lines that follow.
    `host_count`: int64 (num_blocks,), number of *other* documents of the host that hold the block (digits
    masked, `tokens.block_hashes`), -1 where no other document of the host is known. `slug`: uint64, hashes
    (`tokens.token_hashes`) of the words of the documents' addresses, `slug_start` int64 (num_docs + 1,).
    """

    cues: CueHits | None = None
    categories: tuple[str, ...] = ("",)
    continued: frozenset[str] = frozenset()
    host_count: Offsets | None = None
    slug: Hashes | None = None
    slug_start: Offsets | None = None


NO_HINTS = Hints()
_PARTING = bytes(4)


def features(texts: Texts, blocks: Blocks, hints: Hints = NO_HINTS) -> Floats:
    """Describe all blocks: float32 (num_blocks, num_features), columns in the order of FEATURE_NAMES.

    Lines of one wrapped paragraph get the numbers of the paragraph. All numbers are finite; (0, num_features)
    for no blocks.
    """
    texts, blocks = _parted(texts, blocks)
    first = paragraph_starts(texts, blocks)
    if len(first) == len(blocks):
        return _features(texts, blocks, hints).T
    table = _features(texts, join(blocks, first), _of_paragraphs(hints, first))
    return np.repeat(table, np.diff(first, append=len(blocks)), axis=1).T


def _parted(texts: Texts, blocks: Blocks) -> tuple[Texts, Blocks]:
    """Put a few NULs behind every text: features look at the bytes beside a block, which must not be another text's."""
    num_docs = len(texts)
    if num_docs < 2:
        return texts, blocks
    data, offsets = texts.data.tobytes(), texts.offsets.tolist()
    parted = _PARTING.join(data[start:end] for start, end in pairwise(offsets))
    shift = np.repeat(np.arange(num_docs) * len(_PARTING), np.diff(blocks.doc_start))
    moved = texts.offsets + np.minimum(np.arange(num_docs + 1), num_docs - 1) * len(_PARTING)
    spread = replace(blocks, start=blocks.start + shift, end=blocks.end + shift)
    return Texts(np.frombuffer(parted, np.uint8), moved), spread


def _of_paragraphs(hints: Hints, first: Offsets) -> Hints:
    """Keep the hints of the blocks that begin paragraphs."""
    cues = hints.cues
    if cues is not None:
        cues = CueHits(cues.category[first], cues.kind[first], cues.strength[first], cues.phrase[first])
    count = None if hints.host_count is None else hints.host_count[first]
    return replace(hints, cues=cues, host_count=count)


def _features(texts: Texts, blocks: Blocks, hints: Hints) -> Floats:
    look = look_at(texts, blocks)
    layout = Layout(blocks.doc_start)
    tokens = token_hashes(blocks)
    columns = dict(look.columns)
    columns |= _shared(blocks, layout, look, tokens)
    columns |= _place(layout, look)
    columns |= _neighbors(layout, look)
    columns |= _repeats(layout, block_hashes(blocks, tokens), hints)
    columns |= _address(blocks, layout, look, tokens, hints)
    columns |= _cues(layout, look, hints)
    columns |= _runs(layout, look, columns)
    columns |= _document(layout, look)
    table = np.empty((len(FEATURE_NAMES), len(blocks)), np.float32)
    for row, name in enumerate(FEATURE_NAMES):
        table[row] = columns[name]
    return table


def _log(values: Values) -> Values:
    return np.asarray(np.log2(1 + values))


def _near(distance: Values) -> Values:
    return _log(np.minimum(distance, 40).astype(np.float32))


def _shared(blocks: Blocks, layout: Layout, look: Look, tokens: Hashes) -> Columns:
    words = SharedWords(blocks, tokens, layout.doc, look.prose)
    rest = ~look.prose
    return {
        "shared": words.all, "shared_long": words.long, "shared_pairs": words.pairs,
        "shared_short": words.long * rest, "pairs_short": words.pairs * rest,
        "shared_none": (words.long == 0) & (look.size >= 20),
    }


def _place(layout: Layout, look: Look) -> Columns:
    before, after, between = layout.distances(look.prose)
    nearest = np.minimum(before, after)
    mass = look.size * look.prose
    total, mass_before = layout.total(mass), layout.before(mass)
    prose_near, size_near = layout.windows(mass, _REACHES), layout.windows(look.size, (*_REACHES, 3))
    left = layout.num - 1 - layout.index
    columns: Columns = {
        "to_prose_before": _near(before), "to_prose_after": _near(after), "to_prose": _near(nearest),
        "before_first": before >= FAR, "after_last": after >= FAR,
        "amid_prose": (before == 1) & (after == 1), "touches_prose": nearest == 1,
        "mass_before": mass_before / np.maximum(total, 1),
        "mass_after": (total - mass_before - mass) / np.maximum(total, 1),
        "run": np.where(look.prose, 0, _near(between)),
        "size_near_3": _log(size_near[-1] / 6),
        "position": layout.index / np.maximum(layout.num - 1, 1),
        "top": np.exp(-layout.index / 5), "bottom": np.exp(-left / 5),
        "first": layout.index == 0, "last": left == 0,
    }
    for reach, prose, size in zip(_REACHES, prose_near, size_near, strict=False):
        columns[f"prose_near_{reach}"] = prose / np.maximum(size, 1)
    return columns


def _neighbors(layout: Layout, look: Look) -> Columns:
    columns: Columns = {}
    length, first = look.columns["length"], look.first
    for side, step in (("previous", -1), ("next", 1)):
        other = layout.shift(length, step)
        columns[f"{side}_length"] = other
        columns[f"{side}_prose"] = layout.shift(look.prose, step)
        columns[f"{side}_ends"] = layout.shift(look.columns["ends_sentence"], step)
        columns[f"{side}_colon"] = layout.shift(look.columns["ends_colon"], step)
        columns[f"{side}_alike"] = np.exp(-np.abs(other - length)) * (layout.shift(first, step) == first)
    return columns


def _repeats(layout: Layout, hashes: Hashes, hints: Hints) -> Columns:
    size = len(hashes)
    key = hashes ^ (layout.doc.astype(np.uint64) * _DOC_SALT)
    order, opens = group_equal(key)
    group = np.cumsum(opens) - 1
    times, later = np.ones(size), np.zeros(size, np.bool_)
    times[order] = np.bincount(group)[group] if size else 0
    later[order] = ~opens
    known = hashes != 0
    count = np.full(size, -1) if hints.host_count is None else hints.host_count
    return {
        "repeated": np.log2(np.where(known, times, 1)), "later_copy": later & known,
        "on_host": count > 0, "on_host_times": _log(np.maximum(count, 0)), "not_on_host": count == 0,
    }


def _address(blocks: Blocks, layout: Layout, look: Look, tokens: Hashes, hints: Hints) -> Columns:
    """Compare a block's words with those of the page's address, which is often made from the headline."""
    share = cover = np.zeros(len(blocks), np.float32)
    if hints.slug is not None and hints.slug_start is not None and len(hints.slug):
        num_words = np.diff(hints.slug_start)
        slug_doc = np.repeat(np.arange(len(num_words)), num_words).astype(np.uint64)
        keys = distinct(mix(hints.slug ^ (slug_doc * _DOC_SALT)))
        salt = layout.doc.astype(np.uint64) * _DOC_SALT
        asked = mix(tokens ^ np.repeat(salt, np.diff(blocks.token_start)))
        found = _among(keys, asked)
        share = fractions_of(found, blocks.token_start) * (look.num_tokens > 1)
        named = share * look.num_tokens / np.maximum(num_words, 1)[layout.doc]
        cover = np.minimum(named, 1) * (look.size < 200)
    return {"slug_share": share, "slug_cover": cover}


def _among(keys: Hashes, asked: Hashes) -> Flags:
    """Say which hashes are among `keys`, which ascend: a sieve on their top bits leaves few to be searched for."""
    sieve = np.zeros(1 << 16, np.bool_)
    sieve[keys >> np.uint64(48)] = True
    found: Flags = sieve[asked >> np.uint64(48)]
    likely = np.flatnonzero(found)
    found[likely] = keys[np.minimum(np.searchsorted(keys, asked[likely]), len(keys) - 1)] == asked[likely]
    return found


def _cues(layout: Layout, look: Look, hints: Hints) -> Columns:
    size = len(layout.at)
    if hints.cues is None:
        return {name: np.zeros(size, np.float32) for name in GROUPS["cues"]}
    category, strength = hints.cues.category, hints.cues.strength
    column_of = {name: row for row, name in enumerate(hints.categories)}
    columns: Columns = {f"cue_{name}": np.where(category == column_of.get(name, -1), strength, 0) for name in CUE_NAMES}
    continued = np.array([name in hints.continued for name in hints.categories], np.bool_)
    opens = continued[category] & (category > 0)
    back, _, _ = layout.distances(opens | look.prose)
    to_cue, _, _ = layout.distances(opens)
    _, to_prose, _ = layout.distances(look.prose)
    to_first, _, _ = layout.distances(look.prose)
    after_prose = layout.before((strength >= _CUE_STRONG) & (to_first < FAR))
    follows = (to_cue <= _CUE_REACH) & (to_cue == back) & ~look.prose
    return columns | {
        "cue_any": strength, "cue_strong": strength >= _CUE_STRONG,
        "cue_whole": strength * (hints.cues.kind == _CUE_WHOLE), "cue_long": strength * (look.size >= 60),
        "cue_follows": follows / to_cue, "cue_follows_prose": (to_cue == 1) & look.prose,
        "cue_previous": layout.shift(strength, -1), "cue_next": layout.shift(strength, 1),
        "cue_near": layout.windows(strength, (3,))[0], "cue_before": _log(after_prose) * (to_prose >= FAR),
    }


def _runs(layout: Layout, look: Look, columns: Columns) -> Columns:
    """Average over the run of short lines that a block belongs to; 0 for prose."""
    means: Columns = {f"run_{name}": np.zeros(len(layout.at)) for name in _RUN_MEANS}
    if len(layout.at):
        run = layout.runs(look.prose)
        starts = np.flatnonzero(np.diff(run, prepend=-1))
        values = np.array([columns[name] for name in _RUN_MEANS], np.float64)
        share = np.add.reduceat(values, starts, axis=1) / np.diff(starts, append=len(run))
        means = dict(zip(means, share[:, run] * ~look.prose, strict=True))
    means["run_has_cue"] = means["run_cue_any"] > 0
    means["run_has_strong"] = means["run_cue_strong"] > 0
    return means


def _document(layout: Layout, look: Look) -> Columns:
    rest = ~look.prose
    total, prose = layout.per_document(look.size), layout.per_document(look.size * look.prose)
    num = np.maximum(layout.per_document(np.ones(len(layout.at))), 1)
    _, _, between = layout.distances(look.prose)
    menu = rest & (between >= 4) & (look.size < 40)
    by_doc: Columns = {
        "doc_rest": (total - prose) / np.maximum(total, 1), "doc_short": layout.per_document(rest) / num,
        "doc_menu": layout.per_document(menu) / num, "doc_prose": _log(prose / 100), "doc_blocks": np.log2(num),
        "doc_ended": layout.per_document(look.columns["ends_sentence"]) / num,
    }
    return {name: values.astype(np.float32)[layout.doc] for name, values in by_doc.items()}

