"""The command as people run it: a process of its own in a folder of its own, its bytes, its words and its exit code."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import commands
import pytest
from scraped_texts import BRIDGE_BODY as _BODY
from scraped_texts import BRIDGE_HEADLINE as _HEADLINE
from scraped_texts import BRIDGE_PAGE as _DEBRIS

from dedupe.config import Config

_COMMAND = [sys.executable, "-m", "dedupe"]
_CLEAN = "\n\n".join([_HEADLINE, "By Ana Petrova", *_BODY]) + "\n"
_GONE_LINES = {"3", "11", "12", "14", "18"}
_GONE_FROM_LINES = {3, 11, 12, 14, 17}  # of the ledger: the blank line before the last goes with it


class Folder:
    """Run the command in a folder, and look at what is in it."""

    def __init__(self, path):
        self.path = path

    def put(self, name, content):
        """Write a file below the folder."""
        place = self.path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content if isinstance(content, bytes) else content.encode())
        return place

    def get(self, name):
        return (self.path / name).read_bytes()

    def run(self, *words, stdin=b"", code=0, **environment):
        """Run `dedupe` with these words; the exit code must be `code`, and a failure must not be a traceback."""
        done = commands.run(*words, cwd=self.path, env=environment_with(environment), stdin=stdin)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
        return done

    def snapshot(self):
        """Give every file's bytes, by name."""
        return {
            path.relative_to(self.path).as_posix(): path.read_bytes()
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }

    def fails(self, *words, code=2, says=(), stdin=b""):
        """Run what must fail: one line on stderr that has all of `says`, nothing on stdout, no file changed."""
        before = self.snapshot()
        done = self.run(*words, code=code, stdin=stdin)
        message = done.stderr.decode()
        assert message.startswith("dedupe: ")
        assert message.count("\n") == 1
        assert message.endswith("\n")
        assert done.stdout == b""
        for words_said in says:
            assert words_said in message
        assert self.snapshot() == before
        return message


def environment_with(changes):
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    path = os.pathsep.join(filter(None, (str(commands.ROOT), os.environ.get("PYTHONPATH"))))
    return {**environment, "PYTHONPATH": path, "COLUMNS": "120", **changes}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def cleaned_run(tmp_path_factory):
    """One text cleaned to a file, with the run's folder; tests that change it copy it first."""
    made = Folder(tmp_path_factory.mktemp("run"))
    made.put("bridge.txt", _DEBRIS)
    made.result = made.run("clean", "bridge.txt", "-o", "out.txt", "--report", "run", "--verbose")
    return made


@pytest.fixture
def copied_run(cleaned_run, tmp_path):
    shutil.copytree(cleaned_run.path, tmp_path, dirs_exist_ok=True)
    return Folder(tmp_path)


def rows(place, kind="removal"):
    return [row for row in map(json.loads, place.read_bytes().splitlines()) if row["type"] == kind]


# Where cleaned texts go.


def test_one_text_goes_to_standard_output_and_the_talk_does_not(folder):
    """stdout holds the cleaned bytes and nothing else; the input is as it was and nothing is written beside it."""
    folder.put("bridge.txt", _DEBRIS)
    done = folder.run("clean", "bridge.txt")
    assert done.stdout.decode() == _CLEAN
    assert done.stderr.decode().startswith("1 document, 5 removals, ")
    assert folder.snapshot() == {"bridge.txt": _DEBRIS.encode()}


def test_standard_input_goes_to_standard_output(folder):
    """"-" reads standard input, whatever its bytes; quiet says nothing."""
    raw = b"\xef\xbb\xbf" + _DEBRIS.replace("\n", "\r\n").encode() + b"\xff\x00\xfe end"
    done = folder.run("clean", "-", "--quiet", "--report", "run", stdin=raw)
    assert done.stderr == b""
    assert done.stdout.startswith(b"\xef\xbb\xbf" + _HEADLINE.encode() + b"\r\n\r\nBy Ana")
    assert folder.run("restore", "run", "--cleaned", "-", stdin=done.stdout).stdout == raw


def test_output_file_output_folder_and_in_place_hold_the_same_bytes(folder):
    """-o FILE, -o DIR for one text and --in-place all give what standard output gives."""
    folder.put("bridge.txt", _DEBRIS)
    folder.put("again.txt", _DEBRIS)
    os.chmod(folder.path / "again.txt", 0o640)
    assert folder.run("clean", "bridge.txt", "-o", "made/out.txt").stdout == b""
    assert folder.run("clean", "bridge.txt", "-o", "results").stdout == b""
    assert folder.run("clean", "again.txt", "--in-place").stdout == b""
    assert folder.get("made/out.txt") == folder.get("results/bridge.txt") == folder.get("again.txt") == _CLEAN.encode()
    assert (folder.path / "again.txt").stat().st_mode & 0o777 == 0o640
    assert folder.get("bridge.txt") == _DEBRIS.encode()


