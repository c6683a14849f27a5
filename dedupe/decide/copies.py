"""Weigh repeated blocks: equal, nearly equal, and equal but for a number."""

from __future__ import annotations

from itertools import pairwise

from rapidfuzz.distance import Indel

from dedupe.decide.page import NEARBY_BLOCKS, Page
from dedupe.decide.weights import confidence, evidence
from dedupe.records import Evidence, Finding

_LONG_LETTERS, _LONG_TOKENS = 120, 15
_SENTENCE_LETTERS, _SENTENCE_TOKENS = 60, 9
_TINY_LETTERS, _HEADLINE_LETTERS, _LONG_HEADLINE_LETTERS = 12, 18, 30
_MIN_PROSE_FRACTION = 0.4
_HEAD_BLOCKS = 3
_MAX_SIMILAR_TOKENS = 400


def equal_copies(page: Page, gone: set[int]) -> list[Finding]:
    """Propose every block that equals an earlier one which is still there; the first of them stays.

    Where the first stands under an "Also read:" cue it is the one proposed, against the next.
    """
    copies: dict[int, list[int]] = {}
    first = page.seen.first[page.low:page.high].tolist()
    for row, other in zip(page.rows, first, strict=True):
        if other >= 0 and other != row:
            copies.setdefault(other, [other]).append(row)
    left = ([row for row in rows if row not in gone] for rows in copies.values())
    groups = {rows[0]: rows for rows in left if len(rows) > 1}
    structure = _structures({first: rows for first, rows in groups.items() if not _has_neighbors(page, rows)})
    found = []
    for rows in groups.values():
        keeper = _keeper(page, rows)
        for row in rows:
            if row != keeper:
                reasons = _equal_evidence(page, row, keeper, rows, structure)
                found.append(_finding(page, "repeated-block", row, keeper, reasons, 1.0))
    return found


def _keeper(page: Page, rows: list[int]) -> int:
    return next((row for row in rows if not page.under_cue(row)), rows[0])


def _structures(groups: dict[int, list[int]]) -> set[int]:
    """Name the groups whose copies alternate with those of another: "Pros", "Cons", "Pros", "Cons".

    Copies alternate when another group has a member in each of two gaps between members of this one, or
    in a gap and after it; a sorted sweep over all members keeps this linear.
    """
    members = sorted((row, first) for first, rows in groups.items() for row in rows)
    last_of: dict[int, int] = {}
    alternating: set[int] = set()
    previous: list[tuple[int, int]] = []
    for at, (_, first) in enumerate(members):
        if first in last_of:
            between = {group for _, group in previous[last_of[first] + 1:][-8:] if group != first}
            later = {group for _, group in members[at + 1:at + 9]} if between else set()
            if between & later:
                alternating |= {first} | (between & later)
        last_of[first] = at
        previous.append((at, first))
    return alternating


def _has_neighbors(page: Page, rows: list[int]) -> bool:
    """Say whether two copies stand side by side, as scrapers put them and structures never do."""
    return any(_adjacent(page, later, earlier) for earlier, later in pairwise(rows))


def _equal_evidence(
    page: Page, row: int, keeper: int, rows: list[int], structure: set[int]
) -> list[Evidence]:
    rule, size = "repeated-block", page.letters(row)
    reasons = [evidence(rule, "base")]

    def add(name: str, holds: bool, value: float = 1.0, note: str = "") -> None:
        if holds:
            reasons.append(evidence(rule, name, value, note))

    is_long = size >= _LONG_LETTERS and page.num_tokens(row) >= _LONG_TOKENS
    is_sentence = page.ends_sentence(row) or page.is_quoted(row)
    is_headline = not is_long and not is_sentence and size >= _HEADLINE_LETTERS
    little_prose = page.prose_fraction < _MIN_PROSE_FRACTION
    heads = is_headline and not little_prose and _heads(page, keeper)
    adjacent = _adjacent(page, row, keeper)
    if is_long:
        add("long-copy", True, size, "letters")
    elif is_sentence:
        whole = size >= _SENTENCE_LETTERS and page.num_tokens(row) >= _SENTENCE_TOKENS
        add("whole-sentence-copy" if whole else "sentence-copy", True, size, "letters")
    elif is_headline:
        add("headline-copy", True, size, "letters")
        add("long-headline-copy", size >= _LONG_HEADLINE_LETTERS, size)
    else:
        add("short-copy" if size >= _TINY_LETTERS else "tiny-copy", True, size, "letters")
    add("adjacent-copy", adjacent)
    add("heads-document", heads)
    distance = page.prose_distance(row)
    add("prose-nearby" if distance <= NEARBY_BLOCKS else "no-prose-nearby", True, distance, "blocks away")
    add("little-prose", little_prose, page.prose_fraction)
    add("under-cue", page.under_cue(row) or page.under_cue(keeper))
    add("marked-line", not is_long and page.is_marked_line(row))
    add("table-or-code", page.is_table_or_code(row))
    apart = sum(not _adjacent(page, later, earlier) for earlier, later in pairwise(rows))
    structural = (rows[0] in structure and (len(structure) > 2 or not heads)) or (apart >= 2 and not heads)
    add("recurring-heading", not is_long and not adjacent and structural, len(rows), "copies")
    add("line-of-verse", not is_long and not (heads and size >= _LONG_HEADLINE_LETTERS) and page.in_stanza(row))
    return reasons


