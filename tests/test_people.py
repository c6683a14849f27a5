"""What people decide wins: over rules, thresholds and the guard, again in the next run, and it can be undone."""

from __future__ import annotations

import json
import random
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from corpus_samples import records
from hypothesis import given, settings
from hypothesis import strategies as st
from scraped_texts import BRIDGE_BODY as _BODY
from scraped_texts import BRIDGE_HEADLINE as _HEADLINE
from scraped_texts import BRIDGE_PAGE as _TEXT

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.decide import is_decided, overrule
from dedupe.decisions import Decision as Line
from dedupe.decisions import Decisions, dump_decision
from dedupe.errors import ConfigError
from dedupe.pipeline import clean_documents
from dedupe.read import find_inputs
from dedupe.records import Decision, Document, Finding
from dedupe.report import entry_of, read_ledger, restore

_GOLDEN = Path(__file__).parent / "golden" / "cleaned"
_CASES = sorted(folder.name for folder in _GOLDEN.iterdir() if folder.is_dir())


def document(text, doc="a.txt", **fields):
    raw = text if isinstance(text, bytes) else text.encode()
    return Document(doc, doc, raw, raw, **fields)


def clean(text, lines=(), doc="a.txt", config=None, **fields):
    return clean_documents([document(text, doc, **fields)], config or Config(), people=Decisions(lines))[0]


def find(cleaned, words, kept=False):
    """Give the removal (or kept repeat) whose text holds some words."""
    return next(each for each in (cleaned.kept if kept else cleaned.removals) if words in each.text)


def line(removal, verdict, /, **fields):
    return Line(verdict=verdict, fingerprint=removal.fingerprint, **fields)


def restored(cleaned):
    entry = entry_of(cleaned)
    return restore(cleaned.cleaned, entry.removals, entry.row.sha256_after, entry.row.sha256_before)


@cache
def golden(case, preset="careful"):
    return clean((_GOLDEN / case / "input.txt").read_bytes(), doc=case, config=Config(preset=preset))


# One decision, one text.


def test_what_is_rejected_stays_and_is_listed_with_the_reason():
    """Nothing else changes, and the rule and its confidence are told as before."""
    before = clean(_TEXT)
    share = find(before, "Share this")
    after = clean(_TEXT, [line(share, "reject")])
    assert after.cleaned.decode() == before.cleaned.decode().replace(_BODY[2], "Share this article\n\n" + _BODY[2])
    listed = find(after, "Share this", kept=True)
    assert (listed.rule, listed.confidence, listed.removed) == ("cue", share.confidence, False)
    assert listed.evidence[-1].name == "decision: reject"
    assert [each.id for each in after.removals] == [each.id for each in before.removals if each.id != share.id]
    assert restored(after) == _TEXT.encode()


def weak_repeat(most_alike=1.0):
    """Give a golden text with a repeat that stays because it is not sure enough."""
    for case in _CASES:
        for kept in golden(case).kept:
            if kept.confidence < 0.9 and kept.resemblance is not None and kept.resemblance <= most_alike:
                return case, kept
    raise AssertionError("no golden text lists a weak repeat")


def test_what_is_accepted_goes_though_its_confidence_is_below_the_bound():
    """It goes under its own rule, with confidence 1 and the decision as evidence."""
    case, kept = weak_repeat()
    raw = (_GOLDEN / case / "input.txt").read_bytes()
    after = clean(raw, [line(kept, "accept")], doc=case)
    gone = next(each for each in after.removals if each.fingerprint == kept.fingerprint)
    assert (gone.rule, gone.confidence, gone.evidence[-1].name) == (kept.rule, 1.0, "decision: accept")
    assert gone.text.strip() == kept.text.strip()
    assert len(after.cleaned) < len(golden(case).cleaned)
    assert restored(after) == raw


