"""Ask the rules in order, settle what goes, and hold back where a document would lose its prose."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import regex
from msgspec.structs import replace

from dedupe.config import Config
from dedupe.decide.consent import consent_notices, rows_about_cookies
from dedupe.decide.copies import equal_copies, near_copies, numbered_captions
from dedupe.decide.credits import credited_rows, picture_credits
from dedupe.decide.definitions import unused_definitions
from dedupe.decide.excerpts import doubled_text, excerpts
from dedupe.decide.marks import continuations, cued_blocks, debris, scripts, shapes
from dedupe.decide.page import SURE, Page, SourceMap
from dedupe.decide.quiet import has_candidates
from dedupe.decide.recurring import recurring_blocks
from dedupe.decide.shared import is_told, listed, may_go, shared_passages
from dedupe.decide.stamps import stamped_rows, stamps
from dedupe.records import Decision, Doubled, Finding, Observed

MAX_PROSE_LOST_FRACTION = 0.5
_WHOLE_DUPLICATES = {"repeated-block", "near-repeated-block", "excerpt", "doubled"}
_LEAST_RUNS_FRACTION = 0.3  # of a block's stream in exact runs; small edits between them may make it an excerpt
_LISTED_CONFIDENCE = 0.2  # repeats below this are coincidence, not worth a line in the report


def decide(seen: Observed, config: Config, source_map: SourceMap) -> list[Decision]:
    """Decide for every document of a batch; `source_map` maps a block's stream to its bytes."""
    forms = _Forms(seen) if config.least_confidence < SURE else None  # what is found by form alone is never surer
    others = forms.rows() if forms else []
    candidates = has_candidates(seen, config.least_confidence, others).tolist()
    near = sorted(zip(seen.near.block.tolist(), seen.near.other.tolist(), seen.near.resemblance.tolist(), strict=True))
    lists = _ByDocument(seen, near, forms)
    nothing = Decision((), ())
    decisions = []
    for doc, passages in enumerate(seen.outside or ((),) * len(seen.texts)):
        if candidates[doc] or (passages and config.shared_passages == "keep-first"):
            decisions.append(_decide_one(Page(seen, doc, source_map), lists, config))
        else:
            decisions.append(listed(passages) if passages else nothing)
    return decisions


class _Forms:
    """Hold the rows of a batch that end in the credit of a picture, say a time, or speak of cookies."""

    def __init__(self, seen: Observed) -> None:
        self._credits = credited_rows(seen)
        self._captions = [row for row, _ in self._credits]
        self._stamped = stamped_rows(seen)
        self._about_cookies = rows_about_cookies(seen)

    def rows(self) -> list[int]:
        return self._captions + self._stamped + self._about_cookies

    def findings(self, page: Page, removed: dict[int, Finding]) -> Iterator[list[Finding]]:
        """Ask what the rows of one document come to."""
        yield picture_credits(page, set(removed), self._credits[_part(self._captions, page)])
        yield stamps(page, set(removed), self._stamped[_part(self._stamped, page)])
        yield consent_notices(page, set(removed), self._about_cookies[_part(self._about_cookies, page)])


def _part(rows: list[int], page: Page) -> slice:
    return slice(bisect_left(rows, page.low), bisect_left(rows, page.high))


class _ByDocument:
    """Cut the batch's lists of pairs, runs and doubled blocks into those of one document."""

    def __init__(self, seen: Observed, near: list[tuple[int, int, float]], forms: _Forms | None) -> None:
        self.forms = forms
        self._near, self._near_rows = near, [pair[0] for pair in near]
        self._runs = seen.runs
        self._doubled, self._doubled_rows = seen.doubled, [each.block for each in seen.doubled]
        self._starts = seen.blocks.stream_start

    def near(self, page: Page) -> list[tuple[int, int, float]]:
        return self._near[bisect_left(self._near_rows, page.low):bisect_left(self._near_rows, page.high)]

    def doubled(self, page: Page) -> list[Doubled]:
        rows = self._doubled_rows
        return list(self._doubled[bisect_left(rows, page.low):bisect_right(rows, page.high - 1)])

    def runs(self, page: Page) -> list[tuple[int, int, int, int, int]]:
        """List the runs of pairs that share enough for one to be an excerpt of the other."""
        low, high = np.searchsorted(self._runs.block, (page.low, page.high))
        rows, others, sizes = self._runs.block[low:high], self._runs.other[low:high], self._runs.size[low:high]
        if not len(rows):
            return []
        first = np.ones(len(rows), np.bool_)
        first[1:] = (np.diff(rows) != 0) | (np.diff(others) != 0)
        begins = np.flatnonzero(first)
        total = np.add.reduceat(sizes, begins)
        enough = total >= _LEAST_RUNS_FRACTION * np.diff(self._starts)[rows[begins]]
        keep = np.flatnonzero(np.repeat(enough, np.diff(np.append(begins, len(rows)))))
        rows, others = rows[keep], others[keep]
        starts = self._runs.start[low:high][keep] - self._starts[rows]
        other_starts = self._runs.other_start[low:high][keep] - self._starts[others]
        columns = (rows, others, starts, other_starts, sizes[keep])
        return list(zip(*(column.tolist() for column in columns), strict=True))