def _heads(page: Page, row: int) -> bool:
    return row - page.low < _HEAD_BLOCKS


def _adjacent(page: Page, row: int, other: int) -> bool:
    """Say whether nothing but copies of the same block stands between two blocks."""
    low, high = sorted((row, other))
    if high - low > 8:
        return False
    first = page.seen.first
    return all(first[between] == first[row] or page.size(between) == 0 for between in range(low + 1, high))


def near_copies(page: Page, gone: set[int], pairs: list[tuple[int, int, float]]) -> list[Finding]:
    """Propose short blocks that nearly equal an earlier one which is still there."""
    found = []
    stands_for = _first_left(page, gone)
    for one, two, resemblance in pairs:
        other, row = sorted((stands_for.get(one, one), stands_for.get(two, two)))
        if row in gone or other in gone:
            continue
        reasons = _near_evidence(page, row, other, resemblance)
        if confidence(reasons) >= 0.1:
            found.append(_finding(page, "near-repeated-block", row, other, reasons, resemblance))
    return found


def _first_left(page: Page, gone: set[int]) -> dict[int, int]:
    """Point blocks that are gone to the first equal one that is still there; pairs name only first copies."""
    first, left = page.seen.first, dict[int, int]()
    for row in page.rows if gone else ():
        original = int(first[row])
        if original in gone and row not in gone:
            left.setdefault(original, row)
    return left


def _near_evidence(page: Page, row: int, other: int, resemblance: float) -> list[Evidence]:
    rule = "near-repeated-block"
    tokens, kept = page.tokens(row)[:_MAX_SIMILAR_TOKENS], page.tokens(other)[:_MAX_SIMILAR_TOKENS]
    lost = len(set(tokens) - set(kept))
    digits = any(token.isdigit() for token in set(tokens) ^ set(kept))
    reads = page.ends_sentence(row) or page.is_prose(row)
    if reads:  # "close the upper, raise the lower" has the words of "close the lower, raise the upper"
        lost = max(lost, Indel.distance(tokens, kept) // 2)
    # Sets of shingles do not see that two clauses changed places; the common subsequence does.
    resemblance = min(resemblance, Indel.normalized_similarity(page.stream(row), page.stream(other)))
    alike = (
        evidence(rule, "long-resemblance", resemblance, times=(resemblance - 0.9) / 0.1)
        if reads
        else evidence(rule, "resemblance", resemblance, times=(resemblance - 0.7) / 0.3)
    )
    reasons = [
        evidence(rule, "base"),
        alike,
        evidence(rule, "word-lost", lost, times=lost) if lost else evidence(rule, "no-word-lost"),
    ]
    if digits:
        reasons.append(evidence(rule, "differs-in-digits"))
    common = _equal_evidence(page, row, other, [other, row], set())
    not_for_near = {"base", "long-copy", "whole-sentence-copy"}
    return reasons + [reason for reason in common if reason.name not in not_for_near]


def numbered_captions(page: Page, gone: set[int]) -> list[Finding]:
    """Propose lines in a row that differ in nothing but a number; the first of them stays."""
    masked = page.seen.first_masked
    rows = [row for row in page.rows if masked[row] >= 0 and row not in gone]
    groups: dict[int, list[int]] = {}
    for row in rows:
        groups.setdefault(int(masked[row]), []).append(row)
    found = []
    for members in groups.values():
        run = [row for row in members if row - members[0] == members.index(row)] if len(members) < 200 else []
        for row in run[1:]:
            reasons = _numbered_evidence(page, row, run)
            if confidence(reasons) >= 0.1:
                found.append(_finding(page, "repeated-block", row, run[0], reasons, None))
    return found


def _numbered_evidence(page: Page, row: int, run: list[int]) -> list[Evidence]:
    rule = "numbered-caption"
    words = b"".join(token for token in page.tokens(row) if not token.isdigit())
    elsewhere = sum(headline.startswith(words) for other, headline in page.headline_streams if other not in run)
    few = page.num_tokens(row) < 4 or page.letters(row) < 15
    tests = (
        ("base", True, 1.0),
        ("numbered-run", len(run) >= 3, len(run)),
        ("adjacent-copy", True, 1.0),
        ("after-prose", not page.prose_after(row) and len(page.prose_rows) > 0, 1.0),
        ("words-elsewhere", elsewhere > 0, elsewhere),
        ("few-words", few, page.num_tokens(row)),
    )
    reasons = [evidence(rule, name, value) for name, holds, value in tests if holds]
    shared = {"little-prose", "marked-line", "table-or-code"}
    common = _equal_evidence(page, row, run[0], run[:1], set())
    return reasons + [reason for reason in common if reason.name in shared]


def _finding(
    page: Page, rule: str, row: int, keeper: int, reasons: list[Evidence], resemblance: float | None
) -> Finding:
    return Finding(
        span=page.span(row),
        rule=rule,
        confidence=confidence(reasons),
        evidence=tuple(reasons),
        removed=False,
        kept=(None, page.span(keeper)),
        resemblance=resemblance,
        containment=1.0 if resemblance == 1.0 else None,
    )
