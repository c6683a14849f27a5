"""Follow one document through the rounds of cleaning: its present text, and all cuts in the original.

A round decides on the present text; its spans are carried back through the cuts of the rounds before. A
span that an earlier cut lies inside of comes back in pieces.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from msgspec.structs import replace

from dedupe.clean import Cut, Layout, cut_blocks, line_starts, without
from dedupe.decide import is_decided
from dedupe.records import Decision, Document, Finding, Span


class Draft:
    """Hold a document, its text as it stands after the rounds so far, and what was found."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = document.utf8
        self.cuts: list[Cut] = []
        self.stays: tuple[Finding, ...] = ()
        self.guarded = False
        self.changed = False

    def back(self) -> Back:
        """Give the way back from the present text to the original."""
        return Back([cut.span for cut in self.cuts])

    def update(self, blocks: Sequence[Span], decision: Decision) -> None:
        """Take in a round's decision on the present text, whose blocks are given."""
        if not (decision.removed or decision.kept or decision.guarded or self.stays):  # most documents, most rounds
            self.changed = False
            return
        back = self.back()
        self.guarded |= decision.guarded
        stays = [back.finding(finding) for finding in decision.kept]
        known = {finding.span for finding in stays}
        held = [finding for finding in self.stays if _outlives(finding) and finding.span not in known]
        self.stays = tuple(sorted([*stays, *held], key=lambda finding: finding.span))
        self.changed = bool(decision.removed)
        if self.changed:
            layout = Layout(blocks, line_starts(self.text))
            cuts = cut_blocks(self.text, layout, decision.removed)
            moved = [Cut(back.finding(cut.finding), piece) for cut in cuts for piece in back.pieces(cut.span)]
            self.cuts = sorted([*self.cuts, *moved], key=lambda cut: cut.span)
            self.text = without(self.text, [cut.span for cut in cuts])

    def cited_cuts(self) -> list[Cut]:
        """Give all cuts, each citing a copy that is still there: where the cited one went later, its own."""
        if not self.cuts:
            return []
        starts = [cut.span[0] for cut in self.cuts]
        settled = (self._settle(cut.finding, starts) for cut in self.cuts)
        pairs = zip(self.cuts, settled, strict=True)
        return [cut if cut.finding is finding else Cut(finding, cut.span) for cut, finding in pairs]

    def _settle(self, finding: Finding, starts: list[int]) -> Finding:
        for _ in range(len(self.cuts)):
            if finding.kept is None or finding.kept[0] is not None:
                return finding
            at = bisect_right(starts, finding.kept[1][0]) - 1
            if at < 0 or self.cuts[at].span[1] <= finding.kept[1][0]:
                return finding
            later = self.cuts[at].finding.kept
            if later == finding.kept or later is None:
                return replace(finding, kept=None)
            finding = replace(finding, kept=later)
        return replace(finding, kept=None)


def _outlives(finding: Finding) -> bool:
    """Say whether a repeat that stays is told once for all rounds: what people or other documents said of it."""
    return is_decided(finding.evidence) or finding.kept_place is not None


class Back:
    """Carry spans of a cut text back to the original."""

    def __init__(self, spans: list[Span]) -> None:
        self._spans, self._starts = spans, [start for start, _ in spans]
        self._removed = [0]
        self._places = []
        for start, end in spans:
            self._places.append(start - self._removed[-1])
            self._removed.append(self._removed[-1] + end - start)

    def span(self, span: Span) -> Span:
        """Carry a span back; what was cut inside it is covered."""
        start = span[0] + self._removed[bisect_right(self._places, span[0])]
        end = span[1] + self._removed[bisect_left(self._places, span[1])]
        return start, max(start, end)

    def pieces(self, span: Span) -> list[Span]:
        """Carry a span back as the pieces of it that are still there."""
        start, end = self.span(span)
        inside = self._spans[bisect_right(self._starts, start):bisect_left(self._starts, end)]
        edges = [start, *(edge for cut in inside for edge in cut), end]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]

    def finding(self, finding: Finding) -> Finding:
        if not self._spans:
            return finding
        kept = finding.kept
        if kept is not None and kept[0] is None:
            kept = (None, self.span(kept[1]))
        return replace(finding, span=self.span(finding.span), kept=kept)
