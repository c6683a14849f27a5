"""From a run to decisions and back: the review, decide, compare and gates as commands, and ledgers of all schemas."""

from __future__ import annotations

import hashlib
import http.cookiejar
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import commands
import pytest
from scraped_texts import BRIDGE_BODY
from scraped_texts import BRIDGE_HEADLINE as _HEADLINE
from test_review_browser import browser  # noqa: F401 - a fixture

from dedupe.cli import _say_totals
from dedupe.compare import Comparison, lines_of
from dedupe.decisions import Decision, append_decisions, read_decisions
from dedupe.errors import ConfigError, InputError
from dedupe.gates import Gates, failures, make_gates, read_baseline
from dedupe.ledgers import FORMATS, compare_runs, restore_run, write_report
from dedupe.report import read_ledger
from dedupe.review.texts import Originals
from dedupe.runs import RunTotals

_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(commands.ROOT), "COLUMNS": "120", "NO_COLOR": "1"}
_LEDGERS = Path(__file__).parent / "ledgers"
_NAMES = sorted(path.relative_to(_LEDGERS).as_posix() for path in _LEDGERS.glob("*/*.jsonl"))
_BODY = BRIDGE_BODY[:2]
_OWN = [
    [
        "The ferry between the islands will not sail on Sundays this winter, because its second engine waits for a "
        "part that is made in one yard only, and the yard has more orders than hands.",
        "Travelers can take the bus to the northern pier and a smaller boat from there, which leaves four times a day "
        "and takes no cars. Bicycles are allowed where there is room, the company writes, and dogs go for free.",
    ],
    [
        "A painter from the valley shows forty pictures of the harbor in the old customs house, most of them in gray "
        "and green, which is how she remembers the years when the cranes still worked.",
        "The show is open until the end of the month, and school classes come in without paying. Two of the largest "
        "pictures were lent by a bank, the others are for sale, and a catalog is being printed now.",
    ],
]
_TEXT = "\n\n".join(
    [_HEADLINE, _HEADLINE, _BODY[0], "Also read:\nhttps://example.org/mill-road-closed", "Share this article", _BODY[1]]
) + "\n"  # fmt: skip


class Folder:
    """Run the command in a folder."""

    def __init__(self, path):
        self.path = path

    def command(self, *words):
        return [sys.executable, "-m", "dedupe", *words], {"cwd": self.path, "env": _ENVIRONMENT}

    def run(self, *words, code=0, stdin=b""):
        done = commands.run(*words, cwd=self.path, env=_ENVIRONMENT, stdin=stdin)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.returncode == code, (done.returncode, done.stdout.decode(), done.stderr.decode())
        return done

    def get(self, name):
        return (self.path / name).read_text("utf-8")

    def removals(self, name="run"):
        return [each for entry in read_ledger(self.path / name / "removals.jsonl").entries for each in entry.removals]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = Folder(tmp_path_factory.mktemp("run"))
    (folder.path / "bridge.txt").write_text(_TEXT, newline="")
    folder.run("clean", "bridge.txt", "-o", "out.txt", "--report", "run")
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made.path, tmp_path, dirs_exist_ok=True)
    return Folder(tmp_path)


def share_of(folder, name="run"):
    return next(each for each in folder.removals(name) if "Share this" in each.text)


def verdicts_in(path):
    return [each.verdict for each in read_decisions(path).lines]


# The round: clean, decide, clean again, restore.


