"""Check that records of every format come back byte for byte around the texts that change."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.config import Config
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.formats import BATCH_RECORDS, DROP, Outcome
from dedupe.read import jsonl, open_shard, stream
from dedupe.read.json_scan import NotJson, members
from dedupe.records import BadRecord, Document
from dedupe.write import ShardWriter

Change = Callable[[Document], Outcome]
CONFIG = Config()


def through(
    source: Path, change: Change = lambda _: None, config: Config = CONFIG
) -> tuple[Path, list[Document], list[BadRecord]]:
    """Read a shard, write it with `change` made to each document, and give the output and all that was read."""
    out = source.parent / "out" / source.name
    reader = open_shard(str(source), config)
    documents: list[Document] = []
    bad: list[BadRecord] = []
    with ShardWriter(out, reader) as writer:
        for batch in reader:
            documents += batch.documents
            bad += batch.bad
            writer.write(batch, [change(document) for document in batch.documents])
    return out, documents, bad


def shorten(document: Document) -> bytes:
    """Leave out the first word."""
    return document.raw.partition(b" ")[2]


def odd_only(document: Document) -> Outcome:
    return shorten(document) if (document.record or 0) % 2 else None


def reread(path: Path, config: Config = CONFIG) -> list[bytes]:
    return [document.raw for batch in open_shard(str(path), config) for document in batch.documents]


def write_lines(tmp_path: Path, content: bytes, name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


# JSON lines

HOSTILE = (
    b'{"text": "one two"}\r\n'
    b"not json\n"
    b"\n"
    b'{"text": null}\n'
    b'{"text": 17}\n'
    b'{"note": "no text here"}\n'
    b'{"text": "a", "text": "b"}\n'
    b"[1, 2]\n"
    b'{"text": "cut\n'
    b'{"text": ["a"]}\n'
    b'{"text": "x"} {"text": "y"}\n'
    b'{"text": "bad \\x escape"}\n'
    b'{"text": "last one", "n": 1}'
)
REASONS = {
    1: "expected an object in braces|not JSON",
    3: "has null in the field",
    4: "has 17 in the field",
    5: "has no field 'text'",
    6: "has the field 'text' 2 times",
    7: "expected an object",
    8: "cut off",
    9: 'has ["a"] in the field',
    10: "stands behind the object",
    11: "unknown escape",
}


def test_hostile_rows_are_listed_with_their_place_and_passed_through(tmp_path: Path) -> None:
    path = write_lines(tmp_path, HOSTILE)
    out, documents, bad = through(path)
    assert out.read_bytes() == HOSTILE
    assert [(document.doc, document.raw) for document in documents] == [
        (f"{path}#0", b"one two"),
        (f"{path}#12", b"last one"),
    ]
    assert [record.record for record in bad] == list(REASONS)
    for record in bad:
        assert any(reason in record.message for reason in REASONS[record.record or 0].split("|")), record


def test_changed_rows_stand_among_hostile_ones(tmp_path: Path) -> None:
    out, _, _ = through(write_lines(tmp_path, HOSTILE), shorten)
    assert out.read_bytes() == HOSTILE.replace(b'"one two"', b'"two"').replace(b'"last one"', b'"one"')


SPELLINGS = [
    ("numbers as they are", b'{"n": 1.0, "text": "a b", "m": 1e400, "k": 12345678901234567890}\n'),
    ("key order and white space", b' {"z" : [1 , {"text": "a b"}] ,\t"text" :  "a b" , "a":{ } } \r\n'),
    ("words that JSON has not", b'{"n": NaN, "text": "a b", "m": -Infinity}\n'),
    ("an escaped name", b'{"te\\u0078t": "a b"}\n'),
    ("the name as a value", b'{"kind": "text", "text": "a b"}\n'),
    ("the name in a string", b'{"note": "say \\"text\\": \\"x\\"", "text": "a b"}\n'),
    ("the same value twice", b'{"title": "a b", "text": "a b"}\n'),
    ("a mark at the start", b'\xef\xbb\xbf{"text": "a b"}\n'),
    ("deep nesting", b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b', "text": "a b"}\n'),
    ("invalid UTF-8 elsewhere", b'{"x": "caf\xe9", "text": "a b"}\n'),
    ("control characters elsewhere", b'{"x": "a\tb\x01", "text": "a b"}\n'),
    ("an unknown escape elsewhere", b'{"x": "\\q", "text": "a b"}\n'),
]


@pytest.mark.parametrize(("name", "line"), SPELLINGS)
def test_all_but_the_text_stays_as_it_is_spelled(tmp_path: Path, name: str, line: bytes) -> None:
    content = b'{"text": "first row"}\n' + line if not line.startswith(b"\xef") else line
    path = write_lines(tmp_path, content)
    out, documents, bad = through(path, lambda document: b"c" if document.raw == b"a b" else None)
    assert not bad
    at = content.rindex(b'"a b"')
    assert out.read_bytes() == content[:at] + b'"c"' + content[at + 5 :], name
    assert documents[-1].raw == b"a b"


TEXTS = [
    (rb'"caf\u00e9 \ud83d\ude00 x"', "café 😀 x".encode(), rb'"\ud83d\ude00 x"'),
    ('"café 😀 x"'.encode(), "café 😀 x".encode(), '"😀 x"'.encode()),
    (rb'"a b\/c"', b"a b/c", rb'"b\/c"'),
    (rb'"a \ud800 b"', b"a \xed\xa0\x80 b", rb'"\ud800 b"'),
    (rb'"a \udc00\ud800"', b"a \xed\xb0\x80\xed\xa0\x80", rb'"\udc00\ud800"'),
    (b'"a caf\xe9 \xff"', b"a caf\xe9 \xff", b'"caf\xe9 \xff"'),
    (rb'"a \u0000\n\"\\n\b\f"', b'a \0\n"\\n\b\f', rb'"\u0000\n\"\\n\b\f"'),
    (b'"a \t\x01"', b"a \t\x01", rb'"\t\u0001"'),
    ('"अ समाप्त"'.encode(), "अ समाप्त".encode(), '"समाप्त"'.encode()),
    (b'""', b"", b'""'),
    (b'" "', b" ", b'""'),
]


@pytest.mark.parametrize(("old", "text", "new"), TEXTS)
def test_texts_are_read_and_spelled_in_their_manner(tmp_path: Path, old: bytes, text: bytes, new: bytes) -> None:
    line = b'{"id": 7, "text": %s}\n'
    path = write_lines(tmp_path, b'{"text":"x"}\n' + line % old)
    out, documents, _ = through(path, odd_only)
    assert (documents[1].raw, documents[1].id) == (text, "7")
    assert out.read_bytes() == b'{"text":"x"}\n' + line % new


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4) | st.just("text"), inner, max_size=3)
    ),
    max_leaves=5,
)
rows = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(["a", "text", "é", "url", ""]), json_values, max_size=4),
        st.booleans(),
        st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
        st.sampled_from(["\n", "\r\n", "\n\n"]),
        st.text(alphabet=st.characters(), max_size=30),
    ),
    max_size=6,
)


@given(rows)
@settings(max_examples=100, deadline=None)
def test_any_rows_come_back_and_changed_texts_read_as_they_were_written(tmp_path_factory: Any, made: Any) -> None:
    lines = [json.dumps({"text": "the first row"})]
    for members_made, ascii_only, separators, ending, text in made:
        line = json.dumps(members_made | {"text": text}, ensure_ascii=ascii_only, separators=separators)
        lines.append(line + ending)
    content = (lines[0] + "\n" + "".join(lines[1:])).encode("utf-8", "surrogatepass")
    path = write_lines(tmp_path_factory.mktemp("rows"), content)
    out, documents, bad = through(path, config=Config(text_field="text"))
    assert not bad
    assert out.read_bytes() == content
    assert [document.raw for document in documents[1:]] == [text.encode("utf-8", "surrogatepass") for *_, text in made]
    out, _, _ = through(path, lambda document: document.raw + b' "x"\n', Config(text_field="text"))
    again = [json.loads(line) for line in out.read_bytes().decode("utf-8", "surrogatepass").split("\n") if line.strip()]
    for (members_made, *_), row in zip(made, again[1:], strict=True):
        assert json.dumps({**row, "text": ""}) == json.dumps(members_made | {"text": ""})
    assert reread(out, Config(text_field="text")) == [document.raw + b' "x"\n' for document in documents]


PARTS = [b'{"text":"a"}', b'{"text":"', b'"}', b"\\", b'{"text":"a b"}\n']


@given(st.lists(st.binary(max_size=40) | st.sampled_from(PARTS), max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_bytes_at_all_come_back(tmp_path_factory: Any, parts: list[bytes]) -> None:
    content = b'{"text":"a"}\n' + b"".join(parts)
    out, _, _ = through(write_lines(tmp_path_factory.mktemp("bytes"), content))
    assert out.read_bytes() == content


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=4))
def test_the_scanner_finds_the_members_that_the_standard_library_finds(made: dict[str, Any]) -> None:
    line = json.dumps(made).encode()
    found = {name.decode("utf-8", "surrogatepass"): line[start:end] for name, start, end in members(line)}
    assert found == {name: json.dumps(value).encode() for name, value in made.items()}


NO_OBJECTS = [
    b"",
    b"{",
    b'{"a"}',
    b'{"a":}',
    b'{"a":1,}',
    b"{,}",
    b'{"a":[}',
    b'{"a":1}}',
    b'{"a":01}',
    b'{"a":tru}',
    b'{"a":[1}]}',
    b'{"a" 1}',
    b"{a:1}",
    b"[]",
    b'"x"',
    b"{}{}",
]


@pytest.mark.parametrize("line", NO_OBJECTS)
def test_the_scanner_refuses_what_is_no_object(line: bytes) -> None:
    with pytest.raises(NotJson):
        members(line)


def test_dropped_rows_are_left_out_with_their_line_ends(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text":"a"}\r\n{"text":"b"}\nbad\n{"text":"c"}')
    out, _, _ = through(path, lambda document: DROP if document.raw in b"ac" else None)
    assert out.read_bytes() == b'{"text":"b"}\nbad\n'


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: __import__("pyarrow").compress(content, codec="zstd", asbytes=True),
}
UNPACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.decompress,
    "bz2": bz2.decompress,
    "xz": lzma.decompress,
    "zst": lambda content: __import__("pyarrow").CompressedInputStream(io.BytesIO(content), "zstd").read(),
}


@pytest.mark.parametrize("suffix", PACKERS)
def test_compressed_shards_are_read_whole_and_written_compressed(tmp_path: Path, suffix: str) -> None:
    rows_made = [json.dumps({"text": f"row {number} " + "word " * 300}).encode() + b"\n" for number in range(2000)]
    pack = PACKERS[suffix]
    packed = pack(b"".join(rows_made[:700])) + pack(b"".join(rows_made[700:]))  # two members one after another
    out, documents, _ = through(write_lines(tmp_path, packed, f"a.jsonl.{suffix}"), odd_only)
    assert len(documents) == 2000
    unpacked = UNPACKERS[suffix](out.read_bytes())
    assert unpacked == b"".join(
        row.replace(b'"row ', b'"') if number % 2 else row for number, row in enumerate(rows_made)
    )


def test_compressed_output_is_the_same_every_time(tmp_path: Path) -> None:
    path = write_lines(tmp_path, gzip.compress(b'{"text":"a b"}\n'), "a.jsonl.gz")
    one = through(path, shorten)[0].read_bytes()
    assert one == through(path, shorten)[0].read_bytes()
    assert one[3:10] == b"\0\0\0\0\0\0\xff"  # no name, no time


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_shard_cut_off_is_said_to_be_broken_and_what_was_read_goes_on(tmp_path: Path, suffix: str) -> None:
    chars = random.Random(1).choices("abcdefgh ", k=200_000)
    lines = b"".join(b'{"text":"%s"}\n' % "".join(chars[at : at + 100]).encode() for at in range(0, len(chars), 100))
    path = write_lines(tmp_path, PACKERS[suffix](lines)[:-4000], f"a.jsonl.{suffix}")
    reader = open_shard(str(path), CONFIG)
    documents = [document for batch in reader for document in batch.documents]
    assert reader.broken is not None
    assert "broken or cut off" in reader.broken
    if suffix in ("gz", "xz"):  # the others hold more than 4,000 bytes in one block
        assert 0 < len(documents) < 2000


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("garbage", [b"g", b"garbage behind the last stream"])
def test_what_follows_the_last_compressed_stream_is_told(tmp_path: Path, suffix: str, garbage: bytes) -> None:
    path = write_lines(tmp_path, PACKERS[suffix](b'{"text":"a b"}\n') + garbage, f"a.jsonl.{suffix}")
    reader = open_shard(str(path), CONFIG)
    found = [document.raw for batch in reader for document in batch.documents]
    assert "broken or cut off" in (reader.broken or "")
    assert found == ([b"a b"] if suffix != "zst" else [])  # Arrow gives nothing of a piece in which something is wrong


def test_xz_streams_with_padding_between_are_all_read(tmp_path: Path) -> None:
    one, two = (lzma.compress(b'{"text":"%s"}\n' % text) for text in (b"one", b"two"))
    path = write_lines(tmp_path, one + bytes(8) + two + bytes(4), "a.jsonl.xz")
    reader = open_shard(str(path), CONFIG)
    assert [document.raw for batch in reader for document in batch.documents] == [b"one", b"two"]
    assert reader.broken is None


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MIN_BOMB_BYTES", 4 << 20)
    path = write_lines(tmp_path, gzip.compress(b'{"text":"' + bytes(30 << 20) + b'"}\n'), "a.jsonl.gz")
    with pytest.raises(InputError, match="looks like a decompression bomb"):
        list(open_shard(str(path), CONFIG))


def test_a_line_longer_than_the_limit_passes_through_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_RECORD_BYTES", 10 << 20)
    monkeypatch.setattr(jsonl, "MAX_RECORD_BYTES", 10 << 20)
    content = b'{"text":"a b"}\n{"text":"' + b"x" * (30 << 20) + b'"}\n{"text":"c d"}\n'
    out, documents, bad = through(write_lines(tmp_path, content), shorten)
    assert [document.record for document in documents] == [0, 2]
    assert [(record.record, record.message) for record in bad] == [(1, "the line is longer than 10,485,760 bytes")]
    assert out.read_bytes() == content.replace(b"a b", b"b").replace(b"c d", b"d")


def test_a_text_of_100_mb_is_one_record(tmp_path: Path) -> None:
    content = b'{"text":"' + b"word " * 20_000_000 + b'"}\n'
    out, documents, _ = through(write_lines(tmp_path, content), lambda _: b"short")
    assert len(documents[0].raw) == 100_000_000
    assert out.read_bytes() == b'{"text":"short"}\n'


def test_shards_without_rows_come_back(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\xef\xbb\xbf", b"nothing here\n"):
        assert through(write_lines(tmp_path, content))[0].read_bytes() == content


# Fields


def test_fields_are_guessed_where_only_one_name_is_likely(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path, b'{"_id": 5, "Title": "t", "maintext": "a b", "url": "https://Me:x@News.Example.org:81/p"}\n'
    )
    document = through(path)[1][0]
    assert (document.raw, document.id, document.url, document.host) == (
        b"a b",
        "5",
        "https://Me:x@News.Example.org:81/p",
        "news.example.org",
    )


def test_two_likely_fields_are_a_question(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text": "a", "content": "b"}\n')
    with pytest.raises(ConfigError, match="2 fields that could be the text; name one with --text-field: text, content"):
        list(open_shard(str(path), CONFIG))
    assert through(path, config=Config(text_field="content"))[1][0].raw == b"b"


def test_no_likely_field_is_a_question_with_the_fields_listed(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"title": "a", "lead": "b", "n": 3}\n')
    with pytest.raises(ConfigError, match=r"has 2 fields that could be the text; .*: title, lead"):
        list(open_shard(str(path), CONFIG))


def test_a_field_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text": "a"}\n')
    with pytest.raises(ConfigError, match=r"has no field 'name' \(--id-field\); its fields are text"):
        list(open_shard(str(path), Config(id_field="name")))
    with pytest.raises(ConfigError, match=r"has no field 'oldest' \(--keep\); its fields are text"):
        list(open_shard(str(path), Config(keep="oldest")))


def test_the_site_may_be_a_field(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text": "a", "url": "http://a.org/", "outlet": "Daily"}\n')
    assert through(path, config=Config(site_field="outlet"))[1][0].host == "Daily"


# The writer


def test_a_shard_of_which_records_are_missing_is_not_put_in_place(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text":"a"}\n')
    reader = open_shard(str(path), CONFIG)
    writer = ShardWriter(tmp_path / "out.jsonl", reader)
    assert sum(batch.num_records for batch in reader) == 1
    with pytest.raises(DedupeError, match="0 of 1 records were written; nothing was put in place"):
        writer.close()
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_batches_out_of_order_or_with_too_few_outcomes_are_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text":"a"}\n')

    def write(outcomes: list[Outcome], times: int) -> None:
        reader = open_shard(str(path), CONFIG)
        with ShardWriter(tmp_path / "out.jsonl", reader) as writer:
            for batch in reader:
                for _ in range(times):
                    writer.write(batch, outcomes)

    with pytest.raises(DedupeError, match="expected record 1 next"):
        write([None], 2)
    with pytest.raises(DedupeError, match="with 0 outcomes for 1 documents"):
        write([], 1)
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_a_shard_is_not_written_over_its_input_unless_in_place(tmp_path: Path) -> None:
    path = write_lines(tmp_path, b'{"text":"a b"}\n')
    reader = open_shard(str(path), CONFIG)
    with pytest.raises(DedupeError, match="is an input and would be overwritten"):
        ShardWriter(path, reader)
    with ShardWriter(path, reader, in_place=True) as writer:
        for batch in reader:
            writer.write(batch, [b"b"])
    assert path.read_bytes() == b'{"text":"b"}\n'
    assert (writer.num_records, writer.num_changed, writer.num_dropped) == (1, 1, 0)


def test_the_language_of_a_record_is_read_in_every_format_and_never_guessed(tmp_path: Path):
    """A tag such as pt_BR is told as pt-BR; whatever is none, or not there, is no language."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    given_ = ["en", "pt_BR", "Norwegian, Bokmål", "", None]
    expected = ["en", "pt-BR", None, None, None]
    rows = [{"id": str(at), "lang": tag, "text": f"一 word {at}"} for at, tag in enumerate(given_)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "a.csv").write_text(
        "id,lang,text\n" + "".join(f'{row["id"]},"{row["lang"] or ""}",{row["text"]}\n' for row in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        assert [document.language for document in through(tmp_path / name)[1]] == expected, name
    odd = tmp_path / "odd.jsonl"  # read in the plain way: the text stands in another member, too
    odd.write_text('{"text": "one two", "language": "\\u0065l", "note": "\\"text\\": 1"}\n')
    assert [document.language for document in through(odd)[1]] == ["el"]


@given(st.lists(st.binary(max_size=40) | st.sampled_from(PARTS), max_size=12), st.frozensets(st.integers(0, 14)))
@settings(max_examples=60, deadline=None)
def test_records_asked_for_are_those_of_the_whole_file(
    tmp_path_factory: Any, parts: list[bytes], wanted: frozenset[int]
) -> None:
    """Hostile lines, empty ones, a byte order mark: numbers and texts are those that reading all of it gives."""
    source = write_lines(tmp_path_factory.mktemp("lines"), b'\xef\xbb\xbf{"text": "one"}\n' + b"\n".join(parts))
    every = [document for batch in open_shard(str(source), CONFIG) for document in batch.documents]
    batches = list(open_shard(str(source), CONFIG, records=wanted))
    assert [each for batch in batches for each in batch.documents] == [each for each in every if each.record in wanted]
    assert sum(batch.num_records for batch in batches) == open_and_count(source)


def open_and_count(source: Path) -> int:
    return sum(batch.num_records for batch in open_shard(str(source), CONFIG))


@pytest.mark.parametrize(
    ("name", "head", "record"),
    [("tiny.jsonl", b"", b'{"text":""}\n'), ("tiny.csv", b"text,id\n", b",\n"), ("tiny.parquet", b"", b"")],
)
def test_tiny_records_do_not_crowd_a_batch(tmp_path: Path, name: str, head: bytes, record: bytes) -> None:
    """Each document has a signature, so ten million empty records in batches of 8 MB took gigabytes."""
    num_records, source = 2 * BATCH_RECORDS + 5, tmp_path / name
    if name.endswith(".parquet"):
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"text": [""] * num_records}), source)
    else:
        source.write_bytes(head + record * num_records)
    sizes = [batch.num_records for batch in open_shard(str(source), CONFIG)]
    assert sum(sizes) == num_records
    assert max(sizes) == BATCH_RECORDS
    out, documents, _ = through(source)
    assert [document.record for document in documents] == list(range(num_records))
    assert name.endswith(".parquet") or out.read_bytes() == source.read_bytes()
