"""What people decided is read, kept and obeyed: scopes, order, bounds, orphans, and files that hands have touched."""

from __future__ import annotations

import doctest
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dedupe.decisions
from dedupe.decisions import (
    Asked,
    Decision,
    Decisions,
    append_decisions,
    dump_decision,
    parse_decisions,
    passage_fingerprint,
    read_decisions,
)
from dedupe.errors import InputError

F = "p1:00000000000000aa"
HERE = ("a.example", "a/1.txt", "r000000000001")
TARGETS = {"all": {}, "host": {"host": HERE[0]}, "document": {"doc": HERE[1]}, "removal": {"removal": HERE[2]}}


def decide(verdict: str, scope: str = "all", **fields: object) -> Decision:
    return Decision(verdict=verdict, fingerprint=F, scope=scope, **{**TARGETS[scope], **fields})  # type: ignore[arg-type]


def ask(
    *lines: Decision, place: tuple[str | None, str, str] = HERE, lost: int = 0, alike: float | None = 1.0
) -> object:
    return Decisions(lines).verdict(Asked(F, *place, lost, alike))


def test_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(dedupe.decisions).failed == 0


@pytest.mark.parametrize(("narrow", "wide"), [(a, b) for b, a in itertools.combinations(TARGETS, 2)])
def test_the_narrower_scope_wins_whichever_comes_first(narrow: str, wide: str) -> None:
    """A reject on one host stands against an accept everywhere, before it or after it."""
    assert ask(decide("reject", narrow), decide("accept", wide)) == "reject"
    assert ask(decide("accept", wide), decide("reject", narrow)) == "reject"


@pytest.mark.parametrize("scope", TARGETS)
def test_of_one_scope_the_latest_line_wins(scope: str) -> None:
    assert ask(decide("accept", scope), decide("swap", scope)) == "swap"
    assert ask(decide("swap", scope), decide("accept", scope)) == "accept"


@pytest.mark.parametrize(
    ("scope", "elsewhere"),
    [
        ("host", ("b.example", HERE[1], HERE[2])),
        ("host", (None, HERE[1], HERE[2])),
        ("document", (HERE[0], "a/2.txt", HERE[2])),
        ("removal", (HERE[0], HERE[1], "r000000000002")),
    ],
)
def test_a_decision_says_nothing_outside_its_scope(scope: str, elsewhere: tuple[str | None, str, str]) -> None:
    assert ask(decide("reject", scope), place=elsewhere) is None
    assert ask(decide("reject", scope)) == "reject"


def test_a_withdrawn_decision_gives_way_to_a_wider_one() -> None:
    lines = [decide("accept"), decide("reject", "host"), decide("withdraw", "host")]
    assert ask(*lines) == "accept"
    assert ask(*lines, decide("withdraw")) is None
    assert ask(*lines, decide("swap", "host")) == "swap"


def test_a_deferred_passage_is_looked_at_but_not_decided() -> None:
    """It also hides a wider decision, since somebody wants to see just this one again."""
    decisions = Decisions([decide("accept"), decide("defer", "document")])
    assert decisions.verdict(Asked(F, *HERE, 0, 1.0)) is None
    found = decisions.find(Asked(F, *HERE, 0, 1.0))
    assert found == decisions.lines[1]


@pytest.mark.parametrize(
    ("bounds", "lost", "alike", "covered"),
    [
        ({"max_lost_words": 2}, 2, 1.0, True),
        ({"max_lost_words": 2}, 3, 1.0, False),
        ({"max_lost_words": 0}, 0, None, True),
        ({"min_resemblance": 0.8}, 9, 0.8, True),
        ({"min_resemblance": 0.8}, 0, 0.799, False),
        ({"min_resemblance": 0.8}, 0, None, False),
    ],
)
def test_a_bulk_accept_does_not_cover_weaker_matches_later(
    bounds: dict[str, float], lost: int, alike: float | None, covered: bool
) -> None:
    assert (ask(decide("accept", **bounds), lost=lost, alike=alike) == "accept") is covered


def test_out_of_its_bounds_a_decision_leaves_the_word_to_a_wider_one() -> None:
    assert ask(decide("reject"), decide("accept", "host", max_lost_words=1), lost=2) == "reject"


def test_decisions_that_covered_nothing_are_orphans() -> None:
    """Withdrawn and replaced lines are not: nobody has to do anything about them."""
    other = Decision(verdict="reject", fingerprint="p1:gone")
    lines = [decide("accept"), other, decide("reject", "document", doc="elsewhere"), decide("accept", "host"),
             decide("withdraw", "host")]  # fmt: skip
    decisions = Decisions(lines)
    assert decisions.verdict(Asked(F, *HERE, 0, 1.0)) == "accept"
    assert decisions.orphans() == [other, lines[2]]


