"""Put the stages in order: the only place that knows it.

    observe   segment → normalize → hash → match → cues        for a batch of texts
    decide    weigh the evidence                                for each document
    apply     take out what goes                                for each document

A document from which something went is looked at again until nothing more goes, so that cleaning a
cleaned text changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeAlias
from urllib.parse import unquote

import numpy as np
from msgspec.structs import replace

from dedupe import hosts, kernels
from dedupe.clean import apply, passages_of
from dedupe.config import Config, HostRules
from dedupe.cues import find_cues, load_cues, with_host_cues
from dedupe.cues.lists import ExtraCue
from dedupe.cues.shape import describe
from dedupe.debris import Hints, Judgement, explain, judge, without_links
from dedupe.debris import token_hashes as slug_hashes
from dedupe.decide import decide
from dedupe.decisions import Decisions
from dedupe.draft import Draft
from dedupe.hashing import StreamHashes, distinct, is_in
from dedupe.learned import names_of, open_site_rules, with_site_rules
from dedupe.match import find_doubled, find_equal, find_equal_but_for_digits, find_near, find_runs
from dedupe.naming import heard
from dedupe.normalize import canonical_many, normalize, source_map
from dedupe.plain import read_again
from dedupe.records import Blocks, Cleaned, CueHits, Document, Flags, Hashes, Observed, Offsets, Span, Texts
from dedupe.segment import segment
from dedupe.shingle import block_hashes, token_hashes

_MAX_ROUNDS = 8
_LOT_BYTES = 1 << 18
_MAX_NUMBERED_BYTES = 200
_MAX_JUDGED_BLOCKS = 20_000  # a document with more is no page but data, and its features would fill the memory
_PATH = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*|[?#].*$", re.DOTALL)  # all of an address but its path
_PATH_JOINTS = re.compile(r"[-_/.+]")
_OWN_CUE_STRENGTH = 0.98  # who writes a phrase into the settings wants it gone
_CONTINUED = frozenset({"also_read", "related"})

Across: TypeAlias = Callable[[Observed], Observed]
Words: TypeAlias = tuple[bytes, int, int]


def clean_documents(
    documents: Sequence[Document], config: Config, across: Across | None = None, people: Decisions | None = None
) -> list[Cleaned]:
    """Clean every document by what stands in itself; the result of each depends on no other.

    `across`: adds what other documents tell of the whole texts, before the first round. `people`: what was decided
    about passages, which overrules everything else; it remembers which of its lines were of use.
    """
    drafts = [Draft(document) for document in documents]
    kernels.turn_on(sum(len(document.utf8) for document in documents))
    still_open = drafts
    for number in range(_MAX_ROUNDS):
        if not still_open:
            break
        for batch in _batches(still_open, across is not None):
            _one_round(batch, config, across if number == 0 else None, people)
        still_open = [draft for draft in still_open if draft.changed]
    return [each for lot in _lots(drafts) for each in _recorded(lot)]


def _lots(drafts: list[Draft]) -> Iterator[list[Draft]]:
    """Cut drafts into lots whose findings are worded together; what they hold stays in the cache."""
    lot: list[Draft] = []
    size = 0
    for draft in drafts:
        if lot and size > _LOT_BYTES:
            yield lot
            lot, size = [], 0
        lot.append(draft)
        size += len(draft.text) if draft.cuts or draft.stays else 0
    yield lot


def _recorded(drafts: list[Draft]) -> list[Cleaned]:
    """Take the cuts out of documents and record everything that was found in them."""
    cuts = [draft.cited_cuts() for draft in drafts]
    asked = [
        passages_of(draft.document, each, draft.stays) for draft, each in zip(drafts, cuts, strict=True)
        if each or draft.stays
    ]
    words = iter(_words_of_all(asked))
    return [
        apply(draft.document, each, draft.stays, draft.guarded, next(words) if each or draft.stays else [])
        for draft, each in zip(drafts, cuts, strict=True)
    ]


def _batches(drafts: list[Draft], together: bool) -> list[list[Draft]]:
    """Set apart drafts that may have too many blocks to be judged, so that each is judged as if alone."""
    large = [] if together else [draft for draft in drafts if _may_have_many_blocks(draft.text)]
    small = [draft for draft in drafts if draft not in large] if large else drafts
    return [*([small] if small else []), *([draft] for draft in large)]


def _may_have_many_blocks(text: bytes) -> bool:
    ends = (b"\n", b"\r", b"\xe2\x80")
    return len(text) > _MAX_JUDGED_BLOCKS and sum(map(text.count, ends)) >= _MAX_JUDGED_BLOCKS


def words_of(passages: Sequence[bytes], left: bytes) -> list[Words]:
    """Give the stream of each passage, its number of words, and how many different ones are not in `left`."""
    return _words_of_all([(passages, left)])[0]


def _words_of_all(asked: Sequence[tuple[Sequence[bytes], bytes | None]]) -> list[list[Words]]:
    """Do what `words_of` does for many documents at once; nothing is lost where None is left to compare with."""
    if not asked:
        return []
    blocks = canonical_many([text for passages, left in asked for text in (*passages, left or b"")])
    any_left = any(left is not None for _, left in asked)
    tokens = token_hashes(blocks, StreamHashes(blocks.stream)) if any_left else np.empty(0, np.uint64)
    stream, bounds, starts = blocks.stream.tobytes(), blocks.stream_start.tolist(), blocks.token_start
    words, first = list[list[Words]](), 0
    for passages, left in asked:
        last = first + len(passages)
        num_words = np.diff(starts[first:last + 1]).tolist()
        lost = [0] * len(passages) if left is None else _lost(tokens, starts[first:last + 2])
        words.append([
            (stream[bounds[first + at]:bounds[first + at + 1]], *counts)
            for at, counts in enumerate(zip(num_words, lost, strict=True))
        ])
        first = last + 1
    return words


def _lost(tokens: Hashes, starts: Offsets) -> list[int]:
    """Count the different tokens of each text that the last one has not; `starts`: where their tokens begin."""
    first, last, end = int(starts[0]), int(starts[-2]), int(starts[-1])
    row = np.repeat(np.arange(len(starts) - 2), np.diff(starts[:-1]))
    mine = tokens[first:last]
    lost = np.flatnonzero(~is_in(mine, tokens[last:end]))
    lost = lost[np.lexsort((mine[lost], row[lost]))]
    fresh = np.ones(len(lost), np.bool_)
    fresh[1:] = (np.diff(mine[lost]) != 0) | (np.diff(row[lost]) != 0)
    counts: list[int] = np.bincount(row[lost[fresh]], minlength=len(starts) - 2).tolist()
    return counts


def observe(
    texts: Texts, config: Config, urls: Sequence[str | None] = (), rules: Sequence[tuple[HostRules, ...]] = ()
) -> Observed:
    """Run every stage that looks at texts and decides nothing; `urls`: the addresses of the texts, where known;
    `rules`: what is said of their hosts, where anything is."""
    blocks = normalize(texts, *segment(texts))
    hashes = StreamHashes(blocks.stream)
    doc_of = np.repeat(np.arange(len(texts)), np.diff(blocks.doc_start))
    first = find_equal(blocks, block_hashes(blocks, hashes), doc_of)
    table = load_cues(_own_cues(config.cues))
    read, read_blocks = as_read(texts, blocks)
    cues, categories = find_cues(read, read_blocks, table), tuple(table.categories)
    if rules:
        cues, categories = _with_host_cues(read, read_blocks, cues, categories, rules)
    slug, slug_start = _slugs(urls) if any(urls) else (None, None)
    hints = Hints(cues=cues, categories=categories, continued=_CONTINUED, slug=slug, slug_start=slug_start)
    too_large = np.diff(blocks.doc_start) > _MAX_JUDGED_BLOCKS
    judgement = None if too_large.all() else _without(judge(read, read_blocks, hints), too_large, blocks)
    return Observed(
        texts=texts,
        blocks=blocks,
        shapes=describe(texts, blocks),
        first=first,
        first_masked=find_equal_but_for_digits(blocks, doc_of, _MAX_NUMBERED_BYTES),
        near=find_near(blocks, doc_of, first),
        runs=find_runs(blocks, hashes, doc_of, first),
        hashes=hashes,
        doubled=tuple(find_doubled(blocks)),
        cues=cues,
        categories=categories,
        continued=_CONTINUED,
        junk=judgement.junk if judgement else None,
        explain_junk=partial(explain, judgement) if judgement else None,
        page_likeness=judgement.page_likeness if judgement else None,
        protect=tuple(tuple(pattern for rule in each for pattern in rule.protect) for each in rules),
    )


def as_read(texts: Texts, blocks: Blocks) -> tuple[Texts, Blocks]:
    """Give texts and blocks without the addresses of links: the same blocks, less of their tokens."""
    plain = without_links(texts)
    if plain is texts:
        return texts, blocks
    blanked = np.flatnonzero(plain.data != texts.data)
    docs = distinct(np.searchsorted(texts.offsets, blanked, side="right") - 1)
    return plain, read_again(plain, blocks, docs)


def _without(judgement: Judgement, docs: Flags, blocks: Blocks) -> Judgement:
    """Take back the judgement of some documents."""
    if not docs.any():
        return judgement
    junk = np.where(np.repeat(docs, np.diff(blocks.doc_start)), np.float32(0), judgement.junk)
    return replace(judgement, junk=junk, page_likeness=np.where(docs, np.float32(0), judgement.page_likeness))


def _slugs(urls: Sequence[str | None]) -> tuple[Hashes, Offsets]:
    """Hash the words of the paths of addresses, which are often made from headlines.

    Returns uint64 (num_words,) and int64 (num_urls + 1,), as `Hints` takes them.
    """
    words = [_PATH_JOINTS.sub(" ", unquote(_PATH.sub("", url or ""))) for url in urls]
    texts = Texts.of([text.encode("utf-8", "surrogatepass") for text in words])
    blocks = normalize(texts, *segment(texts))
    return slug_hashes(blocks), blocks.token_start[blocks.doc_start]


def _own_cues(cues: Sequence[tuple[str, str]]) -> tuple[ExtraCue, ...]:
    """Give the user's cues as the table takes them: sure, and matching a block or its beginning."""
    return tuple(
        (category, kind, phrase, _OWN_CUE_STRENGTH) for category, phrase in cues for kind in ("whole", "starts")
    )


