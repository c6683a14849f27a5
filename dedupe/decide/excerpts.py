"""Weigh blocks that quote another block of the document, and blocks that say the same thing twice.

Of a teaser and the paragraph it quotes the teaser goes, whole; a paragraph of the body is never cut. A
lead or a quotation that restates the body without a teaser's marks stays, and is listed as kept.
"""

from __future__ import annotations

import regex
from msgspec import Struct
from rapidfuzz.distance import Indel, LCSseq

from dedupe.decide.copies import MOST_ALIKE
from dedupe.decide.page import Page, has_date, has_ellipsis, is_glued, propose
from dedupe.decide.weights import confidence, evidence
from dedupe.records import Doubled, Finding

MIN_CONTAINMENT = 0.5  # "most of it" in the definition of an excerpt
_MIN_EXCERPT_BYTES = 60
_MAX_GAP_BYTES = 60  # an edit of a few words between two equal runs belongs to the excerpt
_SAME_CONTAINMENT = 0.9
_MOST_COMPARED = 4  # blocks with the longest common runs; in a list of alike lines every line shares with every other
_MAX_COPY_BYTES = 1 << 17  # longer than articles are; comparing two letter by letter takes the square of their size
_JOINT_BYTES = 6
_MAX_FRONT = 160  # characters of caption, author, outlet and date glued in front of a teaser
_SENTENCE_INSIDE = regex.compile(r"(?:\p{Ll}|\p{N}{4})[.!?]\s|[。！？।]")
_MIN_PROSE_FRACTION = 0.3


class _Shared(Struct, frozen=True):
    """Hold what one block shares with another: pieces (start, end) in its own stream, ascending."""

    row: int
    other: int
    pieces: tuple[tuple[int, int], ...]
    containment: float
    goes_on: bool


def excerpts(page: Page, gone: set[int], runs: list[tuple[int, int, int, int, int]]) -> list[Finding]:
    """Propose blocks most of whose stream stands in another block.

    `runs`: (block, other, start, other start, size) of this document, positions relative to each block.
    """
    shared: dict[int, dict[int, list[tuple[int, int, int]]]] = {}
    for row, other, start, other_start, size in runs:
        if row not in gone and other not in gone and page.size(row) >= _MIN_EXCERPT_BYTES:
            shared.setdefault(row, {}).setdefault(other, []).append((start, other_start, size))
    if len(shared) > MOST_ALIKE:
        return []
    best = {row: _best(page, row, others) for row, others in shared.items()}
    found = []
    for row, share in best.items():
        if share is None or share.containment < MIN_CONTAINMENT:
            continue
        back = best.get(share.other)
        containment_of_other = back.containment if back is not None and back.other == row else 0.0
        if _is_copy(share.containment, containment_of_other):
            if row > share.other and max(page.size(row), page.size(share.other)) <= _MAX_COPY_BYTES:
                found.append(_copy(page, row, share.other, min(share.containment, containment_of_other)))
        elif page.size(share.other) >= page.size(row) * MIN_CONTAINMENT and page.is_prose(share.other):
            found.append(_excerpt(page, row, share))
    return _one_way(page, found)


def _is_copy(containment: float, containment_of_other: float) -> bool:
    return min(containment, containment_of_other) >= _SAME_CONTAINMENT


def _one_way(page: Page, found: list[Finding]) -> list[Finding]:
    """Where two blocks were proposed against each other, keep the surer proposal only."""
    by_span = {finding.span: finding for finding in found}
    kept = []
    for finding in found:
        rival = by_span.get(finding.kept[1]) if finding.kept else None
        mutual = rival is not None and rival.kept is not None and rival.kept[1] == finding.span
        if rival is None or not mutual or (finding.confidence, -finding.span[0]) > (rival.confidence, -rival.span[0]):
            kept.append(finding)
    return kept


def _best(page: Page, row: int, others: dict[int, list[tuple[int, int, int]]]) -> _Shared | None:
    """Choose the block that shares most with this one; of equals the longer, then the first."""
    likely = sorted(others, key=lambda other: (-sum(run[2] for run in others[other]), -page.size(other), other))
    shares = [_share(page, row, other, others[other]) for other in likely[:_MOST_COMPARED]]
    return max(shares, key=lambda share: (share.containment, page.size(share.other), -share.other), default=None)


def _share(page: Page, row: int, other: int, runs: list[tuple[int, int, int]]) -> _Shared:
    """Join runs into pieces across small gaps that are alike, and measure how much of the block they are."""
    stream, other_stream = page.stream(row), page.stream(other)
    pieces: list[list[int]] = []
    common, other_at, goes_on = 0, -1, False
    for start, other_start, size in sorted(runs):
        begin = start
        if pieces:
            gap, other_gap = start - pieces[-1][1], other_start - other_at
            if gap < 0:
                begin = pieces[-1][1]
            alike = 0 <= gap <= _MAX_GAP_BYTES and 0 <= other_gap <= _MAX_GAP_BYTES
            if alike:
                between = LCSseq.similarity(stream[pieces[-1][1]:start], other_stream[other_at:other_start])
                if between * 2 >= max(gap, other_gap):
                    common += between
                    begin = pieces[-1][1]
        if start + size <= begin:
            continue
        common += start + size - max(begin, start)
        if pieces and begin == pieces[-1][1]:
            pieces[-1][1] = start + size
        else:
            pieces.append([begin, start + size])
        other_at = other_start + size
        goes_on = start + size == len(stream) and other_at < len(other_stream)
    return _Shared(row, other, tuple((a, b) for a, b in pieces), common / max(1, len(stream)), goes_on)