def test_swapping_takes_the_copy_that_was_kept():
    """The repeat at the end stays and the headline on top goes; what cited that one cites the one that stays."""
    before = clean(_TEXT)
    second, last = [each for each in before.removals if each.rule == "repeated-block"]
    after = clean(_TEXT, [line(last, "swap", scope="removal", doc="a.txt", removal=last.id)])
    assert after.cleaned.decode() == "\n\n".join(["By Ana Petrova", *_BODY, _HEADLINE]) + "\n"
    gone = [each for each in after.removals if each.text.strip() == _HEADLINE]
    assert [each.place.line[0] for each in gone] == [1, 3]
    assert {each.kept.line[0] for each in gone} == {18}
    assert gone[0].evidence[-1].name == "decision: swap"
    assert find(after, _HEADLINE, kept=True).evidence[-1].name == "decision: swap"
    assert second.kept.line[0] == 1
    assert restored(after) == _TEXT.encode()


def test_of_several_repeats_that_are_swapped_one_stays():
    """Swapping a headline wherever it is repeated leaves one headline, the first of the repeats."""
    last = find(clean(_TEXT), _HEADLINE)
    after = clean(_TEXT, [line(last, "swap")])
    assert after.cleaned.decode().count(_HEADLINE) == 1
    assert [each.place.line[0] for each in after.removals if each.text.strip() == _HEADLINE] == [1, 17]
    assert clean(after.cleaned, [line(last, "swap")]).removals == ()


def test_a_decision_wins_over_the_guard(tmp_path):
    """Where too much prose would go nothing goes, but for what people accepted; again, nothing more goes."""
    for number in (1, 2, 3):
        blocks = [
            f"The town council voted on Tuesday to build bridge {number} over the river at the old mill.",
            "Share this article",
            f"Work is to begin in the spring number {number}, the mayor said, and the road will be closed.",
        ]
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{number}.txt").write_text("\n\n".join(blocks) + "\n", newline="")
    run(tmp_path, "plain")
    before = read_ledger(tmp_path / "plain-run" / "removals.jsonl").entries
    assert all(entry.row.flags == ("guard",) and not entry.removals for entry in before)
    share = next(each for each in before[0].kept if "Share this" in each.text)
    run(tmp_path, "obeying", dumped([line(share, "accept")]))
    after = read_ledger(tmp_path / "obeying-run" / "removals.jsonl").entries
    assert [[each.text.strip() for each in entry.removals] for entry in after] == [["Share this article"]] * 3
    assert (tmp_path / "obeying" / "1.txt").read_text().count("\n\n") == 1


# Scopes and bounds.


@pytest.mark.parametrize(
    ("fields", "stays"),
    [
        ({"scope": "all"}, True),
        ({"scope": "host", "host": "example.org"}, True),
        ({"scope": "host", "host": "example.com"}, False),
        ({"scope": "document", "doc": "a.txt"}, True),
        ({"scope": "document", "doc": "b.txt"}, False),
        ({"scope": "removal", "doc": "a.txt", "removal": "the id"}, True),
        ({"scope": "removal", "doc": "a.txt", "removal": "r000000000000"}, False),
    ],
)
def test_a_decision_holds_in_its_scope_and_nowhere_else(fields, stays):
    """A scope that names another host, document or removal leaves the rule its way, and the decision is listed."""
    share = find(clean(_TEXT, host="example.org"), "Share this")
    said = line(share, "reject", **{name: share.id if value == "the id" else value for name, value in fields.items()})
    people = Decisions([said])
    after = clean_documents([document(_TEXT, host="example.org")], Config(), people=people)[0]
    assert ("Share this" in after.cleaned.decode()) is stays
    assert people.orphans() == ([] if stays else [said])


def test_a_document_without_a_host_can_be_meant_by_an_empty_one():
    """The review writes host "" for texts of no known site."""
    share = find(clean(_TEXT), "Share this")
    assert "Share this" in clean(_TEXT, [line(share, "reject", scope="host", host="")]).cleaned.decode()


def test_the_narrowest_scope_wins_then_the_latest_line():
    """A reject everywhere with an accept for one document leaves the others alone; a withdrawal forgets."""
    share = find(clean(_TEXT), "Share this")
    lines = [line(share, "reject"), line(share, "accept", scope="document", doc="a.txt")]
    assert "Share this" not in clean(_TEXT, lines).cleaned.decode()
    assert "Share this" in clean(_TEXT, lines, doc="b.txt").cleaned.decode()
    lines.append(line(share, "withdraw"))
    assert "Share this" not in clean(_TEXT, lines, doc="b.txt").cleaned.decode()