def test_decisions_made_in_the_app_hold_in_the_next_run_and_the_original_comes_back(folder):
    """A browser's requests to the real server; then clean --decisions, twice; then restore."""
    command, options = folder.command("review", "run")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options) as server:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", server.stderr.readline())[0]
            origin = address.partition("/?")[0]
            browser = urllib.request.build_opener(
                urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()), urllib.request.ProxyHandler({})
            )
            assert b"<html" in browser.open(address, timeout=20).read()
            only = {"q": "share", "kind": ["removed"]}

            def ask(question, **asked):
                request = urllib.request.Request(
                    f"{origin}/api/{question}", json.dumps(asked).encode(), {"Origin": origin}
                )
                return json.loads(browser.open(request, timeout=20).read())

            row = ask("rows", filter=only)[0]
            member = ask("members", filter=only, cluster=row["key"])["items"][0]
            assert member["removed"]["before"].endswith("mill-road-closed\n\n")  # the original was rebuilt
            assert ask("bulk", filter=only, verdict="reject") == 1
            assert verdicts_in(folder.path / "run" / "decisions.jsonl") == ["reject"]
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=20)
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    says = folder.run(
        "clean", "bridge.txt", "-o", "out2.txt", "--report", "run2", "--decisions", "run/decisions.jsonl"
    ).stderr.decode()
    assert "matched nothing" not in says
    assert folder.get("out2.txt") == folder.get("out.txt").replace(_BODY[1], "Share this article\n\n" + _BODY[1])
    again = folder.run("clean", "out2.txt", "--decisions", "run/decisions.jsonl")
    assert again.stdout.decode() == folder.get("out2.txt")
    assert folder.run("restore", "run2").stdout.decode() == _TEXT
    assert '"verdict":"reject"' in folder.get("run2/report.html")


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium leaves sockets to the collector
def test_decisions_saved_from_the_html_file_hold_in_the_next_run(browser, tmp_path):  # noqa: F811 - the fixture
    """In Chromium: reject everything that went from the seed, save, apply: not a byte goes."""
    work = Folder(tmp_path)
    shutil.copy(commands.ROOT / "seeds" / "000_76ba97706a32af6b.txt", tmp_path / "seed.txt")
    work.run("clean", "seed.txt", "-o", "out.txt", "--report", "run")
    saved = browser.downloads / "decisions.jsonl"
    saved.unlink(missing_ok=True)
    browser.open((tmp_path / "run" / "report.html").as_uri())
    browser.keys("R")
    browser.until("return document.querySelector('#dialog').open")
    browser.js("document.querySelector('#dialog button[value=yes]').click()")
    browser.until("return !document.querySelector('#progress').textContent.startsWith('0 of')")
    browser.click("#save")
    command = browser.until("return document.querySelector('#dialog .command')?.textContent")
    assert command == "dedupe clean seed.txt -o out.txt --report run --decisions decisions.jsonl"
    end = time.monotonic() + 10
    while not saved.exists() and time.monotonic() < end:
        time.sleep(0.05)
    shutil.move(saved, tmp_path / "decisions.jsonl")
    done = work.run(*command.split()[1:])
    assert b"matched nothing" not in done.stderr
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "seed.txt").read_bytes()
    assert len(verdicts_in(tmp_path / "decisions.jsonl")) > 3


def test_the_report_names_the_command_that_obeys_its_decisions(folder):
    """The command that was called, with the file that the page saves in place of the one it had."""
    append_decisions(folder.path / "old.jsonl", [Decision(verdict="defer", fingerprint=share_of(folder).fingerprint)])
    folder.run("clean", "bridge.txt", "-o", "b.txt", "--decisions", "old.jsonl", "--report", "run2")
    page = folder.get("run2/report.html")
    assert "dedupe clean bridge.txt -o b.txt --report run2 --decisions decisions.jsonl" in page
    folder.run("report", "run", "--format", "html", "-o", "r.html")
    assert "dedupe clean PATH --report run --decisions decisions.jsonl" in folder.get("r.html")


def test_the_report_written_again_begins_with_the_decisions_beside_it(folder):
    """Who goes on with a review sees what was decided."""
    folder.run("decide", "run", "--reject", "--search", "share")
    folder.run("report", "run", "--format", "html", "-o", "r.html")
    assert f'"verdict":"reject","fingerprint":"{share_of(folder).fingerprint}"' in folder.get("r.html")


def test_questions_in_the_terminal(folder):
    """--prompt asks about each passage; the answers are in the file, and the count is said."""
    done = folder.run("review", "run", "--prompt", "--decisions", "mine.jsonl", stdin=b"n\nq\n")
    assert b"May it go?" in done.stdout
    assert b"removal" in done.stderr
    assert verdicts_in(folder.path / "mine.jsonl") == ["reject"]


# decide


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--rule", "cue"], {"Also read:", "Share this article"}),
        (["--rule", "cue", "--search", "share"], {"Share this article"}),
        (["--max-lost-words", "0"], {_HEADLINE}),
        (["--rule", "cue", "--rule", "repeated-block", "--min-confidence", "0.95"], {_HEADLINE}),
        (["--host", "example.org"], set()),
        (["--host", ""], {_HEADLINE, "Also read:", "https://example.org/mill-road-closed", "Share this article"}),
    ],
)
def test_filters_of_decide(folder, words, texts):
    """Each filter narrows; --dry-run prints the lines and writes nothing."""
    done = folder.run("decide", "run", "--accept", *words, "--dry-run")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["text"] for line in lines} == texts
    assert {line["verdict"] for line in lines} <= {"accept"}
    assert not (folder.path / "run" / "decisions.jsonl").exists()
    assert f"accept: {len(texts)} removal".encode() in done.stderr
    assert done.stderr.endswith(b"would be written\n")