def test_a_file_survives_the_round_trip_and_grows_only_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    first = [decide("accept", max_lost_words=3, text="Zażółć \u202e <b>"), decide("reject", "removal", doc="a\nb")]
    assert append_decisions(path, first) == 2
    before = path.read_bytes()
    assert append_decisions(path, [decide("swap", "host", by="M", note="n", at="2026-11-23T10:00:00Z")]) == 1
    assert path.read_bytes().startswith(before)
    assert len(path.read_bytes().splitlines()) == 3
    assert read_decisions(path).lines[:2] == first


def test_a_torn_last_line_swallows_nothing(tmp_path: Path) -> None:
    """What a killed process left is named by its line; the line written after it is whole."""
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(dump_decision(decide("accept")))
    append_decisions(path, [decide("reject")])
    assert [line.verdict for line in read_decisions(path).lines] == ["accept", "reject"]
    path.write_bytes(dump_decision(decide("accept"))[:40])
    append_decisions(path, [decide("reject")])
    with pytest.raises(InputError, match="line 1"):
        read_decisions(path)
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])
    assert [line.verdict for line in read_decisions(path).lines] == ["reject"]


def test_lines_of_other_types_unknown_fields_and_empty_lines_are_passed_over() -> None:
    raw = b'\xef\xbb\xbf\r\n{"type":"comment","text":1}\n{"verdict":"accept","fingerprint":"p1:aa","mood":["x"]}\r\n\n'
    assert [line.fingerprint for line in parse_decisions(raw)] == ["p1:aa"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{", "not a decision"),
        (b"[1]", "not a decision"),
        (b"\xff", "not a decision"),
        (b'{"verdict":"maybe","fingerprint":"p1:aa"}', "verdict"),
        (b'{"verdict":"accept"}', "fingerprint"),
        (b'{"verdict":"accept","fingerprint":""}', "no fingerprint"),
        (b'{"verdict":"accept","fingerprint":"p1:aa","scope":"planet"}', "scope"),
        (b'{"verdict":"accept","fingerprint":"p1:aa","scope":"host"}', "names no 'host'"),
        (b'{"verdict":"accept","fingerprint":"p1:aa","max_lost_words":-1}', "expected 0 or more"),
        (b'{"verdict":"accept","fingerprint":"p1:aa","min_resemblance":80}', "expected 0 to 1"),
        (b'{"verdict":"accept","fingerprint":"p1:aa","schema":"decisions/2"}', "decisions/2"),
    ],
)
def test_a_line_that_cannot_be_obeyed_is_named(line: bytes, said: str) -> None:
    """A misspelled decision must not be ignored: somebody believes it holds."""
    with pytest.raises(InputError, match=said) as caught:
        list(parse_decisions(b"\n" + line, "d.jsonl"))
    assert str(caught.value).startswith("d.jsonl, line 2")


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    with pytest.raises(InputError, match="names no 'doc'"):
        append_decisions(path, [decide("accept"), Decision(verdict="accept", fingerprint=F, scope="document")])
    assert not path.exists()
    with pytest.raises(InputError, match="cannot be written"):
        append_decisions(tmp_path / "no" / "folder", [decide("accept")])
    with pytest.raises(InputError, match="cannot be read"):
        read_decisions(path)


def test_passages_without_letters_have_fingerprints_of_their_own() -> None:
    assert passage_fingerprint(b"", b"* * *") != passage_fingerprint(b"", b"-----")
    assert passage_fingerprint(b"x", b"X.") == passage_fingerprint(b"x", b"x")


_VERDICTS = st.sampled_from(["accept", "reject", "swap", "defer", "withdraw"])


@given(
    st.lists(st.tuples(_VERDICTS, st.sampled_from(list(TARGETS)), st.booleans(), st.integers(0, 3)), max_size=12),
    st.integers(0, 3),
)
def test_every_answer_is_that_of_the_plain_definition(rows: list[tuple[str, str, bool, int]], lost: int) -> None:
    """The oracle walks the scopes from the narrowest and the lines from the latest, to the first that speaks."""
    away = {"all": {}, "host": {"host": "z"}, "document": {"doc": "z"}, "removal": {"removal": "z"}}
    lines = [decide(v, s, max_lost_words=m, **({} if here else away[s])) for v, s, here, m in rows]
    said = None
    for scope in ("removal", "document", "host", "all"):
        for line in reversed(lines):
            if line.scope != scope or not line.covers(*HERE):
                continue
            if line.verdict == "withdraw":
                break
            if lost <= (line.max_lost_words or 0):
                said = line.verdict
                break
        if said:
            break
    assert ask(*lines, lost=lost) == (None if said == "defer" else said)
