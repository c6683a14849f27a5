"""Keep what people decided about passages, so that the next run obeys it wherever the passage stands.

A decision names a passage by its fingerprint, never by a line number, and says what it covers:

    {"type":"decision","schema":"decisions/1","verdict":"reject","fingerprint":"p1:…","scope":"host","host":"example.org"}

The file is append-only and made to be committed. Where several decisions cover a removal, the narrowest scope wins
(removal, document, host, all), then the latest line. "withdraw" takes back what was said before with the same
fingerprint, scope and target; "defer" records that somebody looked, and decides nothing. `max_lost_words` and
`min_resemblance` bound a decision: a later match that loses more words, or is less alike, is not covered by it.

This module reads and writes decisions and says what they say. It does not know texts, rules or removals.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import msgspec

from dedupe.errors import InputError

Verdict = Literal["accept", "reject", "swap", "defer", "withdraw"]
Scope = Literal["all", "host", "document", "removal"]

SCHEMA = "decisions/1"
_HEAD = b'{"type":"decision","schema":"decisions/1",'
_RANKS: dict[Scope, int] = {"all": 0, "host": 1, "document": 2, "removal": 3}


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One line of a decisions file. `host`, `doc` and `removal` are given where the scope needs them."""

    type: Literal["decision"] = "decision"
    schema: str = SCHEMA
    verdict: Verdict
    fingerprint: str
    scope: Scope = "all"
    host: str | None = None
    doc: str | None = None
    removal: str | None = None
    max_lost_words: int | None = None
    min_resemblance: float | None = None
    by: str | None = None
    at: str | None = None  # ISO 8601, for people; never read
    note: str | None = None
    text: str | None = None  # how the passage begins, for people; never read

    @property
    def key(self) -> tuple[str, Scope, str | None]:
        """Return what a later line has to share to replace this one."""
        return self.fingerprint, self.scope, self.target

    @property
    def target(self) -> str | None:
        """Return the host, document or removal that the scope is limited to."""
        return {"all": None, "host": self.host, "document": self.doc, "removal": self.removal}[self.scope]

    def covers(self, host: str | None, doc: str, removal_id: str) -> bool:
        """Tell whether a removal of this fingerprint lies in the scope."""
        value = {"all": None, "host": host, "document": doc, "removal": removal_id}[self.scope]
        return self.scope == "all" or value == self.target

    def allows(self, num_words_lost: int, resemblance: float | None) -> bool:
        """Tell whether a removal is within the bounds; one without a resemblance is within no bound on it."""
        if self.max_lost_words is not None and num_words_lost > self.max_lost_words:
            return False
        return self.min_resemblance is None or (resemblance is not None and resemblance >= self.min_resemblance)


class Asked(msgspec.Struct, frozen=True):
    """Describe a removal that a decision is looked for: its passage, where it stands, its id (empty where no decision
    names one), the words that would be lost with it, and how much its copy resembles it, None where it has none."""

    fingerprint: str
    host: str | None
    doc: str
    removal_id: str
    num_words_lost: int
    resemblance: float | None


class Decisions:
    """Answer for a run's removals what people decided, and remember which decisions were of use.

    >>> decisions = Decisions([Decision(verdict="accept", fingerprint="p1:aa"),
    ...                        Decision(verdict="reject", fingerprint="p1:aa", scope="host", host="a.example")])
    >>> decisions.verdict(Asked("p1:aa", "b.example", "b/1.txt", "r1", 0, 1.0))
    'accept'
    >>> decisions.verdict(Asked("p1:aa", "a.example", "a/1.txt", "r2", 0, 1.0))
    'reject'
    >>> decisions.verdict(Asked("p1:bb", "a.example", "a/1.txt", "r3", 0, 1.0)) is None
    True
    """

    def __init__(self, lines: Iterable[Decision] = ()) -> None:
        self.lines: list[Decision] = []
        self.matched: set[int] = set()
        self._by_fingerprint: dict[str, list[int]] = {}
        self.extend(lines)

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, fingerprint: object) -> bool:
        return fingerprint in self._by_fingerprint

    def extend(self, lines: Iterable[Decision]) -> None:
        """Take more lines, later than those before."""
        for line in lines:
            self._by_fingerprint.setdefault(line.fingerprint, []).append(len(self.lines))
            self.lines.append(line)

    def verdict(self, asked: Asked) -> Literal["accept", "reject", "swap"] | None:
        """Return what was decided about a removal, None where nothing was (or only to look again later)."""
        found = self.find(asked)
        verdict = found.verdict if found else None
        return verdict if verdict in ("accept", "reject", "swap") else None

    def find(self, asked: Asked) -> Decision | None:
        """Return the decision that holds for a removal; a deferred one counts here."""
        best: list[Decision | None] = [None] * len(_RANKS)
        for at in self._by_fingerprint.get(asked.fingerprint, ()):
            line = self.lines[at]
            if not line.covers(asked.host, asked.doc, asked.removal_id):
                continue
            self.matched.add(at)
            if line.verdict == "withdraw":
                best[_RANKS[line.scope]] = None
            elif line.allows(asked.num_words_lost, asked.resemblance):
                best[_RANKS[line.scope]] = line
        return next((line for line in reversed(best) if line is not None), None)

    def about(self, fingerprint: str) -> list[Decision]:
        """Return every line about a fingerprint, the earliest first."""
        return [self.lines[at] for at in self._by_fingerprint.get(fingerprint, ())]

    def standing(self) -> Iterator[tuple[int, Decision]]:
        """Yield (position, line) of the lines that hold: the latest of each key, withdrawn ones left out."""
        latest = {line.key: at for at, line in enumerate(self.lines)}
        for at in sorted(latest.values()):
            if self.lines[at].verdict != "withdraw":
                yield at, self.lines[at]

    def orphans(self) -> list[Decision]:
        """Return the standing decisions that covered no removal asked about so far."""
        return [line for at, line in self.standing() if at not in self.matched]