def test_ids_of_removals_hold_whatever_else_is_decided():
    """Blank lines around a removal depend on its neighbors; its id still finds it when those stay."""
    text = _TEXT + "\nShare this article\n\nAlso read:\nhttps://example.org/mill-road-closed\n"
    before = clean(text)
    for gone in before.removals:
        others = [each for each in before.removals if each.fingerprint != gone.fingerprint]
        lines = [line(each, "reject") for each in others]
        lines.append(line(gone, "reject", scope="removal", doc="a.txt", removal=gone.id))
        people = Decisions(lines)
        after = clean_documents([document(text)], Config(), people=people)[0]
        assert gone.id not in {each.id for each in after.removals}
        assert people.orphans() == []


def test_an_accept_covers_no_match_beyond_its_bounds():
    """More words lost, or less alike, than the reviewer saw: the rules decide, as without the decision."""
    case, kept = weak_repeat(most_alike=0.98)
    raw = golden(case).document.raw
    names = [
        {each.fingerprint for each in clean(raw, [line(kept, "accept", min_resemblance=least)], doc=case).removals}
        for least in (kept.resemblance, kept.resemblance + 0.01)
    ]
    assert [kept.fingerprint in each for each in names] == [True, False]
    share = find(clean(_TEXT), "Share this")
    assert share.num_words_lost > 0
    bounded = [line(share, "reject"), line(share, "accept", max_lost_words=share.num_words_lost)]
    assert "Share this" not in clean(_TEXT, bounded).cleaned.decode()
    bounded = [line(share, "reject"), line(share, "accept", scope="document", doc="a.txt",
                                           max_lost_words=share.num_words_lost - 1)]
    assert "Share this" in clean(_TEXT, bounded).cleaned.decode()


def test_bounds_that_a_review_rounded_still_cover_what_it_saw():
    """The review keeps a resemblance in thousandths, rounded up at times."""
    case, kept = next(
        (case, each) for case in _CASES for each in (*golden(case).removals, *golden(case).kept)
        if each.resemblance is not None and round(each.resemblance, 3) > each.resemblance
    )  # fmt: skip
    raw = (_GOLDEN / case / "input.txt").read_bytes()
    bounded = line(kept, "accept", min_resemblance=round(kept.resemblance, 3))
    assert kept.fingerprint in {each.fingerprint for each in clean(raw, [bounded], doc=case).removals}


# Everything at once.


@pytest.mark.parametrize("case", _CASES)
@pytest.mark.parametrize("preset", ["careful", "thorough"])
def test_who_rejects_everything_gets_the_text_as_it_was(case, preset):
    """Golden texts: each passage that went is rejected; not a byte goes, and they are listed.

    Not all are: what was found only after other removals is not found when those stay.
    """
    before = golden(case, preset)
    after = clean(
        before.document.raw, [line(each, "reject") for each in before.removals], case, Config(preset=preset)
    )
    assert after.cleaned == before.document.raw
    rejected = [each for each in after.kept if each.evidence[-1].name == "decision: reject"]
    assert bool(rejected) is bool(before.removals)
    assert {each.fingerprint for each in rejected} <= {each.fingerprint for each in before.removals}


@pytest.mark.parametrize("case", _CASES)
@pytest.mark.parametrize("verdict", ["accept", "swap"])
def test_who_decides_on_everything_finds_nothing_left_to_do(case, verdict):
    """Golden texts: cleaning the result with the same decisions changes nothing; the original comes back."""
    before = golden(case)
    lines = [line(each, verdict) for each in (*before.removals, *before.kept)]
    after = clean(before.document.raw, lines, case)
    assert clean(after.cleaned, lines, case).cleaned == after.cleaned
    assert restored(after) == before.document.raw
    spans = [each.place.byte for each in after.removals]
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    names = {each.fingerprint for each in lines}
    assert all(is_decided(each.evidence) for each in after.removals if each.fingerprint in names)


