"""Let what people decided overrule what the rules decided about a document; their word wins over the guard too.

    accept   the passage goes, however weak its evidence
    reject   it stays, and is listed among what stays
    swap     it stays, and the copy it repeats goes; of several repeats of one copy the first is the one that stays

A passage that overlaps one that stays is not taken either. This module sees spans only; which decision holds for a
finding is worked out by the caller, who knows fingerprints.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from dedupe.decisions import Decision as Line
from dedupe.records import Decision, Evidence, Finding, Span

Said: TypeAlias = Sequence[Line | None]
EVIDENCE = "decision: "  # how the names of evidence begin that tell of a decision; the verdict follows


_CERTAIN = 20.0  # log-odds that no other evidence reaches
_WORDS = {"accept": "accepted", "reject": "rejected", "swap": "swapped"}


def overrule(decision: Decision, said: Said) -> Decision:
    """Change a decision where people said otherwise.

    `said`: the line that holds for each of `(*decision.removed, *decision.kept)`, None where there is none.

    >>> weak = Finding((0, 4), "excerpt", 0.3, ())
    >>> overrule(Decision((), (weak,)), [Line(verdict="accept", fingerprint="p1:aa")]).removed[0].confidence
    1.0
    """
    found = list(zip((*decision.removed, *decision.kept), said, strict=True))
    stays, swapped = _staying(found)
    wanted = [_marked(finding, line, sure=True) for finding, line in _accepted(found)]
    plain = [finding for finding, line in found[:len(decision.removed)] if line is None or line.verdict == "defer"]
    held = _Spans(finding.span for finding in stays)
    goes, listed = _Spans(()), list(stays)
    removed = []
    for finding in (*swapped, *wanted, *plain):
        if held.meets(finding.span):
            reason = Evidence(f"{EVIDENCE}reject", -_CERTAIN, 1.0, "overlaps a passage that people keep")
            listed.append(replace(finding, evidence=(*finding.evidence, reason)))
        elif not goes.meets(finding.span):
            goes.add(finding.span)
            removed.append(finding)
    undecided = [finding for finding, line in found[len(decision.removed):] if line is None or line.verdict == "defer"]
    listed += [finding for finding in undecided if not goes.has(finding.span)]
    return Decision(tuple(sorted(removed, key=_place)), tuple(sorted(listed, key=_place)), decision.guarded)


def is_decided(evidence: Iterable[Evidence]) -> bool:
    """Tell by the evidence for a finding or a removal whether people decided about it."""
    return any(reason.name.startswith(EVIDENCE) for reason in evidence)


def _accepted(found: Sequence[tuple[Finding, Line | None]]) -> list[tuple[Finding, Line]]:
    """Give what was accepted, the surest first: of two findings about one span the first is made."""
    accepted = [(finding, line) for finding, line in found if line is not None and line.verdict == "accept"]
    return sorted(accepted, key=lambda pair: (-pair[0].confidence, pair[0].span))


def _staying(found: Sequence[tuple[Finding, Line | None]]) -> tuple[list[Finding], list[Finding]]:
    """Give what stays by decision, and the copies that go in its place."""
    said = [(finding, line) for finding, line in found if line is not None]
    stays = [_marked(finding, line) for finding, line in said if line.verdict == "reject"]
    rejected, gone = _Spans(finding.span for finding in stays), _Spans(())
    goes: list[Finding] = []
    stayed: dict[Span, Span] = {}  # by the copy that went, the repeat that stays for it
    for finding, line in sorted((pair for pair in said if pair[1].verdict == "swap"), key=lambda pair: pair[0].span):
        copy = finding.kept[1] if finding.kept is not None and finding.kept[0] is None else None
        if gone.meets(finding.span):
            continue  # it went as the copy of another, or is a repeat of a repeat that stays
        if copy is None or rejected.meets(copy):
            stays.append(_marked(finding, line, "the other copy stays too"))
        elif copy in stayed:
            goes.append(_marked(replace(finding, kept=(None, stayed[copy])), line, sure=True))
            gone.add(finding.span)
        else:
            other = replace(finding, span=copy, kept=(None, finding.span), containment=None)
            goes.append(_marked(other, line, sure=True))
            stays.append(_marked(finding, line))
            gone.add(copy)
            stayed[copy] = finding.span
    return stays, goes


def _marked(finding: Finding, line: Line, note: str = "", sure: bool = False) -> Finding:
    """Add the decision to a finding's evidence."""
    said = f"{_WORDS[line.verdict]} by people, scope {line.scope}" + (f"; {note}" if note else "")
    reason = Evidence(f"{EVIDENCE}{line.verdict}", _CERTAIN if sure else -_CERTAIN, 1.0, said)
    confidence = 1.0 if sure else finding.confidence
    return replace(finding, confidence=confidence, evidence=(*finding.evidence, reason))


def _place(finding: Finding) -> Span:
    return finding.span


class _Spans:
    """Hold spans and tell whether another meets one of them."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans: list[Span] = []
        self._longest = 0
        for span in spans:
            self.add(span)

    def add(self, span: Span) -> None:
        insort(self._spans, span)
        self._longest = max(self._longest, span[1] - span[0])

    def has(self, span: Span) -> bool:
        at = bisect_left(self._spans, span)
        return at < len(self._spans) and self._spans[at] == span

    def meets(self, span: Span) -> bool:
        """Tell whether a span has bytes in common with one of these."""
        at = bisect_left(self._spans, (span[0] - self._longest, 0))
        while at < len(self._spans) and self._spans[at][0] < span[1]:
            if self._spans[at][1] > span[0]:
                return True
            at += 1
        return False