def _copy(page: Page, row: int, other: int, containment: float) -> Finding:
    """Propose the later of two long blocks that are the same but for a few words."""
    rule = "near-repeated-block"
    lost = page.words(row) - page.words(other)
    differing = page.words(row) ^ page.words(other)
    similarity = Indel.normalized_similarity(page.stream(row), page.stream(other))
    reasons = [
        evidence(rule, "base"),
        evidence(rule, "long-resemblance", similarity, times=(similarity - 0.9) / 0.1),
        evidence(rule, "word-lost", len(lost), times=len(lost)) if lost else evidence(rule, "no-word-lost"),
    ]
    if any(token.isdigit() for token in differing):
        reasons.append(evidence(rule, "differs-in-digits"))
    if page.is_marked_line(row):
        reasons.append(evidence("repeated-block", "marked-line"))
    if page.is_table_or_code(row):
        reasons.append(evidence("repeated-block", "table-or-code"))
    if page.prose_fraction < _MIN_PROSE_FRACTION:
        reasons.append(evidence("repeated-block", "little-prose", page.prose_fraction))
    return propose(page, rule, row, reasons, other, similarity, containment)


def _excerpt(page: Page, row: int, share: _Shared) -> Finding:
    rule = "excerpt"
    text, marks = page.text(row), []
    lost = len(page.words(row) - page.words(share.other))
    if page.under_cue(row):
        marks.append(evidence(rule, "under-cue"))
    front = page.cut(row, 0, share.pieces[0][0]) if share.pieces[0][0] else ""
    if len(front) <= _MAX_FRONT and has_date(front) and not _SENTENCE_INSIDE.search(front):
        marks.append(evidence(rule, "date-in-front", 1.0, front[:60]))
    if has_ellipsis(text):
        marks.append(evidence(rule, "ellipsis"))
    if is_glued(_own_words(page, share)):
        marks.append(evidence(rule, "glued"))
    if _holds_headline(page, row, share):
        marks.append(evidence(rule, "headline-inside"))
    if share.goes_on and not page.ends_sentence(row):
        marks.append(evidence(rule, "cut-off"))
    reasons = [evidence(rule, "base"), evidence(rule, "containment", share.containment, times=share.containment)]
    reasons += marks or [evidence(rule, "no-mark")]
    if lost:
        reasons.append(evidence(rule, "word-lost", lost, times=lost))
    if page.is_table_or_code(row):
        reasons.append(evidence(rule, "table-or-code"))
    if page.is_marked_line(row) and not marks:
        reasons.append(evidence(rule, "marked-line"))
    return propose(page, rule, row, reasons, share.other, None, share.containment)


def _own_words(page: Page, share: _Shared) -> str:
    """Give the text of a block that is not quoted, with a few characters of the quotation at each joint."""
    pieces, at = [], 0
    total = page.size(share.row)
    for begin, end in (*share.pieces, (total, total)):
        if begin > at:
            pieces.append(page.cut(share.row, max(0, at - _JOINT_BYTES), min(total, begin + _JOINT_BYTES)))
        at = end
    return " | ".join(pieces)


def _holds_headline(page: Page, row: int, share: _Shared) -> bool:
    """Say whether a short block of the document stands in the part that is not quoted."""
    stream, at, own = page.stream(row), 0, []
    for begin, end in share.pieces:
        own.append(stream[at:begin])
        at = end
    own.append(stream[at:])
    rest = b"|".join(own)
    return any(other != row and headline in rest for other, headline in page.headline_streams)


def doubled_text(page: Page, gone: set[int], doubled: list[Doubled]) -> list[Finding]:
    """Propose the second half of blocks that say the same thing twice."""
    return [_doubled(page, each) for each in doubled if each.block not in gone]


def _doubled(page: Page, each: Doubled) -> Finding:
    rule, row = "doubled", each.block
    bounds = page.seen.blocks.stream_start
    begin, end = int(bounds[row]), int(bounds[row + 1])
    between = page.gap(row, each.middle - begin)
    whole = each.end == end and each.start == begin
    unit = each.middle - each.start
    joint = "glued" if not between else ("spaced" if not between.strip() else "")
    tests = (
        ("base", True, 1.0),
        (joint, bool(joint), 1.0),
        ("separate-sentences", any(mark in between for mark in ".!?…;。！？؟।"), 1.0),
        ("whole-block", whole, 1.0),
        ("no-final-mark", not page.ends_sentence(row), 1.0),
        ("long-unit", unit >= 30, unit),
        ("no-prose-in-document", page.prose_fraction < _MIN_PROSE_FRACTION and len(page.rows) > 2, 1.0),
    )
    reasons = [evidence(rule, name, value) for name, holds, value in tests if holds]
    if each.similarity < 1:
        reasons.append(evidence(rule, "difference", each.similarity, times=1 - each.similarity))
    first, second = page.halves(row, each.start - begin, each.middle - begin, each.end - begin)
    return Finding(second, rule, confidence(reasons), tuple(reasons), (None, first), each.similarity)