def test_in_place_leaves_a_text_without_repeats_alone(folder):
    """A file from which nothing goes is not written again, and -o has a copy of it."""
    place = folder.put("good.txt", _CLEAN)
    folder.put("b/bad.txt", _DEBRIS)
    before = place.stat().st_mtime_ns, place.stat().st_ino
    done = folder.run("clean", "good.txt", "b", "--in-place", "--report", "run")
    assert (place.stat().st_mtime_ns, place.stat().st_ino) == before
    assert b"2 documents, 5 removals" in done.stderr
    assert folder.get("b/bad.txt") == _CLEAN.encode()
    folder.run("restore", "run", "--in-place")
    assert folder.get("b/bad.txt") == _DEBRIS.encode()
    assert folder.get("good.txt") == _CLEAN.encode()


def test_a_folder_of_texts_goes_to_a_folder(folder):
    """Files keep their place below the folder; hidden and binary ones are left out and said so."""
    folder.put("in/a/bridge.txt", _DEBRIS)
    folder.put("in/b.txt", "A text that says something of its own and nothing twice.\n")
    folder.put("in/.hidden.txt", _DEBRIS)
    folder.put("in/image.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    done = folder.run("clean", "in", "-o", "out")
    assert set(folder.snapshot()) - {"in/a/bridge.txt", "in/b.txt", "in/.hidden.txt", "in/image.png"} == {
        "out/a/bridge.txt", "out/b.txt",
    }  # fmt: skip
    assert folder.get("out/a/bridge.txt") == _CLEAN.encode()
    assert b"left out in/.hidden.txt: is hidden" in done.stderr
    assert b"left out in/image.png: " in done.stderr


def test_the_run_folder_holds_ledger_and_reports(cleaned_run):
    """The ledger has a line for each removal, with the lines of the original that went."""
    run = cleaned_run.path / "run"
    assert {path.name for path in run.iterdir()} == {"removals.jsonl", "report.md", "report.html"}
    removals = rows(run / "removals.jsonl")
    assert {row["line"][0] for row in removals} == _GONE_FROM_LINES
    assert rows(run / "removals.jsonl", "summary")[0]["num_removals"] == 5
    assert cleaned_run.get("out.txt") == _CLEAN.encode()
    assert (run / "report.html").read_bytes()[:15].lower() == b"<!doctype html>"
    assert all(row["id"] in (run / "report.md").read_text("utf-8") for row in removals)


def test_verbose_shows_every_removal_on_stderr(cleaned_run):
    """The table is talk, not data, and has a row for each removal with its line and rule."""
    table = cleaned_run.result.stderr.decode()
    found = re.findall(r"^-   (\S+) +(\d+) ", table, re.MULTILINE)
    assert {line for _, line in found} == _GONE_LINES
    assert found[0] == ("repeated-block", "3")
    assert table.rstrip().splitlines()[-1].endswith("; report in run")
    assert cleaned_run.result.stdout == b""


# Diff and check.


@pytest.mark.parametrize(
    "text", [_DEBRIS, _DEBRIS.replace("\n", "\r\n"), _DEBRIS.rstrip("\n"), "\ufeff" + _DEBRIS + "\x1b[31m\x00é"],
    ids=["lf", "crlf", "no-last-line-end", "hostile"],
)  # fmt: skip
def test_diff_is_taken_back_by_git_and_patch(folder, text):
    """--diff prints a patch and sets exit code 1; `git apply -R` and `patch -R` turn cleaned text to original."""
    raw = text.encode()
    folder.put("in/bridge.txt", raw)
    patch = folder.run("clean", "in/bridge.txt", "--diff", code=1).stdout
    cleaned = folder.run("clean", "in/bridge.txt").stdout
    folder.put("change.patch", patch)
    for tool in (["git", "apply", "-R"], ["patch", "--binary", "-s", "-R", "-p1", "-i"]):
        folder.put("in/bridge.txt", cleaned)
        subprocess.run([*tool, "change.patch"], cwd=folder.path, check=True, capture_output=True,
                       env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.path.parent)})
        assert folder.get("in/bridge.txt") == raw


def test_diff_of_several_texts_is_one_patch(folder):
    """Texts without a change have no part in the patch, and several files need no -o."""
    for name in ("one.txt", "two.txt"):
        folder.put(name, _DEBRIS)
    folder.put("three.txt", _CLEAN)
    patch = folder.run("clean", "one.txt", "three.txt", "two.txt", "--diff", code=1).stdout.decode()
    assert re.findall(r"^\+\+\+ b/(.*)$", patch, re.MULTILINE) == ["one.txt", "two.txt"]
    assert folder.run("clean", "three.txt", "--diff").stdout == b""


def test_check_says_by_its_exit_code_alone_that_something_would_go(folder):
    """--check writes nothing; 1: something would go, 0: nothing."""
    folder.put("bad.txt", _DEBRIS)
    folder.put("good.txt", _CLEAN)
    before = folder.snapshot()
    assert folder.run("clean", "bad.txt", "--check", code=1).stdout == b""
    assert folder.run("clean", "good.txt", "--check", "-q").stderr == b""
    assert folder.run("clean", "good.txt", "bad.txt", "--check", code=1).stdout == b""
    assert folder.snapshot() == before


