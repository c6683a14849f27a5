"""The report is one file that loads nothing, runs nothing it did not bring, and holds every removal of its ledger."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from ledger_samples import HOSTILE_TEXTS, write_ledger

from dedupe.errors import DedupeError, InputError
from dedupe.review.html import MODULES, bundle, front_file, html_report
from dedupe.review.ledger import decode_document

_BLOCK = re.compile(r'<script type="application/(json|gzip)" id="island-([a-z]+)(?:-(\d+))?">([^<]*)</script>')


def islands(page: str) -> dict[str, Any]:
    """Return the data blocks of a page, chunks joined in their order."""
    found: dict[str, Any] = {}
    for kind, name, number, body in _BLOCK.findall(page):
        value = json.loads(gzip.decompress(base64.b64decode(body)) if kind == "gzip" else body)
        if number:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found


class Tags(HTMLParser):
    """Collect what a browser would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("report")
    texts = write_ledger(folder / "removals.jsonl", 12, seed=3, hostile=True)
    html_report(
        folder / "removals.jsonl", texts, folder / "report.html", title="<b>\u202e&", command="dedupe clean </script>"
    )
    return (folder / "report.html").read_text("utf-8"), folder / "removals.jsonl", texts


def test_the_page_loads_nothing_and_its_scripts_are_named_by_hash(hostile: tuple[str, Path, dict[str, bytes]]) -> None:
    page = hostile[0]
    tags = Tags()
    tags.feed(page)
    assert not [attrs for _, attrs in tags.found if {"src", "srcset", "action", "background"} & set(attrs)]
    assert not [
        tag for tag, _ in tags.found if tag in ("link", "iframe", "img", "object", "embed", "base", "form", "svg")
    ]
    assert not [name for _, attrs in tags.found for name in attrs if name.startswith("on") or name == "style"]
    policy = next(attrs["content"] for tag, attrs in tags.found if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    style, script = (
        re.search(pattern, page, re.S) for pattern in (r"<style>(.*?)</style>", r'<script type="module">(.*?)</script>')
    )
    assert style is not None
    assert script is not None
    for found, directive in ((style, "style-src"), (script, "script-src")):
        digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_every_row_of_the_ledger_is_in_the_page(hostile: tuple[str, Path, dict[str, bytes]]) -> None:
    page, ledger, _ = hostile
    found = islands(page)
    strings = [text for chunk in found["strings"] for text in chunk]
    columns = found["core"]["removals"]
    ids = re.findall("." * 12, columns["id"])
    rows = [row for row in map(json.loads, ledger.read_bytes().split(b"\n")[:-1]) if row["type"] in ("removal", "kept")]
    assert len(rows) == len(ids)
    for at, row in enumerate(rows):
        assert "r" + ids[at] == row["id"]
        assert found["core"]["docs"]["name"][columns["doc"][at]] == row["doc"]
        raw = row["text"].encode() if "text" in row else base64.b64decode(row["text_base64"])
        expected = re.sub("[\ud800-\udfff]", "\ufffd", raw.decode("utf-8", "surrogateescape"))
        assert strings[columns["text"][at]] == expected
    for text in HOSTILE_TEXTS.values():
        assert text in {string.rstrip("\n") for string in strings}


def test_spans_point_at_the_removed_and_the_kept_text(hostile: tuple[str, Path, dict[str, bytes]]) -> None:
    """Positions count code points, in documents with characters beyond the basic plane and with broken bytes too."""
    found = islands(hostile[0])
    core, columns = found["core"], found["core"]["removals"]
    strings = [text for chunk in found["strings"] for text in chunk]
    num_kept = 0
    for at, doc in enumerate(columns["doc"]):
        chunk, place = core["docs"]["at"][doc]
        start = columns["char_start"][at]
        assert (
            found["documents"][chunk][place][start : start + columns["num_chars"][at]] == strings[columns["text"][at]]
        )
        if columns["kept_equal"][at]:
            kept = found["documents"][core["docs"]["at"][columns["kept_doc"][at]][0]][
                core["docs"]["at"][columns["kept_doc"][at]][1]
            ]
            first = columns["kept_char_start"][at]
            assert kept[first : first + columns["kept_num_chars"][at]].strip() == strings[columns["text"][at]].strip()
            num_kept += 1
    assert num_kept > 5


def test_without_texts_the_page_shows_what_the_ledger_holds(tmp_path: Path) -> None:
    write_ledger(tmp_path / "l.jsonl", 4)
    html_report(tmp_path / "l.jsonl", None, tmp_path / "r.html")
    found = islands((tmp_path / "r.html").read_text("utf-8"))
    assert "documents" not in found
    assert found["contexts"] == {}
    assert any(text.startswith("Subscribe") for chunk in found["strings"] for text in chunk)


def test_documents_that_do_not_fit_leave_their_context(tmp_path: Path) -> None:
    """A page has a budget; what surrounds a removal is worth more than the rest of its document."""
    texts = write_ledger(tmp_path / "l.jsonl", 30)
    html_report(tmp_path / "l.jsonl", texts, tmp_path / "r.html", max_text_chars=60_000)
    found = islands((tmp_path / "r.html").read_text("utf-8"))
    core = found["core"]
    without = [at for at, doc in enumerate(core["removals"]["doc"]) if not core["docs"]["at"][doc]]
    assert 0 < len(without) < len(core["removals"]["doc"])
    first = next(iter(found["contexts"]))
    assert int(first) in without
    doc = texts[core["docs"]["name"][core["removals"]["doc"][int(first)]]].decode()
    assert found["contexts"][first][0] in doc
    assert found["contexts"][first][1] in doc


def test_the_same_ledger_gives_the_same_bytes(tmp_path: Path) -> None:
    texts = write_ledger(tmp_path / "l.jsonl", 5)
    for name in ("a", "b"):
        html_report(tmp_path / "l.jsonl", dict(reversed(texts.items())), tmp_path / name, title="t")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_table_without_scripts_is_escaped_and_bounded(tmp_path: Path) -> None:
    texts = write_ledger(tmp_path / "l.jsonl", 90, hostile=True)
    html_report(tmp_path / "l.jsonl", texts, tmp_path / "r.html")
    table = re.search("<noscript>.*?</noscript>", (tmp_path / "r.html").read_text("utf-8"), re.S)
    assert table is not None
    assert table.group().count("<tr>") == 501
    assert "&lt;script&gt;window.__pwned" in table.group()
    assert "invoice [U+202E]gnp.exe" in table.group()


def test_an_empty_run_is_a_page_too(tmp_path: Path) -> None:
    (tmp_path / "l.jsonl").write_text('{"type":"run","schema":"removals/1"}\n{"type":"summary","num_removals":0}\n')
    assert html_report(tmp_path / "l.jsonl", {}, tmp_path / "r.html") > 10_000


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (b'{"type":"run","schema":"removals/1"}\n{"type":"rem', "line 2: not a row"),
        (b'{"type":"run","schema":"removals/9"}\n', "removals/9"),
        (b"[1]\n", "line 1"),
        (b'{"type":"doc","doc":"\xff"}\n', "line 1"),
    ],
)
def test_a_ledger_that_cannot_be_read_is_named(tmp_path: Path, lines: bytes, said: str) -> None:
    (tmp_path / "l.jsonl").write_bytes(lines)
    with pytest.raises(InputError, match=said):
        html_report(tmp_path / "l.jsonl", {}, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.jsonl"):
        html_report(tmp_path / "nothing.jsonl", {}, tmp_path / "r.html")
    write_ledger(tmp_path / "l.jsonl", 2)
    with pytest.raises(DedupeError, match="cannot be written"):
        html_report(tmp_path / "l.jsonl", {}, tmp_path / "l.jsonl" / "r.html")
    with pytest.raises(InputError, match="decisions, line 1"):
        html_report(tmp_path / "l.jsonl", {}, tmp_path / "r.html", decisions=b"{")


def test_the_modules_share_one_scope_without_a_clash() -> None:
    """The page joins the modules into one script: a name may be given only once, only known names are imported."""
    given: dict[str, str] = {}
    for module in MODULES:
        source = front_file(module)
        names = re.findall(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", source, re.M)
        names += [name for more in re.findall(r"^let (\w+(?:, \w+)+);", source, re.M) for name in more.split(", ")[1:]]
        for name in names:
            assert name not in given, f"{name} is in {given[name]} and in {module}"
            given[name] = module
    for module in (*MODULES, "http.js"):
        for names_text, source_name in re.findall(r'^import \{([^}]*)\} from "\./([\w.]+)";', front_file(module), re.M):
            for name in (part.strip() for part in names_text.split(",") if part.strip()):
                assert given.get(name) == source_name, f"{module} imports {name} from {source_name}"
                assert re.search(
                    rf"^export (?:async )?(?:function|class|const) {name}\b", front_file(source_name), re.M
                )


def test_the_front_end_writes_text_and_never_markup() -> None:
    for module in (*MODULES, "http.js"):
        forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage"
        assert not re.search(forbidden, front_file(module)), module


def test_the_joined_script_is_a_script(tmp_path: Path) -> None:
    """Node, where there is one, checks the grammar; the browser tests run it."""
    assert "import {" not in bundle()
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node to check the grammar with")
    (tmp_path / "all.mjs").write_text(bundle(), "utf-8")
    subprocess.run([node, "--check", str(tmp_path / "all.mjs")], check=True, timeout=60)


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    [
        ("é 北".encode(), None, "é 北"),
        ("é".encode(), "UTF-8", "é"),
        (b"a\xffb\xed\xa0\x80", "utf-8", "a\ufffdb\ufffd\ufffd\ufffd"),
        (b"\xe9", "latin-1", "é"),
        (b"\xe9", "no-such-codec", "\ufffd"),
    ],
)
def test_a_document_has_one_code_point_for_each_that_the_ledger_counts(
    raw: bytes, encoding: str | None, expected: str
) -> None:
    """Bytes that are not UTF-8 are one each, valid text is as it is."""
    assert decode_document(raw, encoding) == expected


def test_a_full_disk_leaves_no_half_of_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`report.html.partial` stayed behind, and the report that was there must."""
    write_ledger(tmp_path / "l.jsonl", 2)
    (tmp_path / "r.html").write_bytes(b"as it was")
    monkeypatch.setattr("dedupe.write.replace.os.fsync", _no_room)
    with pytest.raises(DedupeError, match="cannot be written: No space left"):
        html_report(tmp_path / "l.jsonl", {}, tmp_path / "r.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l.jsonl", "r.html"]
    assert (tmp_path / "r.html").read_bytes() == b"as it was"


def _no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
