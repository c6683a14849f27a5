"""Name what a round found as the ledger will, so that people's decisions find it.

A decision knows a passage by its fingerprint, and perhaps by the id of one removal. Both are of the original: spans are
carried back through the cuts of earlier rounds. Documents without a passage that anybody decided on cost a look-up a
finding.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from dedupe.clean import Layout, Places, WordsOf, cut_blocks, line_starts, removal_id, without
from dedupe.decide import overrule
from dedupe.decisions import Asked, Decisions, passage_fingerprint
from dedupe.decisions import Decision as Line
from dedupe.draft import Draft
from dedupe.normalize import canonical_many
from dedupe.records import Decision, Finding, Span


def heard(
    drafts: Sequence[Draft], blocks: Sequence[Sequence[Span]], decided: Sequence[Decision], people: Decisions,
    words_of: WordsOf,
) -> list[Decision]:
    """Overrule the decisions of a round where people said otherwise.

    `blocks`: spans of each draft's blocks in its present text. `words_of`: as `dedupe.clean.apply` takes it.
    """
    findings = [(*decision.removed, *decision.kept) for decision in decided]
    backs = [draft.back() if found else None for draft, found in zip(drafts, findings, strict=True)]
    passages = []
    for draft, back, found in zip(drafts, backs, findings, strict=True):
        if back is not None:
            passages += [draft.document.utf8[slice(*back.span(finding.span))] for finding in found]
    names_left = iter(_fingerprints(passages))
    result = list[Decision]()
    for draft, spans, decision, found in zip(drafts, blocks, decided, findings, strict=True):
        names = [next(names_left) for _ in found]
        if any(name in people for name in names):
            decision = overrule(decision, _Hearing(draft, spans, decision, people, words_of).lines(names))
        result.append(decision)
    return result


def _fingerprints(passages: Sequence[bytes]) -> list[str]:
    if not passages:
        return []
    blocks = canonical_many(passages)
    stream, bounds = blocks.stream.tobytes(), blocks.stream_start.tolist()
    return [passage_fingerprint(stream[bounds[at]:bounds[at + 1]], passage) for at, passage in enumerate(passages)]


class _Hearing:
    """Ask the decisions about one document's findings."""

    def __init__(
        self, draft: Draft, blocks: Sequence[Span], decision: Decision, people: Decisions, words_of: WordsOf
    ) -> None:
        self._draft, self._blocks, self._decision = draft, blocks, decision
        self._people, self._words_of = people, words_of
        self._layout = Layout(blocks, line_starts(draft.text))
        self._places = Places(draft.document)
        self._back = draft.back()

    def lines(self, names: Sequence[str]) -> list[Line | None]:
        """Give the line that holds for each finding, first those that go, then those that stay."""
        removed, kept = self._decision.removed, self._decision.kept
        lost = self._words_lost([name in self._people for name in names[:len(removed)]])
        held: list[Line | None] = []
        for number, (finding, name) in enumerate(zip((*removed, *kept), names, strict=True)):
            num_lost = lost[number] if number < len(removed) else 0  # as the ledger says of what stays
            held.append(self._line(finding, name, num_lost) if name in self._people else None)
        return held

    def _line(self, finding: Finding, name: str, num_words_lost: int) -> Line | None:
        wanted = {line.removal for line in self._people.about(name) if line.scope == "removal"}
        ids = [each for each in self._ids(finding) if each in wanted] if wanted else []
        document = self._draft.document
        alike = finding.resemblance
        if alike is not None:
            alike = max(round(alike, 4), round(alike, 3))  # the ledger has four digits, bounds made in reviews three
        return self._people.find(
            Asked(name, document.host or "", document.doc, ids[0] if ids else "", num_words_lost, alike)
        )

    def _words_lost(self, wanted: Sequence[bool]) -> list[int]:
        """Count the words that stand nowhere in what the rules would leave, for the removals wanted; others are 0."""
        removed = self._decision.removed
        if not any(wanted):
            return [0] * len(removed)
        cuts = cut_blocks(self._draft.text, self._layout, removed)
        left = without(self._draft.text, sorted(cut.span for cut in cuts))
        asked = [finding for finding, want in zip(removed, wanted, strict=True) if want]
        utf8 = self._draft.document.utf8
        counts = iter(self._words_of([utf8[slice(*self._back.span(finding.span))] for finding in asked], left))
        return [next(counts)[2] if want else 0 for want in wanted]

    def _ids(self, finding: Finding) -> list[str]:
        """Give every id a ledger may have for a finding: as one that stays, and cut out with or without others.

        The blank lines that go with a block depend on whether what follows goes as well, which decisions change.
        """
        row = next((row for row, span in enumerate(self._blocks) if span == finding.span), None)
        spans = {self._back.span(finding.span)}
        rest = [] if row is None else [replace(finding, span=span) for span in self._blocks[row:]]
        for removed in ([finding], rest):
            for cut in cut_blocks(self._draft.text, self._layout, removed)[:1]:
                spans.update(self._back.pieces(cut.span))
        return [removal_id(self._draft.document, self._places(span)) for span in sorted(spans)]