# Errors: one line that says what to do, the right exit code, nothing overwritten.


def test_a_missing_file_is_named_with_the_names_near_it(folder):
    folder.put("bridge.txt", _DEBRIS)
    folder.fails("clean", "bridges.txt", "-o", "out.txt", says=["bridges.txt: no such file or folder", "bridge.txt"])
    folder.fails("clean", "*.md", says=["*.md: no file matches this pattern"])


def test_a_place_where_no_folder_can_be_is_named(folder):
    """`-o` and `--report` below a file."""
    folder.put("taken", "x")
    folder.put("news.jsonl", '{"text": "A text."}\n')
    folder.fails("clean", "news.jsonl", "-o", "taken/out", says=["taken/out: no folder can be made there"])
    folder.fails("clean", "news.jsonl", "-o", "out", "--report", "taken/run", says=["taken/run: no folder can be made"])


def test_a_folder_without_text_says_what_to_give(folder):
    folder.put("in/.hidden", "x")
    folder.put("in/image.png", b"\x89PNG\r\n\x1a\n\x00\x01")
    done = folder.run("clean", "in", "-o", "out", code=2)
    assert b"dedupe: in: the folder has no text to clean" in done.stderr
    assert b"name a file" in done.stderr.splitlines()[-1]
    assert not (folder.path / "out").exists()


def test_a_file_that_cannot_be_read_says_why(folder):
    """A file in place of a folder, and one without leave to read where leave is asked for at all."""
    place = folder.put("bridge.txt", _DEBRIS)
    folder.fails("clean", "bridge.txt/inner.txt", says=["cannot be read", "check the path"])
    if os.geteuid():
        place.chmod(0)
        done = folder.run("clean", "bridge.txt", code=2)
        assert b"check who may read it" in done.stderr


