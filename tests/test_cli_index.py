"""The commands of `dedupe index`: data on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import json
import os
import random

import commands
import pytest
from corpus_samples import as_lines, prose, records


def run(folder, *words, stdin=b""):
    environment = {**os.environ, "NO_COLOR": "1", "TERMINAL_WIDTH": "200"}
    return commands.run("index", *words, cwd=folder, env=environment, stdin=stdin)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    made = records(20, seed=1)
    (folder / "a.jsonl").write_bytes(b"".join(as_lines(made[:15])))
    (folder / "b.jsonl").write_bytes(b"".join(as_lines(made[15:])))
    return folder


def test_an_index_is_built_grows_answers_forgets_and_is_described(work):
    built = run(work, "build", "a.jsonl", "-o", "kept")
    assert (built.returncode, built.stdout, built.stderr) == (0, b"", b"15 documents in kept\n")
    added = run(work, "add", "kept", "b.jsonl")
    assert (added.returncode, added.stderr) == (0, b"20 documents in kept (+5)\n")
    found = run(work, "query", "kept", "b.jsonl", "--max-matches", "1")
    rows = [json.loads(line) for line in found.stdout.splitlines()]
    assert (found.returncode, found.stderr, len(rows)) == (0, b"", 5)
    for row in rows:
        [match] = row["matches"]
        assert (match["resemblance"], match["same_text"]) == (1.0, True)
    removed = run(work, "remove", "kept", "--id", "doc-00000", "--id", "nobody")
    assert removed.returncode == 2
    assert b"no document is called 'nobody'" in removed.stderr
    assert b"1 document removed, 19 documents in kept" in removed.stderr
    (work / "ids.txt").write_bytes(b"doc-00001\ndoc-00002\n\n")
    assert run(work, "remove", "kept", "--ids-from", "ids.txt").returncode == 0
    assert run(work, "compact", "kept").stderr == b"17 documents in 1 segment\n"
    told = run(work, "info", "kept", "--check")
    assert json.loads(told.stdout)["num_docs"] == 17


def test_info_tells_of_a_site_its_documents_and_what_recurs_on_them(work):
    """The frame of its pages, counted as a run would; not their articles, and not another site's frame."""
    chance = random.Random(4)
    made = [
        {"id": f"{host}-{number}", "url": f"https://www.{host}.org/{number}",
         "text": f"{host} Daily Courier\n\n{prose(chance, 'en', 60)}\n\nSubscribe to the {host} letter today"}
        for host in ("one", "two") for number in range(8)
    ]  # fmt: skip
    (work / "sites.jsonl").write_bytes(b"".join(as_lines(made)))
    run(work, "build", "sites.jsonl", "-o", "of-sites")
    run(work, "remove", "of-sites", "--id", "one-3")
    for name in ("one.org", "www.one.org"):
        told = run(work, "info", "of-sites", "--site", name)
        assert (told.returncode, told.stderr) == (0, b"")
        row = json.loads(told.stdout)
        assert (row["site"], row["num_docs"]) == (name, 7)
        assert [(each["text"], each["num_docs"], each["position"]) for each in row["templates"]] == [
            ("Subscribe to the one letter today", 7, "foot"), ("one Daily Courier", 7, "head"),
        ]
    none = run(work, "info", "of-sites", "--site", "three.example")
    assert (none.returncode, none.stdout) == (2, b"")
    assert b"no document is of 'three.example'" in none.stderr


def test_bad_records_are_listed_and_the_others_are_kept(work):
    (work / "bad.jsonl").write_bytes(b'{"text": "a good one"}\nnot json\n')
    built = run(work, "build", "bad.jsonl", "-o", "of-bad")
    assert built.returncode == 2
    assert b"bad.jsonl#1: " in built.stderr
    assert b"1 document in of-bad" in built.stderr


@pytest.mark.parametrize(("words", "message"), [
    (["query", "nothing", "a.jsonl"], b"no kept index here"),
    (["build", "a.jsonl", "-o", "a.jsonl"], b"is a file"),
    (["build", "a.jsonl", "-o", "a.jsonl/below"], b"cannot be made: Not a directory"),
    (["build", "missing.jsonl", "-o", "new"], b"no such file"),
    (["remove", "kept"], b"nothing to remove"),
    (["add", "a.jsonl", "b.jsonl"], b"cannot be read"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(work, words, message):
    done = run(work, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_settings_that_do_not_agree_are_refused(work):
    (work / "other.toml").write_text("num_perm = 64\n")
    run(work, "build", "a.jsonl", "-o", "agreed")
    done = run(work, "query", "agreed", "b.jsonl", "--config", "other.toml")
    assert done.returncode == 2
    assert b"num_perm is 128 in the index and 64 now" in done.stderr