def test_decide_by_fingerprint_and_by_id_with_a_scope(folder):
    """A line has the scope that is asked for, its target, and the bounds of what was seen."""
    share, headline = share_of(folder), next(each for each in folder.removals() if each.text.strip() == _HEADLINE)
    done = folder.run("decide", "run", "--swap", "--fingerprint", headline.fingerprint, "--scope", "document")
    assert done.stderr == b"swap: 1 removal, 1 line written to run/decisions.jsonl\n"
    folder.run("decide", "run", "--accept", "--id", share.id, "--scope", "removal")
    one, two = read_decisions(folder.path / "run" / "decisions.jsonl").lines
    assert (one.verdict, one.scope, one.doc) == ("swap", "document", "bridge.txt")
    assert (two.verdict, two.scope, two.removal) == ("accept", "removal", share.id)
    assert two.max_lost_words == share.num_words_lost


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["decide", "run"], "--accept"),
        (["decide", "run", "--accept", "--reject"], "one of"),
        (["decide", "run", "--accept", "--scope", "site"], "--scope"),
        (["decide", "run", "--accept", "--id", "r000000000000"], "no such removal"),
        (["decide", "run", "--accept", "--rule", "cues"], "--rule is 'cues'; expected one of repeated-block"),
        (["decide", "run", "--accept", "--min-confidence", "95"], "--min-confidence is 95.0; expected a number"),
        (["clean", "bridge.txt", "--against-mode", "retroactive"], "--against-mode is for --against"),
        (["clean", "bridge.txt", "--decisions", "run/removals.jsonl"], "line 1: is of a ledger"),
        (["decide", "run", "--swap"], "3 of 4 cannot be swapped (3: it has no copy that stays)"),
        (["decide", "nowhere", "--accept"], "no such ledger"),
        (["clean", "bridge.txt", "--decisions", "nowhere.jsonl"], "cannot be read"),
        (["clean", "bridge.txt", "--decisions", "bridge.txt"], "line 1"),
        (["clean", "bridge.txt", "--fail-over", "a lot"], "--fail-over"),
        (["clean", "bridge.txt", "--fail-over", "120%"], "--fail-over"),
        (["clean", "bridge.txt", "--fail-on-new", "nowhere"], "nowhere"),
        (["clean", "bridge.txt", "--fail-on-new", "bridge.txt"], "neither"),
        (["compare", "run", "nowhere"], "no such ledger"),
        (["review", "nowhere"], "no such ledger"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(folder, words, says):
    """Nothing is written and stdout stays empty."""
    before = sorted(path for path in folder.path.rglob("*") if path.suffix != ".sqlite")
    done = folder.run(*words, code=2)
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert done.stdout == b""
    assert sorted(path for path in folder.path.rglob("*") if path.suffix != ".sqlite") == before


def test_a_copy_in_another_document_is_not_swapped(tmp_path):
    """A swap takes nothing from another document, so both copies would stay: it is refused, and reject is named."""
    folder, passage = Folder(tmp_path), " ".join(_BODY)
    (tmp_path / "texts").mkdir()
    for number, own in enumerate(_OWN):
        (tmp_path / "texts" / f"{number}.txt").write_text(f"{own[0]}\n\n{passage}\n\n{own[1]}\n")
    clean = ["clean", "texts", "-o", "out", "--shared-passages", "keep-first", "--near-duplicates", "off", "-q"]
    folder.run(*clean, "--report", "run")
    (removal,) = [each for each in folder.removals() if each.rule == "shared-passage"]
    assert removal.kept.doc != removal.place.doc
    done = folder.run("decide", "run", "--swap", "--id", removal.id, code=2)
    assert b"its copy stands in another document" in done.stderr
    assert b"reject" in done.stderr
    assert not (tmp_path / "run" / "decisions.jsonl").exists()
    asked = folder.run("review", "run", "--prompt", stdin=b"s\nq\n")
    assert b"Nothing to swap: its copy stands in another document" in asked.stdout
    folder.run("decide", "run", "--reject", "--id", removal.id)
    folder.run(*clean, "--report", "again", "--decisions", "run/decisions.jsonl")
    assert folder.removals("again") == []


def test_decisions_that_match_nothing_are_listed(folder):
    """On stderr with their target and text, controls made visible, and with their number in the last line."""
    lines = [
        Decision(
            verdict="accept", fingerprint="p1:00000000000000aa", scope="host", host="example.org", text="Ad\x1b[31m"
        ),
        Decision(verdict="reject", fingerprint=share_of(folder).fingerprint),
    ]  # fmt: skip
    append_decisions(folder.path / "d.jsonl", lines)
    says = folder.run("clean", "bridge.txt", "-o", "b.txt", "--decisions", "d.jsonl").stderr.decode().splitlines()
    assert says[0].startswith("dedupe: matched nothing: accept p1:00000000000000aa host example.org")
    assert "\x1b" not in says[0]
    assert "1 decision matched nothing" in says[-1]


# Gates


def test_gates_of_clean(folder):
    """Each says one line and the exit code is 1; the text is written all the same; without a report too."""
    gates = ["--fail-over", "10%", "--fail-over", "run=0.1", "--fail-on-undecided"]
    shut = folder.run("clean", "bridge.txt", *gates, code=1)
    assert shut.stdout.decode() == folder.get("out.txt")
    says = [line for line in shut.stderr.decode().splitlines() if line.startswith("dedupe: --fail")]
    assert [line.split()[1] for line in says] == ["--fail-over", "--fail-over", "--fail-on-undecided:"]
    assert "bridge.txt" in says[0]
    folder.run("clean", "bridge.txt", "--fail-over", "90%", "--fail-over", "run=90%", "--fail-on-new", "run")
    new = folder.run("clean", "bridge.txt", "--preset", "thorough", "--fail-on-new", "run", code=0)
    assert b"--fail-on-new" not in new.stderr
    folder.run("decide", "run", "--accept", "--rule", "cue")
    said = folder.run("clean", "bridge.txt", "--fail-on-new", "run/decisions.jsonl", code=1).stderr.decode()
    assert "--fail-on-new: run/decisions.jsonl does not have 2 removals (2 different), the first r" in said


def test_nothing_is_undecided_when_all_is_decided(folder):
    """Accepted removals are decided, and so is what a swap takes."""
    folder.run("decide", "run", "--accept")
    folder.run("clean", "bridge.txt", "--decisions", "run/decisions.jsonl", "--fail-on-undecided")


def test_a_gate_reads_the_shares_of_a_corpus(tmp_path):
    """The document of which most went is named; the share of the run is of all bytes."""
    work = Folder(tmp_path)
    (tmp_path / "in").mkdir()
    for number in range(3):
        body = f"{_BODY[0]} It is number {number}." * (1 if number == 1 else 9)
        (tmp_path / "in" / f"{number}.txt").write_text(f"Share this article\n\n{body}\n\n", newline="")
    says = work.run("clean", "in", "-o", "out", "--fail-over", "5%", code=1).stderr.decode()
    assert "more went from 1 document, most from in/1.txt" in says
    assert not list(tmp_path.glob("**/.dedupe-work"))
    work.run("clean", "in", "-o", "out", "--fail-over", "run=5%", "--resume", code=2)


def test_shares_as_people_write_them():
    """Per cent or a fraction, of any document or of the run."""
    assert make_gates(["20%"], False, None) == Gates(max_document_fraction=0.2)
    assert make_gates(["run=0.05", "1"], True, None) == Gates(
        max_run_fraction=0.05, max_document_fraction=1.0, undecided=True
    )
    assert not make_gates([], False, None)
    for wrong in ("", "%", "-5%", "101%", "run=2", "5%%"):
        with pytest.raises(ConfigError, match="--fail-over"):
            make_gates([wrong], False, None)


def test_a_withdrawn_decision_is_no_baseline(tmp_path):
    """Only what stands counts; a file of other lines is refused."""
    path = tmp_path / "d.jsonl"
    said = [("accept", "p1:aa"), ("reject", "p1:bb"), ("withdraw", "p1:aa")]
    append_decisions(path, [Decision(verdict=verdict, fingerprint=name) for verdict, name in said])
    assert read_baseline(str(path)) == {"p1:bb"}
    path.write_bytes(b"[1]\n")
    with pytest.raises(InputError):
        read_baseline(str(path))


# compare


def test_compare_shows_what_a_decision_changed(folder):
    """One removal fewer, by document, with a summary; a run compared with itself is the same."""
    folder.run("decide", "run", "--reject", "--search", "share")
    folder.run("clean", "bridge.txt", "-o", "out2.txt", "--report", "run2", "--decisions", "run/decisions.jsonl")
    done = folder.run("compare", "run", "run2", code=1)
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "bridge.txt"
    assert lines[1].startswith(f"  - {share_of(folder).id} line 10 cue 0.9")
    assert lines[2:] == [
        "1 of 1 document differs; 3 removals are the same",
        "only in the first run:  1 (cue 1)",
        "only in the second run: none",
    ]
    assert folder.run("compare", "run2", "run", code=1).stdout.decode().splitlines()[1].startswith("  + ")
    assert b"0 of 1 document differ" in folder.run("compare", "run", "run").stdout


def test_compare_finds_documents_in_any_order():
    """Two ledgers may list the same documents in other orders; those of one run only are told."""
    entries = read_ledger(_LEDGERS / "removals-1" / "tree.jsonl").entries
    same = Comparison()
    assert list(same.differences(entries, reversed(entries))) == []
    assert same.num_documents == len(entries)
    assert same.num_same == sum(len(entry.removals) for entry in entries)
    fewer = Comparison()
    found = list(fewer.differences(entries, entries[1:]))
    assert [(each.doc, each.note) for each in found] == [(entries[0].row.doc, "is in the first run only")]


def test_compare_shows_no_control_characters():
    """Texts are hostile."""
    entries = read_ledger(_LEDGERS / "removals-1" / "broken.jsonl").entries
    bare = [type(entry)(entry.row, (), entry.kept) for entry in entries]
    shown = [line for found in Comparison().differences(entries, bare) for line in lines_of(found)]
    assert len(shown) == 1 + len(entries[0].removals)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", "".join(shown))


# Ledgers of every released schema


@pytest.fixture
def old(tmp_path, monkeypatch):
    shutil.copytree(_LEDGERS, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "removals-1")
    return tmp_path


def test_there_are_ledgers_of_every_kind():
    """A test over an empty list would prove nothing."""
    assert {Path(name).stem for name in _NAMES} >= {"seed", "crlf", "japanese", "broken", "latin", "tree"}


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("form", FORMATS)
def test_old_ledgers_are_reported_in_every_format(old, name, form):
    """The first removal's document is in it; the page holds the fingerprint of every passage."""
    ledger = read_ledger(old / name)
    write_report(str(old / name), form, str(old / "made"))
    text = (old / "made").read_bytes()
    assert text
    if form in ("csv", "sarif"):
        assert ledger.entries[0].row.uri.encode() in text


@pytest.mark.parametrize("name", _NAMES)
def test_old_ledgers_are_restored(old, name):
    """Every document comes back with the hash the ledger has; single removals too."""
    entries = read_ledger(old / name).entries
    assert sum(len(entry.removals) for entry in entries) > 5
    assert restore_run(str(old / name), None, [], str(old / "back"), False, None) == len(entries)
    for entry in entries:
        raw = (old / "back" / entry.row.uri).read_bytes()
        assert hashlib.sha256(raw).hexdigest() == entry.row.sha256_before
        assert Originals(old / name)[entry.row.doc] == raw


@pytest.mark.parametrize("name", _NAMES)
def test_old_ledgers_are_compared_and_pass_gates(old, name):
    """Equal to themselves; nothing in them is new to them."""
    with open(os.devnull, "wb") as nowhere:
        assert compare_runs(str(old / name), str(old / name), nowhere) is False
    known = read_baseline(str(old / name))
    assert failures(old / name, Gates(known=known)) == []
    assert len(failures(old / name, Gates(known=frozenset(), undecided=True, max_document_fraction=0.01))) == 3


def test_what_the_guard_held_back_is_told_apart_from_what_people_accepted(capsys):
    """And a run that took nothing says 0.0%, without a sign."""
    totals = RunTotals(num_documents=2, num_bytes_before=10, num_bytes_after=10, guarded=[("a.txt", 0), ("b.txt", 2)])
    _say_totals(totals, False, None)
    said = capsys.readouterr().err
    assert "a.txt: left as it was; most of its prose would have gone" in said
    assert "b.txt: only what people accepted went, 2 removals; most of its prose" in said
    assert said.endswith("10 -> 10 bytes (0.0%)\n")


@pytest.mark.parametrize(("columns", "width"), [("140", 140), ("90", 90), (None, 100)])
def test_the_table_of_a_run_is_as_wide_as_it_is_told(folder, columns, width):
    """COLUMNS counts, and where nothing tells a width it is 100."""
    command, options = folder.command("clean", "bridge.txt", "--verbose")
    options["env"] = {name: value for name, value in options["env"].items() if name != "COLUMNS"}
    options["env"] |= {} if columns is None else {"COLUMNS": columns}
    said = subprocess.run(command, capture_output=True, text=True, check=True, **options).stderr
    widest = max(len(line) for line in said.splitlines())
    assert width - 12 <= widest <= width


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_standard_output_on_a_full_disk_is_one_line(folder):
    command, options = folder.command("clean", "bridge.txt")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, **options)
    assert done.returncode == 2
    assert done.stderr == "dedupe: standard output: cannot be written: No space left on device; give -o FILE\n"
