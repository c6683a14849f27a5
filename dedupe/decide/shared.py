"""Take in passages that other documents have; by default they are listed, on request whole blocks of them go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dedupe.config import Config
from dedupe.decide.page import Page
from dedupe.records import Decision, Finding

_RULE = "shared-passage"
_MAX_GONE_FRACTION = 0.5  # notices and footers that go as boilerplate are not told again


def shared_passages(page: Page) -> list[Finding]:
    """Give the findings of other documents about this one."""
    return list(page.seen.outside[page.doc]) if page.seen.outside else []


def may_go(finding: Finding, row: int | None, config: Config) -> bool:
    """Say whether a finding may be acted on: a shared passage only on request, and only whole blocks of it."""
    return finding.rule != _RULE or (config.shared_passages == "keep-first" and row is not None)


def is_told(finding: Finding, removed: Iterable[Finding]) -> bool:
    """Say whether a shared passage that stays is worth a line: most of it is still there."""
    if finding.rule != _RULE:
        return False
    start, end = finding.span
    gone = sum(max(0, min(end, other.span[1]) - max(start, other.span[0])) for other in removed)
    return gone <= _MAX_GONE_FRACTION * (end - start)


def listed(findings: Sequence[Finding]) -> Decision:
    """Let everything stay that was found, each passage told once by each rule: a rule may be asked twice."""
    latest = {(finding.span, finding.rule): finding for finding in findings}.values()
    return Decision((), tuple(sorted(latest, key=lambda finding: finding.span)))