def passage_fingerprint(canonical_stream: bytes, text: bytes = b"") -> str:
    """Return the fingerprint of a passage: 64 bits of BLAKE2b over its canonical stream.

    The stream has no case, spaces or punctuation, so that re-wrapped or re-typeset copies share a fingerprint. A
    passage without letters or digits ("* * *") has an empty stream; its text without white space is taken, or all
    would be one.

    >>> passage_fingerprint(b"alsoread")
    'p1:513ffe2023693a8d'
    >>> passage_fingerprint(b"", b"* * *\\n") == passage_fingerprint(b"", b" * * *")
    True
    """
    named = canonical_stream or b"\0" + b"".join(text.split())
    return "p1:" + blake2b(named, digest_size=8).hexdigest()


def read_decisions(path: str | os.PathLike[str]) -> Decisions:
    """Read a decisions file; lines of an unknown type and unknown fields are passed over.

    Raises:
        InputError: the file cannot be read, or a line is not a decision that this version understands.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a decisions.jsonl") from error
    return Decisions(parse_decisions(raw, str(path)))


def parse_decisions(raw: bytes, name: str = "decisions") -> Iterator[Decision]:
    """Yield the decisions of a file's bytes.

    Raises:
        InputError: a line is not a decision that this version understands; it is named by number.
    """
    type_of = msgspec.json.Decoder(_Typed).decode
    decode = msgspec.json.Decoder(Decision).decode
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            type_ = type_of(line).type
            if type_ == "run":
                raise InputError(f"{name}, line {number}: is of a ledger; give the decisions.jsonl beside it")
            if type_ != "decision":
                continue
            decision = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{name}, line {number}: not a decision ({error}); mend the line or delete it") from error
        _check(decision, f"{name}, line {number}")
        yield decision


class _Typed(msgspec.Struct):
    type: str = "decision"


def _check(decision: Decision, place: str) -> None:
    if decision.schema != SCHEMA:
        raise InputError(f"{place}: its schema is {decision.schema!r}, this version reads {SCHEMA!r}")
    if not decision.fingerprint:
        raise InputError(f"{place}: it has no fingerprint; copy the one that the report shows")
    if decision.scope != "all" and decision.target is None:
        field = {"host": "host", "document": "doc", "removal": "removal"}[decision.scope]
        raise InputError(f"{place}: its scope is {decision.scope!r}, but it names no {field!r}")
    if decision.max_lost_words is not None and decision.max_lost_words < 0:
        raise InputError(f"{place}: max_lost_words is {decision.max_lost_words}, expected 0 or more")
    if decision.min_resemblance is not None and not 0 <= decision.min_resemblance <= 1:
        raise InputError(f"{place}: min_resemblance is {decision.min_resemblance}, expected 0 to 1")


def append_decisions(path: str | os.PathLike[str], lines: Iterable[Decision]) -> int:
    """Append lines to a decisions file, which is made where there is none; return their number.

    The lines go out in one write, and are on disk when the call returns. A last line that a killed process left without
    its end gets one first, so that it cannot swallow ours.

    Raises:
        InputError: the file cannot be written, or a decision is not one that could be read back.
    """
    encoded = []
    for line in lines:
        _check(line, f"decision about {line.fingerprint}")
        encoded.append(dump_decision(line))
    num_lines = len(encoded)
    try:
        with open(path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    encoded.insert(0, b"")
            file.write(b"\n".join([*encoded, b""]))
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(f"{path}: decisions cannot be written there ({error.strerror})") from error
    return num_lines


def dump_decision(line: Decision) -> bytes:
    """Return a line that names its type and schema and leaves out what is not said.

    >>> dump_decision(Decision(verdict="swap", fingerprint="p1:aa"))
    b'{"type":"decision","schema":"decisions/1","verdict":"swap","fingerprint":"p1:aa"}'
    """
    return _HEAD + msgspec.json.encode(line)[1:]