def _decide_one(page: Page, lists: _ByDocument, config: Config) -> Decision:
    if not page.rows:
        return Decision((), ())
    decision, removed = _settle(page, lists, config)
    if not _loses_prose(page, removed):
        return decision
    if page.is_page and config.least_confidence < SURE:  # who asks for more gets the document as it was
        spared, removed = _settle(page, lists, config, spares_prose=True)
        if not _loses_prose(page, removed):
            return Decision(spared.removed, spared.kept, guarded=True)
    held = sorted((*decision.removed, *decision.kept), key=_place)
    return Decision((), tuple(held), guarded=True)


def _settle(
    page: Page, lists: _ByDocument, config: Config, spares_prose: bool = False
) -> tuple[Decision, dict[int, Finding]]:
    """Take the findings in order and choose what goes; `spares_prose`: of what holds sentences only copies."""
    row_of = page.row_of
    protected = _patterns(config.protect + (page.seen.protect[page.doc] if page.seen.protect else ()))
    removed: dict[int, Finding] = {}
    kept: list[Finding] = []
    cited: set[int] = set()
    for findings in _proposals(page, lists, removed, config.least_confidence):
        for finding in findings:
            row = row_of.get(finding.span)
            keeper = row_of.get(finding.kept[1]) if finding.kept else None
            goes = finding.confidence >= config.least_confidence and (row is None or row not in cited)
            if goes and protected and any(pattern.search(page.text_of(finding.span)) for pattern in protected):
                goes = False
            if goes and page.seen.keeps:
                goes = (row_of[_block_of(page, finding)] if row is None else row) not in page.seen.keeps
            goes = goes and may_go(finding, row, config)
            if spares_prose and row is not None and finding.rule not in _WHOLE_DUPLICATES and page.has_sentences(row):
                goes = False
            if row is not None and row in removed:
                continue
            if goes and (keeper is None or keeper not in removed):
                at = row if row is not None else row_of[_block_of(page, finding)]
                removed[at] = finding
                if keeper is not None:
                    cited.add(keeper)
            elif finding.rule == "excerpt" or _is_listed(finding) or is_told(finding, removed.values()):
                kept.append(finding)
    gone = {finding.span for finding in removed.values()}
    stays = listed([finding for finding in kept if finding.span not in gone])
    return replace(stays, removed=tuple(sorted(removed.values(), key=_place))), removed


def _proposals(
    page: Page, lists: _ByDocument, removed: dict[int, Finding], least_confidence: float
) -> Iterator[list[Finding]]:
    """Ask rule after rule; each sees what the rules before it took away."""
    yield cued_blocks(page)
    yield continuations(page, set(removed))
    yield recurring_blocks(page)
    yield equal_copies(page, set(removed))
    yield excerpts(page, set(removed), lists.runs(page))
    yield near_copies(page, set(removed), lists.near(page))
    yield numbered_captions(page, set(removed))
    yield doubled_text(page, set(removed), lists.doubled(page))
    yield debris(page, set(removed), least_confidence)
    yield scripts(page, set(removed))
    yield shapes(page, set(removed))
    if lists.forms:
        yield from lists.forms.findings(page, removed)
    yield equal_copies(page, set(removed))  # what stood between copies may be gone by now
    yield unused_definitions(page, removed)
    yield shared_passages(page)


@lru_cache(maxsize=256)
def _patterns(protect: tuple[str, ...]) -> tuple[regex.Pattern[str], ...]:
    return tuple(regex.compile(pattern) for pattern in protect)


def _is_listed(finding: Finding) -> bool:
    return finding.rule in _WHOLE_DUPLICATES and finding.confidence >= _LISTED_CONFIDENCE


def _block_of(page: Page, finding: Finding) -> tuple[int, int]:
    """Find the block that holds the span of a finding."""
    starts = page.seen.blocks.start[page.low:page.high] - page.origin
    row = page.low + int(np.searchsorted(starts, finding.span[0], side="right")) - 1
    return page.span(row)


def _place(finding: Finding) -> tuple[int, int]:
    return finding.span


def _loses_prose(page: Page, removed: dict[int, Finding]) -> bool:
    """Say whether more than half of the words in prose would go, whole duplicates apart.

    Prose holds whole sentences here: teasers that are cut off, and long headlines, are none. Notices of the site
    are not the document's own prose, unless nothing else is left of it.
    """
    gone = {row: page.num_tokens(row) for row in removed if page.has_sentences(row)}
    if not gone:
        return False
    total = sum(page.num_tokens(row) for row in page.prose_rows if page.has_sentences(row))
    notices = sum(size for row, size in gone.items() if removed[row].rule == "site-boilerplate")
    lost = sum(
        size for row, size in gone.items() if removed[row].rule not in _WHOLE_DUPLICATES | {"site-boilerplate"}
    )
    return lost > MAX_PROSE_LOST_FRACTION * (total - notices) or 0 < total == notices
