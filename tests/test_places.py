"""Records from standard input and to one file, formats that are told, keepers of CSV and archives, odd texts."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_samples import HOSTILE, as_lines, records
from test_rebuild import UNPACKED, dedupe, ledger

LINES = as_lines(records(40))


@pytest.mark.parametrize("name", ["escapes.jsonl", "comma.csv", "tabs.tsv"])
def test_records_from_standard_input_go_to_standard_output(tmp_path, name):
    """The same bytes as from a file to a file, and the ledger names no passing file; then back again."""
    form = name.partition(".")[2]
    (tmp_path / name).write_bytes(UNPACKED[name])
    dedupe("clean", name, "-o", "out", "-q", cwd=tmp_path)
    found, _ = dedupe("clean", "-", "--format", form, "--report", "run", cwd=tmp_path, stdin=UNPACKED[name])
    assert found == (tmp_path / "out" / name).read_bytes() != UNPACKED[name]
    rows = [row for row in ledger(tmp_path) if row["type"] == "doc"]
    assert {row["output"] for row in rows} == {None}
    assert rows[3]["doc"] == "-#3"
    assert dedupe("restore", "run", "--cleaned", "-", "--format", form, cwd=tmp_path, stdin=found)[0] == UNPACKED[name]
    assert "give --format" in dedupe("restore", "run", "--cleaned", "-", cwd=tmp_path, stdin=found, code=2)[1]
    assert "say where it is" in dedupe("restore", "run", cwd=tmp_path, code=2)[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out", "run"])


def test_records_from_standard_input_go_to_a_file_or_a_folder(tmp_path):
    raw = b"".join(LINES)
    found, _ = dedupe("clean", "-", "--format", "jsonl", "-q", cwd=tmp_path, stdin=raw)
    dedupe("clean", "-", "--format", "jsonl", "-q", "-o", "a.jsonl", "--report", "run", cwd=tmp_path, stdin=raw)
    dedupe("clean", "-", "--format", "jsonl", "-q", "-o", "folder", cwd=tmp_path, stdin=raw)
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "folder" / "stdin.jsonl").read_bytes() == found
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    assert (tmp_path / "back" / "a.jsonl").read_bytes() == raw


def test_nothing_on_standard_input_gives_nothing(tmp_path):
    assert dedupe("clean", "-", "--format", "jsonl", cwd=tmp_path, stdin=b"")[0] == b""


def test_one_shard_goes_to_the_file_that_is_named(tmp_path):
    """A name of another form is refused, a name that tells nothing is a folder, and the input is never overwritten."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
    dedupe("clean", "a.jsonl", "-o", "deep/b.jsonl", "-q", cwd=tmp_path)
    dedupe("clean", "a.jsonl", "-o", "out.d", "-q", cwd=tmp_path)
    assert (tmp_path / "deep" / "b.jsonl").read_bytes() == (tmp_path / "out.d" / "a.jsonl").read_bytes()
    for name in ("b.parquet", "b.jsonl.gz", "b.csv"):
        said = dedupe("clean", "a.jsonl", "-o", name, cwd=tmp_path, code=2)[1]
        assert f"-o {name}: records are written in the form they came in, which is jsonl" in said
    assert "is an input" in dedupe("clean", "a.jsonl", "-o", "a.jsonl", cwd=tmp_path, code=2)[1]
    assert (tmp_path / "a.jsonl").read_bytes() == b"".join(LINES)


def test_a_format_is_told_of_files_whose_names_say_nothing(tmp_path):
    (tmp_path / "export").write_bytes(b"".join(LINES))
    (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
    dedupe("clean", "export", "--format", "jsonl", "-o", "out", "--report", "run", "-q", cwd=tmp_path)
    dedupe("clean", "a.jsonl", "-o", "out", "-q", cwd=tmp_path)
    assert (tmp_path / "out" / "export").read_bytes() == (tmp_path / "out" / "a.jsonl").read_bytes()
    dedupe("restore", "run", "-o", "back", "--format", "jsonl", cwd=tmp_path)
    assert (tmp_path / "back" / "export").read_bytes() == b"".join(LINES)
    said = dedupe("clean", "export", "--format", "parquet", "-o", "out", cwd=tmp_path, code=2)[1]
    assert "expected one of text, jsonl, csv, tsv" in said
    said = dedupe("clean", "a.jsonl", "--format", "csv", "-o", "out", cwd=tmp_path, code=2)[1]
    assert "those given are told by theirs" in said


def test_records_on_standard_output_are_refused_where_they_cannot_be(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(LINES))
    assert "give -o DIR" in dedupe("clean", "a.jsonl", cwd=tmp_path, code=2)[1]
    both = ("clean", "a.jsonl", "-", "--format", "jsonl")
    assert "give -o DIR" in dedupe(*both, cwd=tmp_path, code=2, stdin=b"".join(LINES))[1]
    resumed = ("clean", "-", "--format", "jsonl", "--resume")
    assert "cannot" in dedupe(*resumed, cwd=tmp_path, code=2, stdin=b"".join(LINES))[1]


def test_a_check_of_records_from_standard_input_tells_by_its_exit_code(tmp_path):
    assert dedupe("clean", "-", "--format", "jsonl", "--check", cwd=tmp_path, code=1, stdin=b"".join(LINES))[0] == b""
    one = json.dumps({"text": "One line.\n"}).encode()
    assert dedupe("clean", "-", "--format", "jsonl", "--check", cwd=tmp_path, stdin=one)[0] == b""


def test_a_closed_pipe_is_quiet(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(LINES) * 40)
    command = "cat a.jsonl | PYTHONPATH=%s %s -m dedupe clean - --format jsonl -q | head -c 1"
    shell = command % (Path(__file__).parents[1], sys.executable)
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"{", b"")