def _with_host_cues(
    texts: Texts, blocks: Blocks, cues: CueHits, categories: tuple[str, ...], rules: Sequence[tuple[HostRules, ...]]
) -> tuple[CueHits, tuple[str, ...]]:
    """Look for the wording of hosts in their documents; give the categories with theirs."""
    wording = {doc: _own_cues([cue for rule in each for cue in rule.cues]) for doc, each in enumerate(rules)}
    wording = {doc: each for doc, each in wording.items() if each}
    names = tuple(dict.fromkeys((*categories, *(cue[0] for each in wording.values() for cue in each))))
    return with_host_cues(texts, blocks, cues, wording, names), names


def _rules_of(drafts: Sequence[Draft], config: Config) -> list[tuple[HostRules, ...]]:
    """Give the rules of every document's host, the narrowest first; none at all where no host of them has any."""
    if not config.hosts:
        return []
    by_name = {hosts.plain_name(rules.host): rules for rules in config.hosts}
    found = [
        tuple(by_name[name] for name in names_of(draft.document) if name in by_name) for draft in drafts
    ]
    return found if any(found) else []


def _one_round(drafts: Sequence[Draft], config: Config, across: Across | None, people: Decisions | None) -> None:
    """Decide on the present texts of some drafts and cut them."""
    texts = Texts.of([draft.text for draft in drafts])
    seen = observe(texts, config, [draft.document.url for draft in drafts], _rules_of(drafts, config))
    if across is not None:
        seen = across(seen)
    if config.site_rules is not None:
        seen = with_site_rules(seen, [draft.document for draft in drafts], open_site_rules(config.site_rules))
    decided = decide(seen, config, source_map)
    blocks = [
        _block_spans(seen, doc) if decision.removed or (people and decision.kept) else []
        for doc, decision in enumerate(decided)
    ]
    if people:
        decided = heard(drafts, blocks, decided, people, words_of)
    for draft, spans, decision in zip(drafts, blocks, decided, strict=True):
        draft.update(spans, decision)


def _block_spans(seen: Observed, doc: int) -> list[Span]:
    """Give the bytes of a document's blocks, counted from its start."""
    rows, origin = slice(int(seen.blocks.doc_start[doc]), int(seen.blocks.doc_start[doc + 1])), seen.texts.offsets[doc]
    starts, ends = seen.blocks.start[rows] - origin, seen.blocks.end[rows] - origin
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
