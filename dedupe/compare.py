"""Compare two runs over the same documents: what went in one and not in the other.

A removal is the same in both runs where the same bytes of the same document went, whatever the rule. Both ledgers are
read side by side; where they list documents in the same order, one document of each is held at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from dedupe.records import Removal
from dedupe.report import Entry, one_line, visible

_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Difference:
    """Say how one document came out differently. `only_first`, `only_second`: removals, by place. `note`: why they
    cannot be compared, where they cannot."""

    doc: str
    only_first: tuple[Removal, ...] = ()
    only_second: tuple[Removal, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Comparison:
    """Count while `differences` is read. `num_same`: removals of both runs; `num_other_rule`: those by another rule."""

    num_documents: int = 0
    num_different: int = 0
    num_same: int = 0
    num_other_rule: int = 0
    first_rules: Counter[str] = field(default_factory=Counter)
    second_rules: Counter[str] = field(default_factory=Counter)

    def differences(self, first: Iterable[Entry], second: Iterable[Entry]) -> Iterator[Difference]:
        """Yield the documents that differ, in the order in which both sides are known; then those of one run only."""
        waiting: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
        for pair in zip_longest(first, second):
            for side, entry in enumerate(pair):
                if entry is None:
                    continue
                doc = entry.row.doc
                other = waiting[1 - side].pop(doc, None)
                if other is None:
                    waiting[side][doc] = entry
                    continue
                found = self._compare(entry, other) if side == 0 else self._compare(other, entry)
                if found is not None:
                    yield found
        for side, name in enumerate(("first", "second")):
            for doc in waiting[side]:
                self.num_documents += 1
                self.num_different += 1
                yield Difference(doc, note=f"is in the {name} run only")

    def _compare(self, first: Entry, second: Entry) -> Difference | None:
        self.num_documents += 1
        if first.row.sha256_before != second.row.sha256_before:
            self.num_different += 1
            return Difference(first.row.doc, note="was another text in the other run")
        here = {removal.place.byte: removal for removal in first.removals}
        there = {removal.place.byte: removal for removal in second.removals}
        both = here.keys() & there.keys()
        self.num_same += len(both)
        self.num_other_rule += sum(here[span].rule != there[span].rule for span in both)
        only_first = tuple(here[span] for span in sorted(here.keys() - both))
        only_second = tuple(there[span] for span in sorted(there.keys() - both))
        self.first_rules.update(removal.rule for removal in only_first)
        self.second_rules.update(removal.rule for removal in only_second)
        if not only_first and not only_second:
            return None
        self.num_different += 1
        return Difference(first.row.doc, only_first, only_second)

    def summary(self) -> list[str]:
        """Say in a few lines how much is the same and what is not."""
        differ, are = ("differs" if self.num_different == 1 else "differ"), ("is" if self.num_same == 1 else "are")
        other = f", {self.num_other_rule:,} of them by another rule" if self.num_other_rule else ""
        return [
            f"{self.num_different:,} of {_count(self.num_documents, 'document')} {differ}; "
            f"{_count(self.num_same, 'removal')} {are} the same{other}",
            f"only in the first run:  {_by_rule(self.first_rules)}",
            f"only in the second run: {_by_rule(self.second_rules)}",
        ]


def lines_of(difference: Difference) -> Iterator[str]:
    """Show a difference: "-" went in the first run only, "+" in the second only. Safe for a terminal."""
    yield visible(difference.doc) + (f": {difference.note}" if difference.note else "")
    marked = [("-", removal) for removal in difference.only_first]
    marked += [("+", removal) for removal in difference.only_second]
    for mark, removal in sorted(marked, key=lambda pair: (pair[1].place.byte, pair[0])):
        yield (
            f"  {mark} {removal.id} line {removal.place.line[0]} {visible(removal.rule)} {removal.confidence:.2f}  "
            f"{one_line(removal.text, _SHOWN_CHARS)}"
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _by_rule(rules: Counter[str]) -> str:
    if not rules:
        return "none"
    total = sum(rules.values())
    return f"{total:,} ({', '.join(f'{visible(rule)} {count:,}' for rule, count in sorted(rules.items()))})"
