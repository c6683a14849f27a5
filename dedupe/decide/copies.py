"""Weigh repeated blocks: equal, nearly equal, and equal but for a number."""

from __future__ import annotations

from itertools import pairwise

from msgspec import Struct
from rapidfuzz.distance import Indel

from dedupe.decide.page import NEARBY_BLOCKS, Page, propose
from dedupe.decide.weights import confidence, evidence
from dedupe.records import Evidence, Finding

_LONG_LETTERS, _LONG_TOKENS = 120, 15
_SENTENCE_LETTERS, _SENTENCE_TOKENS = 60, 9
_TINY_LETTERS, _HEADLINE_LETTERS, _LONG_HEADLINE_LETTERS = 12, 18, 30
_MIN_PROSE_FRACTION = 0.4
_HEAD_BLOCKS = 3
_NEAR_MEMBERS = 8
_MAX_NUMBERED = 100  # longer runs of numbered lines are data, not captions
_LEAST_LOG_ODDS = -1.4  # a confidence of .2: fainter repeats are coincidence and not listed
MOST_ALIKE = 5000  # a text with more lines that are nearly alike is data, and stays
_LISTED_NEAR = 0.1
_MOST_IN_COMMON = 8.8  # a long headline copied side by side at the head of a page under a cue, beside prose
_RULE = "repeated-block"
_MAX_SIMILAR_TOKENS = 400


class _Group(Struct, frozen=True):
    """Hold the equal blocks of a document and the evidence that holds for all of them."""

    rows: list[int]
    keeper: int
    is_long: bool
    is_long_headline: bool
    heads: bool
    reasons: tuple[Evidence, ...]
    structural: bool

    def most(self) -> float:
        """Bound the log-odds of any copy from above."""
        best = sum(evidence(_RULE, name).weight for name in ("adjacent-copy", "prose-nearby", "under-cue"))
        return sum(reason.weight for reason in self.reasons) + best


def equal_copies(page: Page, gone: set[int]) -> list[Finding]:
    """Propose every block that equals an earlier one which is still there; the first of them stays.

    Where the first stands under an "Also read:" cue it is the one proposed, against the next.
    """
    copies: dict[int, list[int]] = {}
    for row, other in page.copies:
        copies.setdefault(other, [other]).append(row)
    left = ([row for row in rows if row not in gone] for rows in copies.values())
    little_prose = page.prose_fraction < _MIN_PROSE_FRACTION
    groups = {
        rows[0]: rows for rows in left if len(rows) > 1 and not (little_prose and page.size(rows[0]) < _TINY_LETTERS)
    }
    structure = _structures({first: rows for first, rows in groups.items() if not _has_neighbors(page, rows)})
    found = []
    for rows in groups.values():
        keeper = next((row for row in rows if not page.under_cue(row)), rows[0])
        group = _group(page, rows, keeper, structure)
        if group.most() < _LEAST_LOG_ODDS:
            continue
        for row in rows:
            if row != keeper:
                found.append(propose(page, _RULE, row, _copy_evidence(page, row, group), keeper, 1.0, 1.0))
    return found


def _structures(groups: dict[int, list[int]]) -> set[int]:
    """Name the groups whose copies alternate with those of another: "Pros", "Cons", "Pros", "Cons".

    Copies alternate when another group has a member between two of this one and one after; only the eight
    nearest on either side are looked at, which keeps this linear.
    """
    members = sorted((row, first) for first, rows in groups.items() for row in rows)
    last_of: dict[int, int] = {}
    alternating: set[int] = set()
    for at, (_, first) in enumerate(members):
        if first in last_of:
            since = max(last_of[first] + 1, at - _NEAR_MEMBERS)
            between = {group for _, group in members[since:at] if group != first}
            later = {group for _, group in members[at + 1:at + 1 + _NEAR_MEMBERS]} if between else set()
            if between & later:
                alternating |= {first} | (between & later)
        last_of[first] = at
    return alternating


def _has_neighbors(page: Page, rows: list[int]) -> bool:
    """Say whether two copies stand side by side, as scrapers put them and structures never do."""
    return any(_adjacent(page, later, earlier) for earlier, later in pairwise(rows))


