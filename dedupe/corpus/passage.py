"""Make findings of shared passages: one that is listed, or the blocks that go where the first document keeps them."""

from __future__ import annotations

import math

from dedupe.corpus.spans import snapped
from dedupe.normalize import normalize
from dedupe.passages import Passage
from dedupe.records import Evidence, Finding, Observed, Place, Span, Texts
from dedupe.segment import segment

RULE = "shared-passage"
_USUAL_TOKENS = 50


def passage_findings(
    seen: Observed, doc: int, utf8: bytes, passage: Passage, span: Span, source: Place, *, goes: bool, min_tokens: int
) -> list[Finding]:
    """Describe a passage of document `doc` of a batch, by block where `goes`, for only whole blocks may go.

    `utf8`: the text of the document; `span`: the bytes of the passage in it. One that has fewer than `min_tokens`
    tokens even with the rest of its sentences is none.
    """
    span = snapped(utf8, span)
    num_tokens = passage.span[1] - passage.span[0]
    if num_tokens < min_tokens and _count_tokens(utf8[span[0]:span[1]]) < min_tokens:
        return []
    equal = min(1.0, passage.num_equal / num_tokens)
    length = 3.0 + math.log2(max(1.0, passage.num_equal / _USUAL_TOKENS))
    reasons = (
        Evidence("equal-tokens", round(length, 4), passage.num_equal),
        Evidence("edited", round(-4.0 * (1 - equal), 4), round(1 - equal, 4)),
    )
    sure = round(1 / (1 + math.exp(-sum(reason.weight for reason in reasons))), 4)
    whole = _whole_blocks(seen, doc, span) if goes else []
    return [
        Finding(part, RULE, sure, reasons, containment=round(equal, 4), kept_place=source)
        for part in (whole or [span])
    ]


def _count_tokens(utf8: bytes) -> int:
    text = Texts.of([utf8])
    return len(normalize(text, *segment(text)).token_pos)


def _whole_blocks(seen: Observed, doc: int, span: Span) -> list[Span]:
    blocks, origin = seen.blocks, int(seen.texts.offsets[doc])
    rows = slice(int(blocks.doc_start[doc]), int(blocks.doc_start[doc + 1]))
    spans = zip((blocks.start[rows] - origin).tolist(), (blocks.end[rows] - origin).tolist(), strict=True)
    return [each for each in spans if span[0] <= each[0] and each[1] <= span[1]]