_BLOCKS = [
    _HEADLINE, *_BODY, "Share this article", "Also read:", "https://example.org/mill-road-closed", "* * *",
    _BODY[0][:90] + "…", "By Ana Petrova", "Subscribe to our newsletter", "河水很高。", "« Qui ? » dit-il.",
]  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(_BLOCKS), min_size=1, max_size=14),
    st.sampled_from(["\n\n", "\n", "\r\n\r\n"]),
    st.integers(0, 2**31),
    st.sampled_from(["careful", "thorough"]),
)
def test_any_decisions_on_any_text_are_obeyed_and_can_be_undone(blocks, between, seed, preset):
    """Restore is exact; what was rejected everywhere does not go; kept copies stand; again changes nothing."""
    config, chance = Config(preset=preset), random.Random(seed)
    raw = between.join(blocks).encode() + b"\xff" * chance.randrange(2)
    before = clean(raw, config=config)
    names = sorted({each.fingerprint for each in (*before.removals, *before.kept)})
    said = {name: chance.choice(["accept", "reject", "swap", "defer"]) for name in names if chance.random() < 0.7}
    lines = [Line(verdict=verdict, fingerprint=name) for name, verdict in said.items()]
    after = clean(raw, lines, config=config)
    assert restored(after) == raw
    assert not [each for each in after.removals if said.get(each.fingerprint) == "reject"]
    gone = [each.place.byte for each in after.removals]
    for each in after.removals:
        if each.kept is not None:
            assert not any(start < each.kept.byte[1] and each.kept.byte[0] < end for start, end in gone)
    assert clean(after.cleaned, lines, config=config).cleaned == after.cleaned
    if not set(said.values()) - {"defer"}:
        assert after == before


def test_decisions_about_other_passages_change_nothing():
    """The records are equal, to the last field."""
    people = [Line(verdict="reject", fingerprint=f"p1:{number:016x}") for number in range(1000)]
    for case in _CASES[:6]:
        assert clean(golden(case).document.raw, people, case) == golden(case)


# The arithmetic of spans.


def finding(start, end, kept=None, confidence=0.95):
    return Finding((start, end), "excerpt", confidence, (), kept=None if kept is None else (None, kept))


def said(*verdicts):
    return [None if verdict is None else Line(verdict=verdict, fingerprint="p1:aa") for verdict in verdicts]


@pytest.mark.parametrize(
    ("name", "removed", "kept", "verdicts", "goes", "stays"),
    [
        ("nothing said", [finding(0, 4)], [finding(6, 9)], [None, None], [(0, 4)], [(6, 9)]),
        ("rejected", [finding(0, 4)], [], ["reject"], [], [(0, 4)]),
        ("accepted", [], [finding(6, 9)], ["accept"], [(6, 9)], []),
        ("deferred", [finding(0, 4)], [finding(6, 9)], ["defer", "defer"], [(0, 4)], [(6, 9)]),
        ("swapped", [finding(6, 9, (0, 4))], [], ["swap"], [(0, 4)], [(6, 9)]),
        ("swapped without a copy", [finding(6, 9)], [], ["swap"], [], [(6, 9)]),
        ("swapped twice", [finding(6, 9, (0, 4)), finding(12, 15, (0, 4))], [], ["swap", "swap"],
         [(0, 4), (12, 15)], [(6, 9)]),
        ("each cites the other", [], [finding(0, 4, (6, 9)), finding(6, 9, (0, 4))], ["swap", "swap"],
         [(6, 9)], [(0, 4)]),
        ("the copy is rejected", [finding(6, 9, (0, 4))], [finding(0, 4)], ["swap", "reject"], [], [(0, 4), (6, 9)]),
        ("a wider one holds a rejected one", [finding(2, 4)], [finding(0, 9)], ["reject", "accept"],
         [], [(0, 9), (2, 4)]),
        ("accepted twice over one span", [], [finding(0, 4), finding(0, 4, None, 0.3)], ["accept", "accept"],
         [(0, 4)], []),
        ("overlapping accepts", [], [finding(0, 4), finding(3, 9, None, 0.3)], ["accept", "accept"], [(0, 4)], []),
    ],
)  # fmt: skip
def test_spans_that_go_and_stay(name, removed, kept, verdicts, goes, stays):
    """A table of findings and verdicts."""
    decision = overrule(Decision(tuple(removed), tuple(kept)), said(*verdicts))
    assert [each.span for each in decision.removed] == goes
    assert [each.span for each in decision.kept] == stays