BODY = "The river rose by {} meters on Monday, the mayor of the town said after a long night, and bridges closed."
TEXT = " ".join(BODY.format(number) for number in range(29))
COPIES = [
    ("a", TEXT + " One.", "3", "2024-05-01"),
    ("b", TEXT + " One two.", "20", "2023-05-01T10:00:00Z"),
    ("c", TEXT + ' "One, two" three;', "100", "2024-04-30"),
    ("d", TEXT, "soon", ""),
]


def kept(folder):
    gone = {str(row["doc"]) for row in ledger(folder) if row.get("near_duplicate_of")}
    return [row["id"] for row in ledger(folder) if row["type"] == "doc" and row["doc"] not in gone]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize(("keep", "expected"), [("votes", "c"), ("newest", "a"), ("longest", "c")])
def test_keepers_are_chosen_by_fields_of_any_format(tmp_path, name, keep, expected):
    """Numbers count as numbers, dates as dates, and what is neither comes last; quoted and not."""
    fields = ["id", "text", "votes", "published"]
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t" if name.endswith("tsv") else ",")
    writer.writerows([fields, *COPIES])
    content = out.getvalue()
    if name.endswith("jsonl"):
        content = "".join(json.dumps(dict(zip(fields, row, strict=True))) + "\n" for row in COPIES)
    (tmp_path / name).write_text(content, "utf-8", newline="")
    dedupe("clean", name, "-o", "out", "--report", "run", "--keep", keep, "-q", cwd=tmp_path)
    assert kept(tmp_path) == [expected]


@pytest.mark.parametrize("suffix", ["wet", "wet.gz"])
def test_the_newest_of_an_archive_is_kept(tmp_path, suffix):
    pieces = []
    for name, text, _, day in COPIES:
        block = text.encode()
        date = f"WARC-Date: {day[:10]}T00:00:00Z\r\n" if day else ""
        head = (
            f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Record-ID: <{name}>\r\n{date}"
            f"Content-Type: text/plain\r\nContent-Length: {len(block)}\r\n\r\n"
        )
        pieces.append(head.encode() + block + b"\r\n\r\n")
    pack = gzip.compress if suffix.endswith("gz") else bytes
    (tmp_path / f"a.{suffix}").write_bytes(b"".join(map(pack, pieces)))
    dedupe("clean", f"a.{suffix}", "-o", "out", "--report", "run", "--keep", "newest", "-q", cwd=tmp_path)
    assert kept(tmp_path) == ["<a>"]


@pytest.mark.parametrize("words", [("odd.bin",), ("odd.bin", "other.txt", "-o", "out")], ids=["one", "several"])
def test_a_binary_file_that_is_named_with_its_encoding_is_read(tmp_path, words):
    """Control characters throughout; without the encoding it is refused, or listed and left out."""
    raw = b"\x01\x02\x03\x04" * 20 + b" One line of odd text.\r\n"
    (tmp_path / "odd.bin").write_bytes(raw)
    (tmp_path / "other.txt").write_bytes(b"Another text.\n")
    said = dedupe("clean", *words, cwd=tmp_path, code=2)[1]
    assert "odd.bin: is binary: more than 30 % of its bytes are control characters; to read it" in said
    found, _ = dedupe("clean", *words, "--encoding", "latin-1", "-q", cwd=tmp_path)
    assert b"\x01\x02\x03\x04 One line" in (found or (tmp_path / "out" / "odd.bin").read_bytes())


def test_bad_rows_on_standard_input_are_listed_and_passed_through(tmp_path):
    raw = b"".join([*LINES[:5], *HOSTILE])
    found, said = dedupe("clean", "-", "--format", "jsonl", cwd=tmp_path, code=2, stdin=raw)
    assert found.splitlines()[5:9] == raw.splitlines()[5:9]
    assert "dedupe: -#5: is cut off or not JSON" in said
    fails = ("clean", "-", "--format", "jsonl", "--on-error", "fail")
    assert dedupe(*fails, cwd=tmp_path, code=2, stdin=raw)[0] == b""