def test_an_unreadable_file_among_others_is_listed_and_the_others_go_on(folder):
    """--on-error skip (the default) cleans the rest and exits with 2; fail stops and writes nothing."""
    folder.put("bad.txt", b"\x89PNG\r\n\x1a\n\x00\x01")
    folder.put("bridge.txt", _DEBRIS)
    done = folder.run("clean", "bad.txt", "bridge.txt", "--in-place", "--report", "run", code=2)
    assert re.search(rb"^dedupe: bad\.txt: ", done.stderr, re.MULTILINE)
    assert folder.get("bridge.txt") == _CLEAN.encode()
    assert rows(folder.path / "run" / "removals.jsonl", "error")[0]["uri"] == "bad.txt"
    folder.put("bridge.txt", _DEBRIS)
    folder.fails("clean", "bad.txt", "bridge.txt", "--in-place", "--on-error", "fail", says=["bad.txt: "])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--preset", "brave"], ["preset is 'brave'", "careful, standard, thorough"]),
        (["--min-confidence", "3"], ["min_confidence is 3.0", "at most 1"]),
        (["--min-confidence", "much"], ["--min-confidence", "not a valid float"]),
        (["--encoding", "klingon"], ["encoding is 'klingon'", "utf-8"]),
        (["--on-error", "cry"], ["on_error is 'cry'", "skip, fail"]),
        (["--near-duplicates", "eat"], ["near_duplicates is 'eat'", "report, drop, off"]),
        (["--memory", "lots"], ["--memory is 'lots'", "2GB"]),
        (["--jobs", "0"], ["--jobs", "--help"]),
        (["--wat"], ["No such option: --wat", "clean --help"]),
        (["--diff", "--check"], ["exclude each other"]),
        (["-o", "bridge.txt"], ["bridge.txt: is an input and would be overwritten", "--in-place"]),
        (["-o", "./link.txt"], ["is an input and would be overwritten"]),
        (["--report", "bridge.txt"], ["bridge.txt: is a file", "--report"]),
        (["-o", "other.txt/out.txt"], ["other.txt/out.txt: cannot be written"]),
        (["other.txt"], ["2 texts found", "-o DIR or --in-place"]),
        (["other.txt", "-o", "other.txt"], ["other.txt: is a file", "folder"]),
        (["-", "--in-place"], ["--in-place cannot write to standard input"]),
        (["--config", "none.toml"], ["none.toml: cannot be read", "--config"]),
        (["--config", "broken.toml"], ["broken.toml: is not valid TOML", "line 2"]),
        (["--config", "unknown.toml"], ["unknown.toml: unknown setting 'presett', near to 'preset'", "preset"]),
        (["--config", "effort.toml"], ["effort.toml: 'jobs' is no setting", "--jobs"]),
        (["--config", "table.toml"], ["table.toml: [tool.dedupe] is for pyproject.toml", "at the top"]),
        (["--config", "value.toml"], ["value.toml: min_confidence is 'high'", "number"]),
        (["--config", "pattern.toml"], ["pattern.toml: protect has '('", "regular expression"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].startswith("-") else "",
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line_and_nothing_is_written(folder, words, says):
    folder.put("bridge.txt", _DEBRIS)
    folder.put("other.txt", _CLEAN)
    folder.put("broken.toml", 'preset = "careful"\nkeep = "x\n')
    folder.put("unknown.toml", 'presett = "standard"\n')
    folder.put("effort.toml", "jobs = 2\n")
    folder.put("table.toml", '[tool.dedupe]\npreset = "standard"\n')
    folder.put("value.toml", 'min_confidence = "high"\n')
    folder.put("pattern.toml", 'protect = ["("]\n')
    (folder.path / "link.txt").symlink_to("bridge.txt")
    folder.fails("clean", "bridge.txt", *words, says=says)


def test_no_words_show_the_help_and_a_wrong_command_names_the_near_one(folder):
    done = folder.run(code=2)
    assert b"Usage:" in done.stdout + done.stderr
    folder.fails("clen", says=["No such command 'clen'", "clean", "--help"])
    folder.fails("clean", says=["Missing argument", "--help"])


# Back again.


def test_restore_gives_the_original_to_stdout_a_file_a_folder_and_in_place(copied_run):
    """Wherever the original goes, it is the same bytes."""
    assert copied_run.run("restore", "run").stdout == _DEBRIS.encode()
    assert copied_run.run("restore", "run/removals.jsonl", "-o", "back.txt").stdout == b""
    copied_run.run("restore", "run", "-o", "back")
    copied_run.run("restore", "run", "--in-place")
    assert copied_run.get("back.txt") == copied_run.get("back/bridge.txt") == copied_run.get("out.txt")
    assert copied_run.get("out.txt") == _DEBRIS.encode()
    copied_run.run("restore", "run", "--in-place")  # what is the original already stays so
    assert copied_run.get("out.txt") == _DEBRIS.encode()


def test_restore_by_id_puts_back_only_that(copied_run):
    removals = rows(copied_run.path / "run" / "removals.jsonl")
    share, headline = (next(row for row in removals if row["line"][0] == line) for line in (14, 3))
    text = copied_run.run("restore", "run", "--id", share["id"], "--id", headline["id"]).stdout.decode()
    assert text == _DEBRIS.replace("Also read:\nhttps://example.org/mill-road-closed\n\n", "").removesuffix(
        f"\n{_HEADLINE}\n"
    )
    copied_run.fails("restore", "run", "--id", "r000000000000", says=["r000000000000: no such removal", "report"])


def test_a_text_that_went_to_standard_output_is_restored_from_where_it_is_said_to_be(folder):
    folder.put("bridge.txt", _DEBRIS)
    cleaned = folder.run("clean", "bridge.txt", "--report", "run").stdout
    folder.fails("restore", "run", says=["went to standard output", "--cleaned FILE"])
    folder.put("kept.txt", cleaned)
    assert folder.run("restore", "run", "--cleaned", "kept.txt").stdout == _DEBRIS.encode()
    assert folder.run("restore", "run", "--cleaned", "-", stdin=cleaned).stdout == _DEBRIS.encode()
    folder.run("restore", "run", "--cleaned", "kept.txt", "--in-place")
    assert folder.get("kept.txt") == _DEBRIS.encode()


def test_several_documents_are_restored_to_a_folder(folder):
    folder.put("in/one.txt", _DEBRIS)
    folder.put("in/deep/two.txt", _DEBRIS + "\nTwo.\n")
    folder.run("clean", "in", "--in-place", "--report", "run")
    folder.fails("restore", "run", says=["2 documents", "-o DIR or --in-place"])
    folder.run("restore", "run", "-o", "back")
    assert folder.get("back/in/one.txt") == _DEBRIS.encode()
    assert folder.get("back/in/deep/two.txt") == _DEBRIS.encode() + b"\nTwo.\n"


def test_a_cleaned_file_edited_by_hand_is_not_restored(copied_run):
    """Exit code 3; the edited file stays as it is, in place and elsewhere, whole and by id."""
    copied_run.put("out.txt", _CLEAN + "A line by hand.\n")
    some = rows(copied_run.path / "run" / "removals.jsonl")[0]["id"]
    for words in ([], ["--in-place"], ["-o", "back.txt"], ["--id", some, "--in-place"]):
        copied_run.fails("restore", "run", *words, code=3, says=["out.txt: is not the text that was written"])


def test_one_edited_file_keeps_all_of_a_run_from_being_restored(folder):
    for name in ("a.txt", "b.txt", "c.txt"):
        folder.put(name, _DEBRIS)
    folder.run("clean", "a.txt", "b.txt", "c.txt", "--in-place", "--report", "run")
    folder.put("b.txt", _CLEAN + "!")
    folder.fails("restore", "run", "--in-place", code=3, says=["b.txt: is not the text"])


def test_the_ledger_of_another_file_is_refused(copied_run):
    copied_run.put("other.txt", _CLEAN.replace("mill", "dam"))
    copied_run.fails("restore", "run", "--cleaned", "other.txt", "-o", "back.txt", code=3, says=["the same run"])


def test_an_edited_ledger_is_refused(copied_run):
    """Words changed in the ledger do not come back as the original."""
    ledger = copied_run.get("run/removals.jsonl")
    copied_run.put("run/removals.jsonl", ledger.replace(b"Share this article", b"Share that article"))
    copied_run.fails("restore", "run", "-o", "back.txt", code=3, says=["the ledger"])


@pytest.mark.parametrize("command", [["restore"], ["report"], ["explain"]], ids=" ".join)
def test_what_is_no_ledger_is_said_to_be_none(folder, command):
    folder.put("empty/x.txt", "x")
    folder.put("cut/removals.jsonl", '{"type":"run","schema":"removals/1","config":{}}\n{"type":"doc","do')
    folder.put("later/removals.jsonl", '{"type":"run","schema":"removals/9","config":{}}\n')
    folder.put("none.jsonl", "one\n")
    extra = ["r0"] if command == ["explain"] else []
    folder.fails(*command, "empty", *extra, says=["no such ledger", "--report"])
    folder.fails(*command, "cut", *extra, says=["removals.jsonl: line 2", "cut off"])
    folder.fails(*command, "later", *extra, says=["removals/9", "removals/1"])
    folder.fails(*command, "none.jsonl", *extra, says=["none.jsonl"])


# Reports and explanations.


def test_every_format_shows_every_removal(copied_run):
    """table, markdown, csv, sarif and patch go to stdout, or to -o; html to a file."""
    ids = {row["id"] for row in rows(copied_run.path / "run" / "removals.jsonl")}
    table = copied_run.run("report", "run").stdout.decode()
    assert set(re.findall(r"^-   \S+ +(\d+) ", table, re.MULTILINE)) == _GONE_LINES
    assert "by rule: cue 2, repeated-block 2, cue-continuation 1" in table
    assert max(map(len, table.splitlines())) <= 120
    records = list(csv.DictReader(io.StringIO(copied_run.run("report", "run", "-f", "csv").stdout.decode("utf-8-sig"))))
    assert {record["id"] for record in records} == ids
    sarif = json.loads(copied_run.run("report", "run", "--format", "sarif").stdout)
    assert len(sarif["runs"][0]["results"]) == 5
    markdown = copied_run.run("report", "run", "--format", "markdown", "-o", "again.md")
    assert markdown.stdout == b""
    assert copied_run.get("again.md") == copied_run.get("run/report.md")
    copied_run.put("bridge.txt", _CLEAN)
    copied_run.put("p", copied_run.run("report", "run", "--format", "patch").stdout)
    subprocess.run(["patch", "-s", "-R", "-p1", "-i", "p"], cwd=copied_run.path, check=True)
    assert copied_run.get("bridge.txt") == _DEBRIS.encode()
    copied_run.run("report", "run", "--format", "html", "-o", "again.html")
    assert copied_run.get("again.html")[:15].lower() == b"<!doctype html>"
    copied_run.fails("report", "run", "--format", "html", says=["-o report.html"])
    copied_run.fails("report", "run", "--format", "word", says=["--format is 'word'", "sarif"])


def test_explain_shows_a_removal_beside_its_kept_copy_with_the_evidence(copied_run):
    removal = next(row for row in rows(copied_run.path / "run" / "removals.jsonl") if row["line"][0] == 17)
    shown = copied_run.run("explain", "run", removal["id"]).stdout.decode()
    assert f"{removal['id']}: repeated-block, removed" in shown
    assert "what was kept: line 1" in shown
    assert shown.count(_HEADLINE) == 2
    assert all(reason["name"] in shown for reason in removal["evidence"])
    copied_run.fails("explain", "run", "r0", says=["r0: no such removal", "dedupe report"])


# Settings.


def test_flags_win_over_a_config_file_and_that_over_the_nearest_one(folder):
    """dedupe.toml of a folder above counts, --config replaces it, a flag wins over both."""
    folder.put("in/bridge.txt", _DEBRIS)
    folder.put("dedupe.toml", "min_confidence = 1.0\nprotect = ['^Share']\n")
    folder.put("in/other.toml", 'preset = "standard"\n')
    inner = Folder(folder.path / "in")

    def used(*words):
        inner.run("clean", "bridge.txt", "--check", "-q", "--report", "run", *words, code=1)
        return rows(inner.path / "run" / "removals.jsonl", "run")[0]["config"]

    nearest, given, both = used("--min-confidence", "0.9"), used("--config", "other.toml"), used("--preset", "thorough",
        "--config", "other.toml")  # fmt: skip
    assert (nearest["min_confidence"], nearest["protect"], nearest["preset"]) == (0.9, ["^Share"], "careful")
    assert (given["min_confidence"], given["protect"], given["preset"]) == (None, [], "standard")
    assert both["preset"] == "thorough"
    (folder.path / "dedupe.toml").unlink()
    folder.put("pyproject.toml", "[tool.dedupe]\nmin-confidence = 0.999\n")
    done = inner.run("clean", "bridge.txt")
    assert b"Share this article" in done.stdout


def test_every_setting_is_described(folder):
    """docs/settings.md has a row for each field of Config, with its default, and none else; `hosts` is a table."""
    settings = (commands.ROOT / "docs" / "settings.md").read_text("utf-8")
    described = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", settings, re.M))
    defaults = {item.name: getattr(Config(), item.name) for item in fields(Config)}
    assert defaults["hosts"] == ()
    assert described == {name: json.dumps(value) for name, value in {**defaults, "hosts": {}}.items()}


@pytest.mark.parametrize("command", ["clean", "report", "restore", "explain"])
def test_help_mentions_each_option_once(folder, command):
    """The help of a command lists every option, with words of what it does."""
    text = folder.run(command, "--help", TERMINAL_WIDTH="200").stdout.decode()
    listed = re.findall(r"^│ +(?:\* +)?(--[a-z-]+)", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    expected = {
        "clean": {"--output", "--in-place", "--report", "--diff", "--check", "--preset", "--config", "--jobs",
                  "--quiet", "--verbose", "--min-confidence", "--encoding", "--on-error", "--resume", "--memory"},
        "report": {"--format", "--output"},
        "restore": {"--output", "--in-place", "--cleaned", "--id"},
        "explain": set(),
    }[command]  # fmt: skip
    assert {*expected, "--help"} <= set(listed)


def test_version_and_shell_completion_are_printed(folder):
    assert re.fullmatch(rb"dedupe \d+\.\d+\.\d+\n", folder.run("--version").stdout)
    # the shell is known by the process that asks
    asked = f"{sys.executable} -m dedupe --show-completion; exit $?"
    done = subprocess.run(["bash", "-c", asked], capture_output=True, env=environment_with({}), check=True)
    assert b"complete -o default -F" in done.stdout
    words = {"COMP_WORDS": "dedupe cl", "COMP_CWORD": "1", "_DEDUPE_COMPLETE": "complete_bash"}
    script = "from dedupe.cli import main; import sys; sys.argv[0] = 'dedupe'; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment_with(words), check=False)
    assert done.stdout.split() == [b"clean"]


# Interrupts and closed pipes.


@pytest.mark.parametrize("words", [["-o", "out.txt"], ["--report", "run"]], ids=" ".join)
def test_an_interrupt_ends_with_130_and_leaves_nothing_half_done(folder, words):
    """Ctrl-C while the text comes in: no traceback, no output, no temporary file.

    What runs in a shell's background ignores Ctrl-C, and so do its children unless a handler stands between.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen([*_COMMAND, "clean", "-", *words], cwd=folder.path, env=environment_with({}),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            process.stdin.write(_DEBRIS.encode() * 1000)  # more than a pipe holds: once written, the command reads
            process.stdin.flush()
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            process.kill()
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()
    assert folder.snapshot() == {}


def test_a_pipe_closed_early_is_quiet(folder):
    """`| head -1` ends the command without a word, for texts and for reports."""
    folder.put("long.txt", "".join(f"Line {number} says something of its own: {number * 7919}.\n" for number in
                                   range(50_000)))  # fmt: skip
    folder.put("bridge.txt", "\n".join(_DEBRIS.replace("council", f"council {number}") for number in range(300)))
    folder.run("clean", "bridge.txt", "-o", "out.txt", "--report", "run", "--min-confidence", "0.1", "-q")
    for words in ("clean long.txt -q", "report run --format csv", "report run"):
        script = f"set -o pipefail; {sys.executable} -m dedupe {words} | head -n 1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", script], cwd=folder.path, capture_output=True, env=environment_with({}),
                              timeout=120, check=False)
        assert done.stderr == b"", words
        assert done.stdout.splitlines()[-1] == b"0", words


def test_a_pipe_that_closes_behind_the_messages_ends_no_run(folder):
    """`2>&1 | head -1` of texts cleaned in place: all of them are, the ledger is there, and so is the exit code."""
    texts = {f"in/{number}.txt": _DEBRIS.replace("council", f"council {number}").encode() for number in range(40)}
    for name, text in texts.items():
        folder.put(name, text)
    command = f"{sys.executable} -m dedupe clean in --in-place --report run --verbose --fail-on-undecided"
    script = f"{command} 2>&1 | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], cwd=folder.path, capture_output=True, env=environment_with({}),
                          timeout=120, check=False)  # fmt: skip
    assert done.stdout.splitlines()[-1] == b"1"
    assert not any(folder.get(name) == text for name, text in texts.items())
    folder.run("restore", "run", "--in-place")
    assert all(folder.get(name) == text for name, text in texts.items())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_standard_output_is_one_line_on_stderr(folder):
    """Whichever command prints, and however little: no traceback, exit code 2."""
    folder.put("bridge.txt", _DEBRIS)
    folder.run("clean", "bridge.txt", "-o", "out.txt", "--report", "run", "--min-confidence", "0.1", "-q")
    folder.run("index", "build", "bridge.txt", "-o", "kept")
    for words in ("clean bridge.txt", "report run --format csv", "report run", "restore run", "learn bridge.txt",
                  "index info kept", "index query kept bridge.txt", "clean bridge.txt --diff"):  # fmt: skip
        with open("/dev/full", "wb") as full:
            done = subprocess.run([*_COMMAND, *words.split()], cwd=folder.path, stdout=full, stderr=subprocess.PIPE,
                                  env=environment_with({}), check=False)  # fmt: skip
        assert done.returncode == 2, words
        assert done.stderr.startswith(b"dedupe: "), words
        assert b"No space left on device" in done.stderr, words
        assert done.stderr.count(b"\n") == 1, words


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_streams_that_are_closed_are_empty_and_no_file_takes_their_place(folder, closed):
    """Nothing of what would go to a closed stream lands in the output or anywhere else."""
    folder.put("script", f"{sys.executable} -m dedupe clean - -o out.txt --report run -v {closed}")
    done = subprocess.run(["bash", "script"], cwd=folder.path, input=_DEBRIS.encode(), capture_output=True,
                          env=environment_with({}), check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    expected = b"" if closed == "<&-" else folder.run("clean", "-", stdin=_DEBRIS.encode()).stdout
    assert (folder.path / "out.txt").read_bytes() == expected


def test_a_name_that_is_no_utf_8_is_cleaned_and_reported(folder):
    name = b"caf\xe9.txt"
    with contextlib.suppress(OSError):  # not every file system takes such a name
        (folder.path / os.fsdecode(name)).write_text(_DEBRIS)
        folder.run("clean", name, "--report", "run", "-q")
        folder.run("report", "run", "--format", "html", "-o", "again.html")
        for page in (folder.path / "run" / "report.html", folder.path / "again.html"):
            assert "caf" in page.read_text("utf-8")


def test_records_and_texts_in_files_whose_names_are_no_utf_8_are_cleaned_reviewed_and_restored(folder):
    """The outputs have such names too, and the ledger has them with escapes that JSON libraries refuse."""
    with contextlib.suppress(OSError):  # not every file system takes such a name
        name = os.fsdecode(b"\xff\xfe.jsonl")
        record = (json.dumps({"text": _DEBRIS}) + "\n").encode()
        (folder.path / "in").mkdir()
        (folder.path / "in" / name).write_bytes(record)
        (folder.path / "in" / os.fsdecode(b"caf\xe9.txt")).write_text(_CLEAN)
        folder.run("clean", "in", "-o", "out", "--report", "run", "-q")
        assert "Also read" in (folder.path / "run" / "report.html").read_text("utf-8")
        assert b"accept: 2 removals" in folder.run("decide", "run", "--accept", "--rule", "cue").stderr
        folder.run("restore", "run", "-o", "back")
        assert (folder.path / "out" / name).read_bytes() != record
        assert (folder.path / "back" / name).read_bytes() == record


def test_a_broken_archive_is_named(folder):
    """Records before the break are cleaned, the others are told of with the file's name."""
    lines = b"".join(b'{"text": "line %d of the records"}\n' % number for number in range(500))
    folder.put("cut.jsonl.gz", gzip.compress(lines)[:-200])
    folder.put("whole.jsonl", lines)
    done = folder.run("clean", "cut.jsonl.gz", "whole.jsonl", "-o", "out", code=2)
    assert b"dedupe: cut.jsonl.gz: the compressed file is broken or cut off" in done.stderr
    done = folder.run("index", "build", "cut.jsonl.gz", "whole.jsonl", "-o", "kept", code=2)
    assert b"dedupe: cut.jsonl.gz: the compressed file is broken or cut off" in done.stderr


# Hostile text on a terminal.

_HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x85\u202eexe\u2066\u200bx\ud800"
_OURS = re.compile(r"\x1b\[(?:0|1|33|34)m")
_PROGRESS = re.compile(r"\x1b\[(?:\?25[lh]|1A|2K|[0-9;]*m)")
_ACTING = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def from_nothing(*words, cwd, env, streams):
    """Start a command as commands.start does, in a process that loads all it needs."""
    stdin, stdout, stderr = streams
    return subprocess.Popen([*_COMMAND, *words], cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, env=env).wait


def on_a_terminal(folder, *words, start=commands.start, **environment):
    """Run the command with all its streams on a pseudo-terminal; gives what reached it and the exit code."""
    leader, follower = pty.openpty()
    environment = environment_with({"TERM": "xterm", **environment})
    wait = start(*words, cwd=folder.path, env=environment, streams=(follower, follower, follower))
    os.close(follower)
    pieces = []
    while True:
        if not select.select([leader], [], [], 120)[0]:
            pytest.fail("the command hangs")
        try:
            piece = os.read(leader, 65_536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(leader)
    return b"".join(pieces).decode("utf-8", "surrogateescape"), wait()


@pytest.fixture
def hostile(folder):
    """A text with control sequences in what goes, in what is kept and in the file's name."""
    bad = _HOSTILE.encode("utf-8", "surrogatepass")
    name = "news\x1b]0;owned\x07\x1b[2J\u202etxt.txt"
    text = _DEBRIS.encode().replace(_HEADLINE.encode(), _HEADLINE.encode() + b" " + bad)
    folder.put(name, text.replace(b"Also read:\n", b"Also read:\n" + bad + b"\n"))
    return folder, name


def test_no_control_character_of_a_text_reaches_the_terminal(hostile):
    """-v, report and explain show hostile text in pictures, with colors only where they are wanted."""
    folder, name = hostile
    words = ("clean", name, "-o", "out.txt", "--report", "run", "-v")
    shown, code = on_a_terminal(folder, *words, start=from_nothing)
    assert code == 0
    removals = rows(folder.path / "run" / "removals.jsonl")
    assert len(removals) >= 3
    shown += on_a_terminal(folder, "report", "run", NO_COLOR="1")[0]
    for row in removals:
        explained, code = on_a_terminal(folder, "explain", "run", row["id"], NO_COLOR="1")
        assert (code, _ACTING.findall(explained)) == (0, [])
    assert _ACTING.findall(_OURS.sub("", shown)) == []
    assert "owned" in shown
    assert "␛" in shown
    colored, code = on_a_terminal(folder, "report", "run")
    assert code == 0
    assert _OURS.search(colored)
    assert _ACTING.findall(_OURS.sub("", colored)) == []


def test_no_control_character_of_a_name_reaches_the_terminal(hostile):
    """Errors and remarks name hostile files in pictures: missing, edited, left out, unknown."""
    folder, name = hostile
    paragraphs = "\n\n".join(_BODY)
    folder.put(f"thrice{name}", f"{paragraphs}\n\n{paragraphs}\n\n{paragraphs}\n\nA last line of {_HOSTILE[:-1]}.\n")
    folder.put(f"in/{name}", _DEBRIS)
    folder.put(f"in/.{name}", _DEBRIS)
    folder.put(f"in/{name}.html", "<p>x</p>")
    folder.put("in/plain.txt", _CLEAN)
    folder.run("clean", name, "-o", name + ".out.txt", "--report", "run" + name)
    folder.put(name + ".out.txt", "edited")
    for words, expected in [
        (("clean", name + "x"), 2),
        (("clean", f"thrice{name}", "-o", "out.txt"), 0),
        (("clean", f"thrice{name}", "--check", "-v"), 1),
        (("clean", "in", "-o", "out"), 0),
        (("clean", name, "-o", name), 2),
        (("clean", name, "--preset", name), 2),
        (("clean", name, "--config", name), 2),
        (("clean", name, "--encoding", name), 2),
        (("clean", name, "--" + name), 2),
        ((name,), 2),
        (("restore", "run" + name), 3),
        (("explain", "run" + name, name), 2),
        (("report", "run" + name, "-f", name), 2),
        (("report", name), 2),
    ]:
        shown, code = on_a_terminal(folder, *words, NO_COLOR="1")
        assert (words[0], code, _ACTING.findall(_PROGRESS.sub("", shown))) == (words[0], expected, []), shown


def test_no_color_wins_and_a_pipe_has_none(copied_run):
    """A terminal gets colors, unless NO_COLOR is set; files and pipes get none."""
    assert "\x1b[1m" in on_a_terminal(copied_run, "report", "run", start=from_nothing)[0]
    assert "\x1b" not in on_a_terminal(copied_run, "report", "run", start=from_nothing, NO_COLOR="1")[0]
    assert b"\x1b" not in copied_run.run("report", "run").stdout


# Records.


def test_records_of_json_lines_go_to_a_folder(folder):
    """Other fields stay byte for byte, bad rows pass through and are listed with their place, the code is 2."""
    lines = [
        json.dumps({"id": 7, "text": _DEBRIS, "other": "\u00e9\u2028"}, ensure_ascii=True),
        '{"id": 8, "text": "A text of its own.",   "other" : 1.50}',
        '{"id": 9, "text": 3}',
        "not json",
        json.dumps({"id": 10, "text": "Something else altogether, said once."}),
    ]
    folder.put("news.jsonl", "\n".join(lines) + "\n")
    done = folder.run("clean", "news.jsonl", "-o", "out", "--report", "run", code=2)
    written = folder.get("out/news.jsonl").decode().split("\n")
    assert [written[row] for row in (1, 2, 3, 4)] == lines[1:]
    assert json.loads(written[0]) == {"id": 7, "text": _CLEAN, "other": "\u00e9\u2028"}
    assert r'"other": "\u00e9\u2028"' in written[0]
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("dedupe: ")]
    assert len(errors) == 2
    assert errors[0].startswith("dedupe: news.jsonl#2: ")
    assert errors[1].startswith("dedupe: news.jsonl#3: ")
    assert {row["record"] for row in rows(folder.path / "run" / "removals.jsonl", "error")} == {2, 3}
    assert {row["doc"] for row in rows(folder.path / "run" / "removals.jsonl")} == {"news.jsonl#0"}


def test_records_need_a_folder(folder):
    folder.put("news.jsonl", json.dumps({"text": _DEBRIS}) + "\n")
    folder.fails("clean", "news.jsonl", says=["records", "-o DIR"])
    folder.fails("clean", "news.jsonl", "--in-place", says=["--in-place"])
    folder.fails("clean", "news.jsonl", "--diff", says=["--diff"])
    folder.run("clean", "news.jsonl", "--check", "-q", code=1)
