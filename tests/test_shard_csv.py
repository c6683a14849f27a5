"""Check that CSV and TSV come back byte for byte around the texts that change, however they are quoted."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_shards import shorten, through, write_lines

from dedupe.config import Config

CSVS = [
    ("plain", "a.csv", b"id,text\n1,one two\n2,three four\n", [b"one two", b"three four"]),
    ("quoted, lines inside", "a.csv", b'id,text\r\n1,"a, ""b""\r\nc"\r\n', [b'a, "b"\r\nc']),
    ("semicolons", "a.csv", "id;text;n\n1;Größe, ja;3,5\n".encode(), ["Größe, ja".encode()]),
    ("bars", "a.csv", b"id|text\n1|a,b\n", [b"a,b"]),
    ("CR alone, none at the end", "a.csv", b"id,text\r1,a b\r2,c", [b"a b", b"c"]),
    ("mark", "a.csv", b"\xef\xbb\xbftext,id\na b,1\n", [b"a b"]),
    (
        "tabs with free quotes",
        "a.tsv",
        b'id\ttext\n1\t"Hello," she said\n2\t5" pipe\n3\t"quoted"\n',
        [b'"Hello," she said', b'5" pipe', b"quoted"],
    ),
    ("empty texts and lines", "a.csv", b'id,text\n1,\n\n2,""\n', [b"", b""]),
    ("CR inside where LF ends", "a.csv", b"id,text\n1,a\rb\r\n", [b"a\rb"]),
    ("invalid bytes", "a.csv", b"id,text\n1,caf\xe9 au\n", [b"caf\xe9 au"]),
    ("quote never closed", "a.csv", b'id,text\n1,"open\n2,next\n', [b'"open', b"next"]),
    ("only names", "a.csv", b"id,text", []),
]


@pytest.mark.parametrize(("name", "file", "content", "texts"), CSVS)
def test_csv_comes_back(tmp_path: Path, name: str, file: str, content: bytes, texts: list[bytes]) -> None:
    out, documents, bad = through(write_lines(tmp_path, content, file))
    assert not bad
    assert [document.raw for document in documents] == texts, name
    assert out.read_bytes() == content


def test_changed_csv_texts_are_quoted_as_before_or_where_they_must_be(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'id,text,n\n1,x a,1.0\n2,"x a",\n3,"x a, ""b""",\r\n4,x y,z,\n5,x y,"z"\n', "a.csv")
    out, _, bad = through(path, lambda document: document.raw.partition(b" ")[2] if document.id != "5" else b'p,"q"\n')
    assert out.read_bytes() == b'id,text,n\n1,a,1.0\n2,"a",\n3,"a, ""b""",\r\n4,x y,z,\n5,"p,""q""\n","z"\n'
    assert [(record.record, record.message) for record in bad] == [(3, "has 4 fields; expected 3 as in the first line")]


def test_a_csv_in_another_encoding_keeps_it(tmp_path: Path) -> None:
    path = write_lines(tmp_path, "id,text\n1,x Größe\n".encode("cp1252"), "a.csv")
    out, documents, _ = through(path, shorten, Config(encoding="cp1252"))
    assert (documents[0].utf8, documents[0].encoding) == ("x Größe".encode(), "cp1252")
    assert out.read_bytes() == "id,text\n1,Größe\n".encode("cp1252")


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")
cells = st.text(letters, max_size=12) | st.sampled_from(
    ['"', '""', 'a"b', '"a"', ",", "\n", "\r\n", 'a,"b"\n', " x ", "\t", ";"]
)


@given(
    st.lists(st.tuples(cells, cells), max_size=8),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.integers(1, 7),
)
@settings(max_examples=100, deadline=None)
def test_csv_is_read_as_the_standard_library_writes_it(
    tmp_path_factory: Any, made: list[tuple[str, str]], quoting: Any, ending: str, block_bytes: int
) -> None:
    made = [(one, two) for one, two in made if one or two]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=quoting, lineterminator=ending)
    writer.writerows([("title", "text"), *made])
    content = buffer.getvalue().encode()
    path = write_lines(tmp_path_factory.mktemp("csv"), content, "a.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dedupe.read.csv_rows.BATCH_BYTES", block_bytes)  # records cut at every place
        out, documents, bad = through(path)
    assert not bad
    assert [document.raw.decode() for document in documents] == [text for _, text in made]
    assert out.read_bytes() == content
    out, _, _ = through(path, lambda document: document.raw + b'"\n,')
    rows_read = list(csv.reader(io.StringIO(out.read_bytes().decode(), newline="")))
    assert rows_read[1:] == [[title, text + '"\n,'] for title, text in made]