# Corpora.


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Write a corpus as a tree of texts, and clean it once."""
    folder = tmp_path_factory.mktemp("corpus")
    for number, record in enumerate(records(60)):
        path = folder / "in" / f"site{number % 4}" / f"{number:03}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record["text"], "utf-8", newline="")
    run(folder, "plain")
    return folder


def run(folder, name, decisions=b"", jobs=1, resume=False):
    inputs = find_inputs([str(folder / "in")], lambda *words: None)
    outputs = [str(folder / name / Path(file.path).relative_to(folder / "in")) for file in inputs]
    return clean_records(
        inputs, outputs, Config(), report=str(folder / f"{name}-run"), jobs=jobs, decisions=decisions, resume=resume
    )


def dumped(lines):
    return b"".join(dump_decision(each) + b"\n" for each in lines)


def test_corpora_obey_decisions_whatever_the_number_of_workers(corpus):
    """One reject for a site, one everywhere, one that matches nothing: same bytes, same use, originals come back."""
    entries = read_ledger(corpus / "plain-run" / "removals.jsonl").entries
    rules = {}
    for entry in entries:
        for gone in entry.removals:
            rules.setdefault(gone.rule, gone)
    everywhere = rules["site-boilerplate"]  # found in the first round only, which looks across documents
    lines = [
        line(everywhere, "reject"), Line(verdict="reject", fingerprint="p1:00000000000000aa"),
        *(line(gone, "accept", scope="document", doc=gone.place.doc) for gone in rules.values()),
    ]  # fmt: skip
    one, two = run(corpus, "one", dumped(lines)), run(corpus, "two", dumped(lines), jobs=2)
    assert one.decisions_of_use == two.decisions_of_use == set(range(len(lines))) - {1}
    ledgers = [read_ledger(corpus / f"{name}-run" / "removals.jsonl") for name in ("one", "two")]
    assert [each.removals for each in ledgers[0].entries] == [each.removals for each in ledgers[1].entries]
    names = [path.relative_to(corpus / "one") for path in sorted((corpus / "one").rglob("*.txt"))]
    assert all((corpus / "one" / name).read_bytes() == (corpus / "two" / name).read_bytes() for name in names)
    gone = [each for entry in ledgers[0].entries for each in entry.removals
            if each.fingerprint == everywhere.fingerprint]  # fmt: skip
    assert {each.place.doc for each in gone} <= {everywhere.place.doc}
    rejected = [each for entry in ledgers[0].entries for each in entry.kept
                if each.evidence[-1].name == "decision: reject"]  # fmt: skip
    listed = {each.place.doc for each in rejected if each.fingerprint == everywhere.fingerprint}
    went = {entry.row.doc for entry in entries for each in entry.removals
            if each.fingerprint == everywhere.fingerprint}  # fmt: skip
    assert len(went) > 3
    assert listed == went - {everywhere.place.doc}
    for entry in ledgers[0].entries:
        cleaned = Path(entry.row.output).read_bytes()
        original = restore(cleaned, entry.removals, entry.row.sha256_after, entry.row.sha256_before)
        assert original == Path(entry.row.uri).read_bytes()


def test_a_run_is_not_resumed_with_other_decisions(corpus):
    """Half of the output would obey them and half would not."""
    work = corpus / "again-run" / ".dedupe-work"
    work.mkdir(parents=True)
    run(corpus, "again", dumped([Line(verdict="reject", fingerprint="p1:aa")]))
    work.mkdir(parents=True)
    (work / "run.json").write_text(json.dumps({"digest": "of other decisions"}))
    with pytest.raises(ConfigError, match="other inputs or settings"):
        run(corpus, "again", dumped([Line(verdict="accept", fingerprint="p1:aa")]), resume=True)
