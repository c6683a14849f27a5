"""Check that every text is found, read and kept byte for byte, and that what cannot be read is said in one line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.errors import ConfigError, InputError
from dedupe.formats import InputFile, clean_uri, error_handler
from dedupe.read import find_inputs, read_text


def tree(folder: Path, **files: bytes) -> None:
    """Write files; `__` in a name stands for a slash, `_dot_` for a dot."""
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def uris(files: list[InputFile]) -> list[str]:
    return [file.uri for file in files]


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Finding files


def test_folders_are_walked_in_sorted_order_and_skips_are_said(inside: Path) -> None:
    tree(inside, n__b_dot_txt=b"b", n__a_dot_txt=b"a", n__c__z_dot_md=b"z", n___dot_git__x=b"x", n__pic=b"\x89PNG\r\n",
         n__page_dot_html=b"<p>", n__meta_dot_json=b"[\n1]", n__rows_dot_jsonl_dot_gz=b"")
    skipped: dict[str, str] = {}
    found = find_inputs(["./n/"], skipped.__setitem__)
    assert uris(found) == ["n/a.txt", "n/b.txt", "n/c/z.md", "n/rows.jsonl.gz"]
    assert (found[0].root, found[0].num_bytes) == ("./n/", 1)
    assert (found[3].format, found[3].compression) == ("jsonl", "gz")
    assert sorted(skipped) == ["n/.git", "n/meta.json", "n/page.html", "n/pic"]
    assert skipped["n/pic"] == "is an image"
    assert "jq -c" in skipped["n/meta.json"]


def test_globs_the_shell_left_alone_are_expanded_and_a_name_with_brackets_is_a_name(inside: Path) -> None:
    tree(inside, b_dot_txt=b"b", a_dot_txt=b"a", d__e__c_dot_txt=b"c")
    (inside / "[1].txt").write_bytes(b"1")
    assert uris(find_inputs(["?.txt"])) == ["a.txt", "b.txt"]
    assert uris(find_inputs(["[1].txt"])) == ["[1].txt"]
    assert uris(find_inputs(["d/**"])) == ["d/e/c.txt"]
    with pytest.raises(InputError, match=r"x\*\.txt: no file matches this pattern"):
        find_inputs(["x*.txt"])


def test_a_file_under_two_names_is_read_once(inside: Path) -> None:
    tree(inside, d__a_dot_txt=b"a")
    (inside / "link.txt").symlink_to("d/a.txt")
    skipped: list[str] = []
    found = find_inputs(["d/a.txt", "d", "link.txt", "-", "-"], lambda uri, _: skipped.append(uri))
    assert uris(found) == ["d/a.txt", "-"]
    assert skipped == ["d/a.txt", "link.txt", "-"]


MISSING = [
    ("artcle.txt", r"artcle\.txt: no such file or folder; near names: article\.txt"),
    ("News/Article.TXT", r"no such file or folder; the folder News does not exist|near names: news"),
    ("news/nope/x.txt", r"the folder news/nope does not exist"),
    ("news/zzzzz", r"nothing in news has a name like it \(1 looked at\)"),
    ("gone.txt", r"gone\.txt: links to nowhere, which does not exist"),
    ("empty", r"empty: the folder has no text to clean"),
    ("a\x1b[31m\n.txt", r"^a\\x1b\[31m\\n\.txt: no file matches"),
    ("a\0b", r"cannot be read: embedded null byte|no such file"),
]


@pytest.mark.parametrize(("path", "message"), MISSING)
def test_what_is_missing_is_said_with_names_that_exist(inside: Path, path: str, message: str) -> None:
    tree(inside, article_dot_txt=b"a", news__one_dot_txt=b"1", empty___dot_hidden=b"h")
    (inside / "gone.txt").symlink_to("nowhere")
    with pytest.raises(InputError, match=message) as caught:
        find_inputs([path])
    assert "\n" not in str(caught.value)


def test_no_paths_at_all_is_an_error() -> None:
    with pytest.raises(InputError, match="no input; expected files"):
        find_inputs([])


def test_a_link_to_a_folder_above_is_a_loop(inside: Path) -> None:
    tree(inside, a__b__c_dot_txt=b"c")
    (inside / "a/b/up").symlink_to("..")
    with pytest.raises(InputError, match="a/b/up: leads back to a folder above it"):
        find_inputs(["a"])


def test_a_link_to_a_folder_elsewhere_is_followed(inside: Path) -> None:
    tree(inside, a__c_dot_txt=b"c", z__d_dot_txt=b"d")
    (inside / "a/z").symlink_to("../z")
    assert uris(find_inputs(["a"])) == ["a/c.txt", "a/z/d.txt"]


def test_folders_deeper_than_python_calls_are_walked(inside: Path) -> None:
    depth = 1500
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("a").write_bytes(b"a")
    os.chdir(inside)
    found = uris(find_inputs(["d"]))
    os.unlink("d/" * depth + "a")
    for height in range(depth, 0, -1):  # pytest clears its folders with a function that calls itself
        os.rmdir("d/" * height)
    assert found == ["d/" * depth + "a"]


def test_a_folder_that_cannot_be_read_inside_another_is_said_and_the_rest_goes_on() -> None:
    code = (
        "import os, sys, tempfile\n"
        "from dedupe.errors import InputError\n"
        "from dedupe.read import find_inputs\n"
        "os.chdir(sys.argv[1])\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "print([file.uri for file in find_inputs(['.'], lambda *said: print(*said))])\n"
        "try: find_inputs(['closed'])\n"
        "except InputError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        os.mkdir(os.path.join(folder, "closed"), 0o000)
        Path(folder, "a.txt").write_bytes(b"a")
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "closed cannot be read: Permission denied",
        "['a.txt']",
        "closed: cannot be read: Permission denied; check who may read it",
    ]


def test_pipes_in_a_folder_are_skipped_and_never_waited_for(inside: Path) -> None:
    tree(inside, d__a_dot_txt=b"a")
    os.mkfifo(inside / "d/pipe")
    assert uris(find_inputs(["d"])) == ["d/a.txt"]


@pytest.mark.skipif(sys.platform != "linux", reason="devices are numbered as on Linux")
@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/urandom"])
def test_a_device_without_an_end_is_refused_and_an_empty_one_read(device: str) -> None:
    with pytest.raises(InputError, match=f"{device}: found a device"):
        find_inputs([device])
    assert uris(find_inputs(["/dev/null"])) == ["/dev/null"]


def test_a_name_that_is_not_utf8_gets_a_key_that_is(inside: Path) -> None:
    (inside / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    found = find_inputs(["."])
    assert uris(found) == ["caf\\xe9.txt"]
    assert read_text(found[0].path).doc == "caf\\xe9.txt"


# Reading texts

SCRIPTS = {
    "english": "The ship sank.\r\nNobody was hurt.\n", "german": "Größe ändert nichts — „ja“.\r",
    "russian": "Ёлка горит.\n", "traditional": "新聞結束。\n",
    "greek": "Τέλος.\u2028Αρχή", "arabic": "انتهى الخبر.\n", "hebrew": "סוף.\n", "hindi": "समाप्त।\n", "thai": "จบข่าว\n",
    "chinese": "新闻结束。\n責任編輯：張\n", "japanese": "記事はこちら。\n", "korean": "기사 끝.\n",
    "emoji": "👩‍👩‍👧 ok\u0000\n",
}
ENCODINGS = [
    ("english", "ascii"), ("german", "cp1252"), ("russian", "koi8-r"), ("russian", "cp1251"), ("greek", "utf-16-le"),
    ("arabic", "cp1256"), ("hebrew", "iso8859-8"), ("thai", "cp874"), ("chinese", "gb18030"),
    ("traditional", "big5hkscs"),
    ("japanese", "shift_jis"), ("japanese", "euc_jp"), ("korean", "cp949"), ("emoji", "utf-16-be"), ("emoji", "utf-32"),
    ("hindi", "utf-16"), ("english", "utf-16"), ("german", "utf-32-be"), ("german", "macroman"), ("emoji", "gb18030"),
]


@pytest.mark.parametrize(("script", "encoding"), ENCODINGS)
def test_every_encoding_is_read_as_the_same_text(script: str, encoding: str) -> None:
    text = SCRIPTS[script]
    document = read_text(text.encode(encoding), encoding)
    assert document.utf8.decode().removeprefix("\ufeff") == text
    assert document.utf8.decode().encode(document.encoding) == document.raw == text.encode(encoding)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_mark_of_utf16_or_utf32_is_believed_in_a_file_announced_as_utf8(script: str, order: str) -> None:
    raw = ("\ufeff" + SCRIPTS[script]).encode(order)
    document = read_text(raw)
    assert (document.encoding, document.utf8.decode()) == (order, "\ufeff" + SCRIPTS[script])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["-le", "-be"])
def test_the_byte_order_without_a_mark_is_told_by_spaces(encoding: str, order: str) -> None:
    document = read_text("Первая строка.\nEnd of it.\n".encode(encoding + order), encoding)
    assert document.encoding == encoding + order


def test_utf8_is_handed_on_as_the_same_object_with_its_mark_and_invalid_bytes() -> None:
    raw = b"\xef\xbb\xbfcaf\xe9 \xed\xa0\x80 \xc0\x80\r\n"
    document = read_text(raw)
    assert document.utf8 is document.raw is raw
    assert (document.doc, document.uri, document.encoding) == ("-", "-", "utf-8")


CODECS = ["utf-8", "cp1252", "utf-16", "utf-16-be", "utf-32", "shift_jis", "gb18030", "koi8-r", "euc_jp", "euc_kr",
          "cp949", "latin-1", "big5"]


@given(st.binary(max_size=200), st.sampled_from(CODECS))
@settings(max_examples=400, deadline=None)
def test_any_bytes_come_back_the_same_or_are_refused(raw: bytes, encoding: str) -> None:
    try:
        document = read_text(raw, encoding, allow_binary=True)
    except InputError:
        if encoding in ("utf-8", "latin-1", "koi8-r", "cp1252"):  # one byte, one character: nothing to refuse
            raise
        return
    errors = error_handler(document.encoding)
    assert document.utf8.decode("utf-8", errors).encode(document.encoding, errors) == raw


def test_two_bytes_that_fit_no_character_but_look_like_utf8_are_refused() -> None:
    # C9 A1 has no character in EUC-KR, and kept as it is it would be one in UTF-8: the way back would be lost
    with pytest.raises(InputError, match="from about byte"):
        read_text("가".encode("euc_kr") + b" \xc9\xa1 ", "euc_kr")


def test_utf16_cut_in_the_middle_of_a_character_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match="from about byte 4"):
        read_text("abc".encode("utf-16-le")[:-1], "utf-16-le")


@pytest.mark.parametrize("encoding", ["utf-7", "hz", "iso2022_jp", "unicode_escape", "punycode"])
def test_encodings_whose_parts_mean_nothing_alone_are_refused(encoding: str) -> None:
    with pytest.raises(ConfigError, match="convert the text to UTF-8 first"):
        read_text(b"abc", encoding)


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a name such as utf-8"):
        read_text(b"abc", "utf-9")


BINARY = [
    (b"%PDF-1.4\n", "pdftotext"), (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0>\0\1\0\0\0", "NUL bytes throughout"),
    (b"\x01\x02\x03\x04abc", "30 % of its bytes"),
    ("An article.\n".encode("utf-16-le"), "give --encoding utf-16-le"),
    ("An article.\n".encode("utf-16-be"), "give --encoding utf-16-be"),
    ("Text".encode("utf-32-le"), "give --encoding utf-32-le"),
    (b"\x1f\x8b\x08\0\0", "gunzip"),
]


@pytest.mark.parametrize(("raw", "message"), BINARY)
def test_binary_files_are_refused_with_what_to_do_unless_forced(raw: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_text(raw)
    assert read_text(raw, allow_binary=True).raw == raw


ODD = [b"", b"\0", b"A line.\n" + bytes(4000), b"word \0" * 3 + b".", b"\x1b[1mbold\x1b[0m\n" * 9, b"\xff\xfe",
       b"caf\xe9\r", b"\x80\x81" * 50]


@pytest.mark.parametrize("raw", ODD)
def test_odd_texts_are_texts(raw: bytes) -> None:
    assert read_text(raw).raw == raw


def test_a_file_is_keyed_by_its_path_as_given(inside: Path) -> None:
    tree(inside, d__a_dot_txt="å\n".encode())
    document = read_text(Path("d") / "a.txt")
    assert (document.doc, document.uri, document.raw, document.record) == ("d/a.txt", "d/a.txt", b"\xc3\xa5\n", None)


def test_files_the_system_refuses_are_one_line(inside: Path) -> None:
    with pytest.raises(InputError, match=r"^nope\.txt: cannot be read: No such file"):
        read_text("nope.txt")
    with pytest.raises(InputError, match=r"cannot be read: Is a directory"):
        read_text(".")


def test_standard_input_is_read_as_bytes() -> None:
    code = "from dedupe.read import read_text; d = read_text('-', 'cp1252'); print(d.doc, ascii(d.utf8))"
    done = subprocess.run([sys.executable, "-c", code], input=b"\xe9\r\n", capture_output=True, check=True)
    assert done.stdout.split() == [b"-", rb"b'\xc3\xa9\r\n'"]


def test_a_text_of_100_mb_is_read_without_a_copy(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_bytes(b"A sentence of an article that goes on.\n" * 2_600_000)
    document = read_text(path)
    assert document.utf8 is document.raw
    assert len(document.raw) > 100_000_000


def test_keys_are_posix_paths() -> None:
    assert [clean_uri(path) for path in ("./a//b.txt", "../x", "-", "/r/a")] == ["a/b.txt", "../x", "-", "/r/a"]