def _group(page: Page, rows: list[int], keeper: int, structure: set[int]) -> _Group:
    """Gather the evidence that is the same for every copy of a block."""
    row, size = rows[-1], page.letters(rows[-1])
    is_long = size >= _LONG_LETTERS and page.num_tokens(row) >= _LONG_TOKENS
    is_sentence = page.ends_sentence(row) or page.is_quoted(row)
    is_headline = not is_long and not is_sentence and size >= _HEADLINE_LETTERS
    little_prose = page.prose_fraction < _MIN_PROSE_FRACTION
    heads = is_headline and not little_prose and _heads(page, keeper)
    whole = size >= _SENTENCE_LETTERS and page.num_tokens(row) >= _SENTENCE_TOKENS
    apart = 0 if is_long else sum(not _adjacent(page, later, earlier) for earlier, later in pairwise(rows))
    structural = (rows[0] in structure and (len(structure) > 2 or not heads)) or (apart >= 2 and not heads)
    tests = (
        ("base", True, 1.0),
        ("long-copy", is_long, size),
        ("whole-sentence-copy", not is_long and is_sentence and whole, size),
        ("sentence-copy", not is_long and is_sentence and not whole, size),
        ("headline-copy", is_headline, size),
        ("long-headline-copy", is_headline and size >= _LONG_HEADLINE_LETTERS, size),
        ("short-copy", not is_sentence and _TINY_LETTERS <= size < _HEADLINE_LETTERS, size),
        ("tiny-copy", not is_sentence and size < _TINY_LETTERS, size),
        ("heads-document", heads, 1.0),
        ("little-prose", little_prose, page.prose_fraction),
        ("marked-line", not is_long and page.is_marked_line(row), 1.0),
        ("table-or-code", page.is_table_or_code(row), 1.0),
    )
    reasons = tuple(evidence(_RULE, name, value) for name, holds, value in tests if holds)
    is_long_headline = is_headline and size >= _LONG_HEADLINE_LETTERS
    return _Group(rows, keeper, is_long, is_long_headline, heads, reasons, structural)


def _copy_evidence(page: Page, row: int, group: _Group) -> list[Evidence]:
    """Add what holds for one copy to the evidence of its group."""
    adjacent = _adjacent(page, row, group.keeper)
    distance = page.prose_distance(row)
    tests = (
        ("adjacent-copy", adjacent, 1.0),
        ("prose-nearby", distance <= NEARBY_BLOCKS, distance),
        ("no-prose-nearby", distance > NEARBY_BLOCKS, distance),
        ("under-cue", page.under_cue(row) or page.under_cue(group.keeper), 1.0),
        ("recurring-heading", not group.is_long and not adjacent and group.structural, len(group.rows)),
        (
            "line-of-verse",
            not group.is_long and not (group.heads and group.is_long_headline) and page.in_stanza(row),
            1.0,
        ),
    )
    return [*group.reasons, *(evidence(_RULE, name, value) for name, holds, value in tests if holds)]


def _heads(page: Page, row: int) -> bool:
    return row - page.low < _HEAD_BLOCKS


def _adjacent(page: Page, row: int, other: int) -> bool:
    """Say whether nothing but copies of the same block stands between two blocks."""
    low, high = sorted((row, other))
    if high - low > 8:
        return False
    same = page.first(row)
    return all(page.first(between) == same or page.size(between) == 0 for between in range(low + 1, high))


def near_copies(page: Page, gone: set[int], pairs: list[tuple[int, int, float]]) -> list[Finding]:
    """Propose short blocks that nearly equal an earlier one which is still there."""
    stands_for = _first_left(page, gone)
    best: dict[int, tuple[float, int]] = {}
    for one, two, resemblance in pairs:
        other, row = sorted((stands_for.get(one, one), stands_for.get(two, two)))
        if row not in gone and other not in gone:
            best[row] = max(best.get(row, (0.0, 0)), (resemblance, -other))
    found: list[Finding] = []
    if len(best) > MOST_ALIKE:
        return found
    for row, (resemblance, negated) in sorted(best.items()):
        reasons = _near_evidence(page, row, -negated, resemblance)
        if reasons and confidence(reasons) >= _LISTED_NEAR:
            containment = 1.0 if resemblance == 1.0 else None
            found.append(propose(page, "near-repeated-block", row, reasons, -negated, resemblance, containment))
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
    """Weigh a pair; nothing where it could not be listed whatever else there is."""
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
    if sum(reason.weight for reason in reasons) + _MOST_IN_COMMON < _LEAST_LOG_ODDS - 1:
        return []
    common = _copy_evidence(page, row, _group(page, [other, row], other, set()))
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
        run = [row for at, row in enumerate(members) if row - members[0] == at]
        for row in run[1:] if len(run) <= _MAX_NUMBERED else ():
            reasons = _numbered_evidence(page, row, run)
            if confidence(reasons) >= 0.1:
                found.append(propose(page, _RULE, row, reasons, run[0]))
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
    common = _group(page, [row], run[0], set()).reasons
    return reasons + [reason for reason in common if reason.name in shared]
