"""Patches made from removals must be taken, forwards and backwards, by the real git and the real GNU patch."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from report_samples import cleaned_of

from dedupe.config import Config
from dedupe.errors import LedgerMismatchError
from dedupe.pipeline import clean_documents
from dedupe.records import Document, Removal, Span
from dedupe.report import diff_of, unified_diff

NUMBERED = b"".join(b"line %d\n" % number for number in range(1, 41))


def _span(text: bytes, part: bytes, nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = text.index(part, start + 1)
    return start, start + len(part)


def _cut(text: bytes, *parts: bytes) -> tuple[bytes, list[Span]]:
    return text, [_span(text, part) for part in parts]


_UTF16 = "Titel\nErste Zeile ਊ\nગુજરાતી\nDritte Zeile\n".encode("utf-16")
CASES: dict[str, tuple[bytes, list[Span]]] = {
    "one line of several": _cut(NUMBERED, b"line 20\n"),
    "the first line": _cut(NUMBERED, b"line 1\n"),
    "the last line": _cut(NUMBERED, b"line 40\n"),
    "two hunks": _cut(NUMBERED, b"line 3\n", b"line 30\n"),
    "two changes whose contexts just meet": _cut(NUMBERED, b"line 10\n", b"line 17\n"),
    "two changes whose contexts just do not meet": _cut(NUMBERED, b"line 10\n", b"line 18\n"),
    "many hunks": _cut(NUMBERED, *(b"line %d\n" % number for number in range(2, 41, 9))),
    "a run of lines": _cut(NUMBERED, b"line 8\nline 9\nline 10\n"),
    "inside a line": _cut(b"alpha beta gamma\nnext\n", b"beta "),
    "two inside one line": _cut(b"one two three four\nnext\n", b"one ", b"three "),
    "from inside one line to inside another": _cut(b"one two\nthree four\nfive\n", b"two\nthree "),
    "the end of a line with its line end": _cut(b"one two\nthree\nfour\n", b" two\n"),
    "a line end alone": _cut(b"one\ntwo\nthree\n", b"\n"),
    "parts that make up a whole line": (b"a\none two\nb\n", [(2, 6), (6, 10)]),
    "end of a line and all of the next": (b"a b\nc\nd\n", [(1, 4), (4, 6)]),
    "no final newline, first line goes": _cut(b"one\ntwo\nthree", b"one\n"),
    "no final newline, last line goes": _cut(b"one\ntwo\nthree", b"three"),
    "no final newline, newline before it goes too": _cut(b"one\ntwo\nthree", b"\nthree"),
    "no final newline, inside the last line": _cut(b"one\ntwo three", b" three"),
    "the final newline alone": (b"one\ntwo\n", [(7, 8)]),
    "one line without newline, part": _cut(b"one line only", b"line "),
    "everything with newline": (b"one\ntwo\n", [(0, 8)]),
    "everything without newline": (b"one\ntwo", [(0, 7)]),
    "everything of one character": (b"x", [(0, 1)]),
    "all but an empty line": (b"one\n\ntwo\n", [(0, 4), (5, 9)]),
    "only empty lines": (b"\n\n\n\n\n", [(1, 3)]),
    "CRLF": _cut(b"one\r\ntwo\r\nthree\r\nfour\r\n", b"two\r\n"),
    "CRLF, no final newline": _cut(b"one\r\ntwo\r\nthree", b"\r\nthree"),
    "CR alone": _cut(b"one\rtwo\rthree\rfour\r", b"two\r"),
    "CR, LF and CRLF mixed": _cut(b"one\rtwo\nthree\r\nfour\r\r\nfive\n\rsix", b"three\r\n", b"\rsix"),
    "CRLF cut in two": (b"one\r\ntwo\r\nthree\r\n", [(4, 8)]),
    "U+2028, U+2029, U+0085, VT, FF": _cut(
        "a\u2028b\u2029c\x85d\ve\ff\ngoes\u2028too\nstays\n".encode(), "goes\u2028too\n".encode()
    ),
    "inside U+2028 lines": _cut("a\u2028b\u2028c\n".encode(), "b\u2028".encode()),
    "byte order mark goes with the first line": ("\ufeffone\ntwo\n".encode(), [(0, 7)]),
    "UTF-16": (_UTF16, [(2 + 12, 2 + 12 + 28)]),
    "UTF-16, big end first, odd cut": ("one\ntwo\nthree\n".encode("utf-16-be"), [(9, 16)]),
    "NUL bytes": _cut(b"one\0\ntwo\0two\nthree\0", b"two\0two\n"),
    "bytes that are not UTF-8": _cut(b"caf\xe9\nna\xefve\n\xff\xfe\xfd\n", b"na\xefve\n"),
    "lines that look like a diff": _cut(
        b"--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-- \n+++\n\\ No newline at end of file\ndiff --git a/x b/x\n \n",
        b"@@ -1,2 +1,2 @@\n", b"\\ No newline at end of file\n",
    ),
    "lines that look like a diff stay around a cut": _cut(
        b"--- x\n+++ y\n@@ -0,0 +1 @@\ngoes\n--- z\nIndex: q\n", b"goes\n"
    ),
    "no newline marker as the last line": _cut(b"goes\n\\ No newline at end of file", b"goes\n"),
    "trailing blanks and tabs": _cut(b"one  \n\t\n  \ntwo\t \n \n", b"two\t \n"),
    "many equal lines": (b"same\n" * 60, [(5 * number, 5 * number + 5) for number in range(20, 30)]),
    "every other equal line": (b"same\n" * 60, [(5 * number, 5 * number + 5) for number in range(0, 60, 2)]),
    "ten scripts": _cut(
        "Überschrift\nعنوان المقال\nכותרת\n標題一\n見出し\n제목\nशीर्षक\nหัวข้อ\nΤίτλος\nЗаголовок\n".encode(),
        "עותרת\n".replace("ע", "כ").encode(), "หัวข้อ\n".encode(),
    ),
    "a line of a megabyte": (b"a" * 500_000 + b"cut" + b"b" * 500_000 + b"\nnext\n", [(500_000, 500_003)]),
}  # fmt: skip
NAMES = [
    "page.txt", "with space.txt", " two  spaces .txt", "tab\there.txt", 'quo"te.txt', "back\\slash.txt", "naïve.txt",
    "标题/文章.txt", "-dash.txt", "a b/b c/d.txt", "b/b/b.txt", "semi;colon&$(x).txt", "\u202ebidi.txt",
    "caf\udce9.txt", "esc\x1b[31m.txt", "a => b.txt", "{curly}.txt", "#1.txt", "dev/null", "it's.txt",
]  # fmt: skip


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def _run(tool: str, arguments: list[str], folder: Path) -> bytes:
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    done = subprocess.run([_tool(tool), *arguments], cwd=folder, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout + done.stderr


def _round_trip(tool: str, folder: Path, files: dict[str, tuple[bytes, bytes]], patch: bytes) -> None:
    """Apply and take back a patch over files (original, cleaned) with nothing else in the folder, exactly in place."""
    tree = folder / "tree"
    (folder / "p.diff").write_bytes(patch)
    forwards = ["apply", "../p.diff"] if tool == "git" else ["-p1", "--fuzz=0", "-i", "../p.diff"]
    for options, before, after in (forwards, 0, 1), ([forwards[0], "-R", *forwards[1:]], 1, 0):
        for name, texts in files.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(texts[before])
        said = _run(tool, options, tree)
        assert b"offset" not in said, said
        assert b"fuzz" not in said, said
        found = {os.path.relpath(path, tree): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
        assert found == {os.path.normpath(name): texts[after] for name, texts in files.items()}, options


@pytest.mark.parametrize("tool", ["git", "patch"])
@pytest.mark.parametrize("case", CASES)
def test_real_tools_apply_the_patch_and_take_it_back(case: str, tool: str, tmp_path: Path) -> None:
    original, spans = CASES[case]
    record = cleaned_of(original, spans, doc="sub/page.txt", encoding="latin-1" if b"\xff" in original else "utf-8")
    _round_trip(tool, tmp_path, {"sub/page.txt": (original, record.cleaned)}, diff_of(record))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tool", ["git", "patch"])
def test_file_names_are_quoted_so_that_tools_find_the_file(name: str, tool: str, tmp_path: Path) -> None:
    original, spans = CASES["two hunks"]
    record = cleaned_of(original, spans, doc="page.txt")
    patch = unified_diff(original, record.cleaned, record.removals, name)
    _round_trip(tool, tmp_path, {name: (original, record.cleaned)}, patch)


_PIECES = [b"a", b"bb ", b"\n", b"\r\n", b"\r", b"\0", b"\xff", b"- ", b"\\ No", b"@@", b"\xe2\x80\xa8"]


@st.composite
def _texts_and_spans(draw: st.DrawFn) -> tuple[bytes, list[Span]]:
    pieces = draw(st.lists(st.sampled_from(_PIECES), max_size=40))
    text = b"".join(pieces)
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=12)))
    return text, list(zip(cuts[::2], cuts[1::2], strict=False))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_texts_and_spans(), min_size=8, max_size=20))
@pytest.mark.parametrize("tool", ["git", "patch"])
def test_any_cut_of_any_bytes_is_applied_and_taken_back(
    tool: str, tmp_path: Path, texts: list[tuple[bytes, list[Span]]]
) -> None:
    shutil.rmtree(tmp_path / "tree", ignore_errors=True)
    records = {f"d/{number}.txt": cleaned_of(*case, doc=f"d/{number}.txt") for number, case in enumerate(texts)}
    files = {name: (record.document.raw, record.cleaned) for name, record in records.items()}
    patch = b"".join(map(diff_of, records.values()))
    if patch:
        _round_trip(tool, tmp_path, files, patch)


def test_the_patch_reads_as_git_writes_it() -> None:
    record = cleaned_of(*CASES["no final newline, last line goes"], doc="page one.txt")
    assert diff_of(record) == (
        b"diff --git a/page one.txt b/page one.txt\n--- a/page one.txt\t\n+++ b/page one.txt\t\n"
        b"@@ -1,3 +1,2 @@\n one\n two\n-three\n\\ No newline at end of file\n"
    )


def test_an_emptied_file_is_named_by_the_line_before_as_diff_does() -> None:
    head, body = diff_of(cleaned_of(*CASES["everything with newline"])).split(b"@@ -", 1)
    assert body == b"1,2 +0,0 @@\n-one\n-two\n"
    assert b"deleted file" not in head
    assert b"@@ -1,4 +1,3 @@\n-line 1\n line 2\n" in diff_of(cleaned_of(*CASES["the first line"]))


def test_nothing_removed_gives_an_empty_patch() -> None:
    assert diff_of(cleaned_of(b"one\n", [])) == b""
    assert diff_of(cleaned_of(b"", [])) == b""


def test_a_leading_slash_is_dropped_so_that_the_patch_names_a_file_below() -> None:
    record = cleaned_of(b"one\ntwo\n", [(0, 4)])
    patch = unified_diff(b"one\ntwo\n", record.cleaned, record.removals, "/home/me/page.txt")
    assert patch.startswith(b"diff --git a/home/me/page.txt b/home/me/page.txt\n")


def test_removals_of_another_text_are_refused() -> None:
    record = cleaned_of(NUMBERED, [(0, 7)])
    with pytest.raises(LedgerMismatchError, match=r"page\.txt: taking the removals"):
        unified_diff(NUMBERED + b"more", record.cleaned, record.removals, "page.txt")
    with pytest.raises(LedgerMismatchError):
        unified_diff(b"", b"", record.removals, "page.txt")


@pytest.mark.parametrize(
    "unit", [b"word " * 20, b"word\n" * 20, b"w" * 99 + b"\n"], ids=["one line", "short lines", "long lines"]
)
def test_a_patch_of_twenty_thousand_removals_takes_time_in_proportion(unit: bytes) -> None:
    """Ten times the text may take thirty times the time at most; a search from each removal would take a hundred."""
    seconds = []
    for num_units in (2_000, 20_000):
        raw = unit * num_units
        record = cleaned_of(raw[: len(unit)], [(0, 5)])
        spans = [(at, at + 5) for at in range(0, len(raw), len(unit))]
        removals = [_moved(record.removals[0], span) for span in spans]
        cleaned = unit[5:] * num_units
        start = time.process_time()
        patch = unified_diff(raw, cleaned, removals, "page.txt")
        seconds.append(time.process_time() - start)
        assert patch.count(b"\n") > 3
    assert seconds[1] < 30 * seconds[0] + 0.2


def _moved(removal: Removal, span: Span) -> Removal:
    return replace(removal, place=replace(removal.place, byte=span))


@pytest.mark.parametrize("tool", ["git", "patch"])
@pytest.mark.parametrize("preset", ["careful", "thorough"])
def test_the_patch_of_every_golden_text_is_applied_and_taken_back(tool: str, preset: str, tmp_path: Path) -> None:
    """What the product really removes, all golden texts and the seed in one patch."""
    root = Path(__file__).parent
    paths = sorted([*root.glob("golden/*/*.txt"), *root.glob("golden/*/*/input.txt"), *root.glob("../seeds/*.txt")])
    texts = [path.read_bytes() for path in paths]
    documents = [Document(f"{number}.txt", f"{number}.txt", text, text) for number, text in enumerate(texts)]
    results = clean_documents(documents, Config(preset=preset))
    files = {each.document.uri: (each.document.raw, each.cleaned) for each in results if each.removals}
    assert len(files) > 20
    _round_trip(tool, tmp_path, files, b"".join(diff_of(each) for each in results if each.removals))
