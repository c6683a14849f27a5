"""Check that Parquet, Arrow, `datasets` folders and WARC archives come back with all around the texts as it was."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from base64 import b32encode
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from test_shards import odd_only, shorten, through

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError
from dedupe.formats import DROP, Outcome
from dedupe.read import columns, find_inputs, open_shard
from dedupe.records import BadRecord, Document
from dedupe.write import ShardWriter, plan_outputs

KINDS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.large_string()),
]
TEXTS = ["one two", None, "три четыре", "", "五 六 七", "one two"] * 5


def table_of(kind: pa.DataType = pa.string()) -> pa.Table:  # noqa: B008 - a constant of pyarrow
    """Make 30 rows of many types with metadata."""
    count = len(TEXTS)
    plain = pa.array(TEXTS, pa.string())
    text = plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain.cast(kind)
    fields = {
        "id": pa.array(range(count), pa.uint32()),
        "text": text,
        "when": pa.array([10**18 + n * 1000 for n in range(count)], pa.timestamp("ns", "UTC")),
        "scores": pa.array([[1.5, None]] * count, pa.list_(pa.float32())),
        "nested": pa.array([{"a": n, "b": "x"} for n in range(count)], pa.struct({"a": pa.int8(), "b": pa.string()})),
        "price": pa.array([None] * count, pa.decimal128(10, 2)),
        "kind": pa.array(["a", "b", "a"] * (count // 3)).dictionary_encode(),
    }
    schema = pa.schema(
        [pa.field(name, array.type, nullable=name != "id", metadata={"note": name}) for name, array in fields.items()],
        metadata={"made by": "a test", "pandas": '{"index_columns": []}'},
    )
    return pa.table(fields, schema=schema)


def expected(table: pa.Table, drop: bool = False) -> pa.Table:
    """Do to a table, row by row, what `odd_only` or dropping the odd rows does."""
    rows = table.to_pylist()
    if drop:
        rows = [row for number, row in enumerate(rows) if number % 2 == 0 or row["text"] is None]
    else:
        for number, row in enumerate(rows):
            if number % 2 and row["text"] is not None:
                row["text"] = row["text"].partition(" ")[2]
    return pa.Table.from_pylist(rows, schema=table.schema)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_parquet_keeps_schema_metadata_types_and_row_groups(tmp_path: Path, kind: pa.DataType) -> None:
    path, table = tmp_path / "a.parquet", table_of(kind)
    pq.write_table(table, path, row_group_size=8, compression={"id": "zstd", "text": "gzip"}, use_dictionary=["kind"])
    out, documents, bad = through(path, odd_only)
    before, after = pq.ParquetFile(path), pq.ParquetFile(out)
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    assert after.read().to_pylist() == expected(before.read()).to_pylist()
    for group in range(before.num_row_groups):
        one, two = before.metadata.row_group(group), after.metadata.row_group(group)
        assert one.num_rows == two.num_rows
        for place in range(one.num_columns):
            assert one.column(place).compression == two.column(place).compression
            assert set(one.column(place).encodings) == set(two.column(place).encodings)
    assert before.num_row_groups == after.num_row_groups == 4
    assert [record.record for record in bad] == list(range(1, 30, 6))
    assert documents[1].doc == f"{path}#2"
    assert documents[1].utf8 == "три четыре".encode()


def test_an_unchanged_parquet_has_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table_of(), path, version="1.0", row_group_size=7, store_schema=False)
    out, _, _ = through(path)
    assert pq.ParquetFile(out).read().equals(pq.ParquetFile(path).read(), check_metadata=True)
    assert pq.ParquetFile(out).metadata.metadata == pq.ParquetFile(path).metadata.metadata


def test_dropped_rows_leave_parquet(tmp_path: Path) -> None:
    path, table = tmp_path / "a.parquet", table_of()
    pq.write_table(table, path, row_group_size=8)
    out, _, _ = through(path, lambda document: DROP if (document.record or 0) % 2 else None)
    assert pq.read_table(out).equals(expected(pq.read_table(path), drop=True), check_metadata=True)


def test_a_row_group_read_in_many_batches_is_one_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "BATCH_BYTES", 200)
    path, table = tmp_path / "a.parquet", table_of()
    pq.write_table(table, path, row_group_size=20)
    assert sum(1 for _ in open_shard(str(path), Config())) > 5
    out, _, _ = through(path, odd_only)
    assert [pq.ParquetFile(out).metadata.row_group(group).num_rows for group in (0, 1)] == [20, 10]
    assert pq.read_table(out).equals(expected(pq.read_table(path)), check_metadata=True)


def test_strings_that_are_not_utf8_pass(tmp_path: Path) -> None:
    raw = pa.array([b"one caf\xe9", b"two \xff\xfe", b"x"], pa.binary())
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": raw.view(pa.string())}), path)
    out, documents, _ = through(path, odd_only)
    assert [document.raw for document in documents] == [b"one caf\xe9", b"two \xff\xfe", b"x"]
    assert pq.read_table(out)["text"].combine_chunks().view(pa.binary()).to_pylist() == [
        b"one caf\xe9",
        b"\xff\xfe",
        b"x",
    ]


def test_a_column_of_bytes_is_text_where_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"page": pa.array([b"a b"], pa.binary()), "n": [1]}), path)
    with pytest.raises(ConfigError, match="no field that is surely the text"):
        list(open_shard(str(path), Config()))
    out, documents, _ = through(path, shorten, Config(text_field="page"))
    assert documents[0].raw == b"a b"
    assert pq.read_table(out).to_pylist() == [{"page": b"b", "n": 1}]


def test_a_text_field_of_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1, 2]}), path)
    with pytest.raises(ConfigError, match="the field 'text' is int64; expected strings"):
        list(open_shard(str(path), Config(text_field="text")))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_file_that_is_not_what_its_name_says_is_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"plain text, nothing else in it at all")
    with pytest.raises(InputError, match=r"cannot be read: .* broken or not what its name says") as caught:
        list(open_shard(str(tmp_path / name), Config()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [0, 3])
def test_parquet_without_rows_comes_back(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "a.parquet"
    table = table_of().slice(0, rows)
    pq.write_table(table, path)
    assert pq.read_table(through(path)[0]).equals(pq.read_table(path), check_metadata=True)


def write_arrow(path: Path, table: pa.Table, style: str, compression: str | None, num_rows: int = 8) -> None:
    make = pa.ipc.new_file if style == "file" else pa.ipc.new_stream
    with make(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=num_rows)


def read_arrow(path: Path, style: str) -> tuple[list[int], pa.Table]:
    with pa.memory_map(str(path)) as source:
        opened = pa.ipc.open_file(source) if style == "file" else pa.ipc.open_stream(source)
        table = opened.read_all()
    return [chunk.num_rows for batch in [table] for chunk in batch.to_batches()], table


@pytest.mark.parametrize("style", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_arrow_keeps_form_batches_and_types(tmp_path: Path, style: str, compression: str | None, kind: Any) -> None:
    path, table = tmp_path / "a.arrow", table_of(kind)
    write_arrow(path, table, style, compression)
    out, _, bad = through(path, odd_only)
    sizes, after = read_arrow(out, style)
    assert sizes == read_arrow(path, style)[0]
    assert after.schema.equals(table.schema, check_metadata=True)
    assert after.to_pylist() == expected(table).to_pylist()
    assert len(bad) == 5
    assert (out.read_bytes()[:6] == b"ARROW1") == (style == "file")
    if compression is not None and kind == pa.string():
        assert {"lz4": b"\x04\x22\x4d\x18", "zstd": b"\x28\xb5\x2f\xfd"}[compression] in out.read_bytes()


def test_an_unchanged_arrow_stream_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    write_arrow(path, table_of(), "stream", None)
    assert through(path)[0].read_bytes() == path.read_bytes()


def test_a_large_record_batch_is_read_in_pieces_and_written_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BATCH_BYTES", 300)
    path, table = tmp_path / "a.feather", table_of()
    write_arrow(path, table, "file", "lz4", 20)
    assert sum(1 for _ in open_shard(str(path), Config())) > 5
    sizes, after = read_arrow(through(path, odd_only)[0], "file")
    assert sizes == [20, 10]
    assert after.equals(expected(table), check_metadata=True)


# Hugging Face `datasets`


def save_to_disk(folder: Path, tables: list[pa.Table], **state: Any) -> None:
    """Write what `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05d}-of-{len(tables):05d}.arrow" for number in range(len(tables))]
    for name, table in zip(names, tables, strict=True):
        write_arrow(folder / name, table, "stream", None)
    (folder / "dataset_info.json").write_text('{"description": ""}')
    files = [{"filename": name} for name in names]
    state = {"_data_files": files, "_fingerprint": "0123456789abcdef", "_split": None, **state}
    (folder / "state.json").write_text(json.dumps(state, indent=2))


def test_a_datasets_folder_comes_back_as_one_with_a_new_fingerprint(tmp_path: Path) -> None:
    table = table_of()
    save_to_disk(tmp_path / "ds", [table.slice(0, 13), table.slice(13, 0), table.slice(13)])
    out, documents, _ = through(tmp_path / "ds", odd_only)
    names = sorted(os.listdir(out))
    assert names == sorted(os.listdir(tmp_path / "ds"))
    tables = [read_arrow(out / name, "stream")[1] for name in names if name.startswith("data-")]
    assert [part.num_rows for part in tables] == [13, 0, 17]
    assert pa.concat_tables(tables).equals(expected(table), check_metadata=True)
    assert documents[-1].doc == f"{tmp_path}/ds#29"
    state = json.loads((out / "state.json").read_text())
    assert state["_fingerprint"] != "0123456789abcdef"
    assert len(state["_fingerprint"]) == 16
    assert sorted(os.listdir(tmp_path / "out")) == ["ds"]


def test_a_datasets_folder_can_be_written_in_place(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "ds", [table_of()])
    reader = open_shard(str(tmp_path / "ds"), Config())
    with ShardWriter(tmp_path / "ds", reader, in_place=True) as writer:
        for batch in reader:
            writer.write(batch, [odd_only(document) for document in batch.documents])
    assert read_arrow(tmp_path / "ds/data-00000-of-00001.arrow", "stream")[1].equals(expected(table_of()))
    assert os.listdir(tmp_path) == ["ds"]


def test_datasets_in_a_folder_are_found_as_shards(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "dict/train", [table_of()])
    save_to_disk(tmp_path / "dict/test", [table_of()])
    (tmp_path / "dict/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = find_inputs([str(tmp_path / "dict")])
    names = [(file.uri.rpartition("/")[2], file.format) for file in found]
    assert names == [("test", "datasets"), ("train", "datasets")]
    for file, output in zip(found, plan_outputs(found, str(tmp_path / "out")), strict=True):
        reader = open_shard(file, Config())
        with ShardWriter(output, reader) as writer:
            for batch in reader:
                writer.write(batch, [None] * len(batch.documents))
    assert sorted(os.listdir(tmp_path / "out")) == ["dataset_dict.json", "test", "train"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"_data_files": [{"filename": "../../etc/passwd"}]}, "outside of the folder"),
        ({"_indices_data_files": [{"filename": "i.arrow"}]}, "flatten_indices"),
        ({"_data_files": 5}, "does not list the data files"),
    ],
)
def test_a_datasets_folder_that_leads_astray_is_refused(tmp_path: Path, state: dict[str, Any], message: str) -> None:
    save_to_disk(tmp_path / "ds", [table_of()], **state)
    with pytest.raises(InputError, match=message):
        list(open_shard(str(tmp_path / "ds"), Config()))


# WARC and WET


def warc_record(kind: str, media: str, block: bytes, *extra: str) -> bytes:
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        "WARC-Date: 2024-05-01T10:00:00Z",
        "WARC-Record-ID: <urn:uuid:12345678-0000-0000-0000-000000000001>",
        "WARC-Target-URI: https://News.example.org/a",
        f"Content-Type: {media}",
        *extra,
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def sha1(content: bytes) -> str:
    return "sha1:" + b32encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()


HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
TEXT_ONE, TEXT_TWO = "first Größe\n".encode(), b"plain answer"


def archive(one: bytes = TEXT_ONE, two: bytes = TEXT_TWO) -> list[bytes]:
    answer = HTTP % (b"text/plain; charset=iso-8859-1", len(two), two)
    return [
        warc_record("warcinfo", "application/warc-fields", b"software: x\r\n"),
        warc_record("conversion", "text/plain", one, f"WARC-Block-Digest: {sha1(one)}"),
        warc_record("response", "application/http; msgtype=response", HTTP % (b"text/html", 3, b"<p>")),
        warc_record(
            "response",
            "application/http; msgtype=response",
            answer,
            f"WARC-Block-Digest: {sha1(answer)}",
            f"WARC-Payload-Digest: {sha1(two)}",
        ),
        warc_record(
            "response",
            "application/http; msgtype=response",
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\nxx",
        ),
        warc_record("resource", "text/plain", b""),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_archives_come_back_and_lengths_and_digests_follow_the_texts(tmp_path: Path, packed: bool) -> None:
    def pack(records: list[bytes]) -> bytes:
        return b"".join(gzip.compress(record, mtime=7) if packed else record for record in records)

    path = tmp_path / ("a.warc.wet.gz" if packed else "a.warc")
    path.write_bytes(pack(archive()))
    out, documents, bad = through(path)
    assert out.read_bytes() == path.read_bytes()
    assert [(document.record, document.utf8) for document in documents] == [(1, TEXT_ONE), (3, TEXT_TWO), (5, b"")]
    assert [record.record for record in bad] == [2, 4]
    assert "expected text/plain" in bad[0].message
    assert documents[0].host == "news.example.org"
    assert documents[0].id == "urn:uuid:12345678-0000-0000-0000-000000000001" or documents[0].id
    out, _, _ = through(path, lambda document: shorten(document) if document.raw else None)
    changed = gzip.decompress(out.read_bytes()) if packed else out.read_bytes()
    assert changed == b"".join(archive("Größe\n".encode(), b"answer"))


def test_archives_are_read_by_others_after_a_change(tmp_path: Path) -> None:
    from fastwarc import ArchiveIterator

    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, archive())))
    out, _, _ = through(path, lambda document: shorten(document) if document.raw else None)
    with open(out, "rb") as file:
        are_right = [
            record.verify_block_digest()
            for record in ArchiveIterator(file, parse_http=False)
            if "WARC-Block-Digest" in record.headers
        ]
    assert are_right == [True, True]


def test_dropped_records_leave_the_archive(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(map(gzip.compress, archive())))

    def drop(document: Document) -> Outcome:
        return DROP if document.record == 3 else None

    records = archive()
    assert gzip.decompress(through(path, drop)[0].read_bytes()) == b"".join(records[:3] + records[4:])


def test_an_archive_cut_off_is_said_to_be_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"".join(archive()[:2])[:-8])
    reader = open_shard(str(path), Config())
    bad = [record for batch in reader for record in batch.bad]
    assert bad == [BadRecord(str(path), 1, "is cut off")]
    assert reader.broken is not None
    assert through(path)[0].read_bytes() == path.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("num_whole", [0, 1])
@pytest.mark.parametrize("kind", ["conversion", "warcinfo"])
def test_wherever_its_last_record_is_cut_an_archive_is_said_to_be_broken(
    tmp_path: Path, packed: bool, num_whole: int, kind: str
) -> None:
    """The records before it go on; fastwarc says nothing, and gives what is left as an empty or an unknown record."""
    records = [warc_record("conversion", "text/plain", b"a whole text")] * num_whole
    records.append(warc_record(kind, "text/plain", b"a text of many words " * 9))
    whole, last = (b"".join(gzip.compress(each) if packed else each for each in part)
                   for part in (records[:-1], records[-1:]))
    path = tmp_path / ("a.warc.gz" if packed else "a.warc")
    for size in range(1, len(last) - (0 if packed else 4)):
        path.write_bytes(whole + last[:size])
        reader = open_shard(str(path), Config())
        batches = list(reader)
        assert reader.broken is not None, size
        assert [document.raw for batch in batches for document in batch.documents] == [b"a whole text"] * num_whole
        bad = [record.record for batch in batches for record in batch.bad]
        assert bad == [num_whole] * (reader.num_records - num_whole), size
        if num_whole and size % 16 == 1:  # the whole one is written anew, and what is left of the other as it was
            assert through(path, shorten)[0].read_bytes().endswith(last[:size])
    path.write_bytes(whole + last)
    reader = open_shard(str(path), Config())
    assert not [record for batch in reader for record in batch.bad]
    assert reader.broken is None


def test_an_archive_cut_off_in_its_only_record_ends_a_run_with_exit_code_2(tmp_path: Path) -> None:
    record = gzip.compress(warc_record("conversion", "text/plain", b"a text of many words " * 9))
    path = tmp_path / "a.warc.gz"
    path.write_bytes(record[:-60])
    command = [sys.executable, "-m", "dedupe", "clean", str(path), "-o", str(tmp_path / "out")]
    done = subprocess.run([*command, "--report", str(tmp_path / "report")], capture_output=True, text=True)
    assert done.returncode == 2
    assert "a.warc.gz" in done.stderr
    assert "is cut off" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "report" / "removals.jsonl").read_text().splitlines()]
    assert [row["record"] for row in rows if row["type"] == "error"] == [0, None]


def test_an_archive_in_one_gzip_member_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(b"".join(archive())))
    with pytest.raises(InputError, match="several records in one gzip member"):
        list(open_shard(str(path), Config()))


def test_many_records_are_read_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dedupe.read.warc.BATCH_BYTES", 100)
    path = tmp_path / "a.warc"
    records = [warc_record("conversion", "text/plain", b"x text number %d" % number) for number in range(40)]
    path.write_bytes(b"".join(records))
    assert sum(1 for _ in open_shard(str(path), Config())) > 4
    assert through(path)[0].read_bytes() == path.read_bytes()
    out, documents, _ = through(path, shorten)
    assert len(documents) == 40
    assert out.read_bytes() == b"".join(
        warc_record("conversion", "text/plain", b"text number %d" % number) for number in range(40)
    )


def test_nothing_heavy_is_imported_for_lines(tmp_path: Path) -> None:

    (tmp_path / "a.jsonl").write_bytes(b'{"text":"a"}\n')
    code = (
        "import sys; from dedupe.read import open_shard; from dedupe.write import ShardWriter\n"
        "from dedupe.config import Config\n"
        "r = open_shard(sys.argv[1], Config())\n"
        "with ShardWriter(sys.argv[1] + '.out', r) as w: [w.write(b, [None] * len(b.documents)) for b in r]\n"
        "print([m for m in ('pyarrow', 'fastwarc', 'numba') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.jsonl")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
