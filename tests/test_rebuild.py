"""Originals of corpora: cleaned by the command, put back by the command, in every format and from every place."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import hashlib
import io
import json
import lzma
import sys
from pathlib import Path

import pyarrow
import pyarrow.csv
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from corpus_samples import HOSTILE, as_lines, records

from dedupe.cli import main

RECORDS = records(40)
LINES = [*as_lines(RECORDS), *HOSTILE]


def dedupe(*words: object, code: int = 0, cwd: Path, stdin: bytes = b"") -> tuple[bytes, str]:
    """Run the command in this process, which saves its start; give what went to stdout and to stderr."""
    out, said, before = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO(), (sys.argv, sys.stdin)
    sys.argv, sys.stdin = ["dedupe", *map(str, words)], io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    try:
        with (
            contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(said),
            pytest.raises(SystemExit) as end,
        ):  # fmt: skip
            main()
    finally:
        sys.argv, sys.stdin = before
    assert end.value.code == code, said.getvalue()
    out.flush()
    return out.buffer.getvalue(), said.getvalue()


def cleaned(folder: Path, *inputs: Path, code: int = 0, more: tuple[str, ...] = ()) -> None:
    dedupe("clean", *inputs, "-o", "out", "--report", "run", "-q", *more, cwd=folder, code=code)


def ledger(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "run" / "removals.jsonl").read_bytes().splitlines()]


def as_csv(delimiter: str, **how: object) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["n", "id", "url", "text", "extra"], delimiter=delimiter, **how)
    writer.writeheader()
    writer.writerows(RECORDS)
    return text.getvalue().encode()


def as_wet() -> bytes:
    pieces = []
    for record in RECORDS:
        block = str(record["text"]).encode()
        digest = hashlib.sha1(block).hexdigest()
        head = (
            f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: {record['url']}\r\n"
            f"WARC-Record-ID: <urn:uuid:{record['n']:032}>\r\nContent-Type: text/plain\r\n"
            f"WARC-Block-Digest: sha1:{digest}\r\nContent-Length: {len(block)}\r\n\r\n"
        )
        pieces.append(head.encode() + block + b"\r\n\r\n")
    return b"".join(pieces)


UNPACKED = {
    "escapes.jsonl": b"".join(json.dumps(record).encode() + b"\r\n" for record in RECORDS),
    "spaced.jsonl": b"".join(json.dumps(record, indent=None, separators=(" , ", " : ")).encode() + b"\n"
                             for record in RECORDS),
    "slashes.jsonl": b"".join(line.replace(b"/", b"\\/") for line in as_lines(RECORDS)),
    "hostile.jsonl": b"".join(LINES),
    "marked.jsonl": b"\xef\xbb\xbf" + b"".join(as_lines(RECORDS)).rstrip(b"\n"),
    "comma.csv": as_csv(","),
    "quoted.csv": b"\xef\xbb\xbf" + as_csv(";", quoting=csv.QUOTE_ALL, lineterminator="\n"),
    "tabs.tsv": as_csv("\t"),
    "crawl.wet": as_wet(),
}  # fmt: skip


@pytest.mark.parametrize("name", UNPACKED)
def test_shards_come_back_byte_for_byte(tmp_path, name):
    """To a folder, to a file, to standard output and in place; other fields, line ends and bad rows with the texts."""
    raw = UNPACKED[name]
    (tmp_path / name).write_bytes(raw)
    cleaned(tmp_path, Path(name), code=2 if name == "hostile.jsonl" else 0)
    assert sum(row["type"] == "removal" for row in ledger(tmp_path)) > 40
    assert (tmp_path / "out" / name).read_bytes() != raw
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    assert (tmp_path / "back" / name).read_bytes() == raw
    assert dedupe("restore", "run", cwd=tmp_path)[0] == raw
    dedupe("restore", "run", "-o", f"one{Path(name).suffix}", cwd=tmp_path)
    assert (tmp_path / f"one{Path(name).suffix}").read_bytes() == raw
    dedupe("restore", "run", "--in-place", cwd=tmp_path)
    assert (tmp_path / "out" / name).read_bytes() == raw
    dedupe("restore", "run", "--in-place", cwd=tmp_path)  # what is the original already stays so
    assert (tmp_path / "out" / name).read_bytes() == raw


def zstd(content: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(content)
    return sink.getvalue().to_pybytes()


def unzstd(content: bytes) -> bytes:
    return pyarrow.CompressedInputStream(pyarrow.BufferReader(content), "zstd").read()


PACKERS = [(".gz", gzip.compress, gzip.decompress), (".bz2", bz2.compress, bz2.decompress),
           (".xz", lzma.compress, lzma.decompress), (".zst", zstd, unzstd)]  # fmt: skip


@pytest.mark.parametrize(("suffix", "pack", "unpack"), PACKERS, ids=[suffix for suffix, _, _ in PACKERS])
def test_compressed_shards_come_back_with_the_same_content(tmp_path, suffix, pack, unpack):
    raw = b"".join(as_lines(RECORDS))
    (tmp_path / f"a.jsonl{suffix}").write_bytes(pack(raw))
    cleaned(tmp_path, Path(f"a.jsonl{suffix}"))
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    assert unpack((tmp_path / "back" / f"a.jsonl{suffix}").read_bytes()) == raw


def test_a_compressed_archive_comes_back_with_the_same_content(tmp_path):
    raw = b"".join(gzip.compress(b"WARC/1.0" + piece) for piece in as_wet().split(b"WARC/1.0")[1:])
    (tmp_path / "a.wet.gz").write_bytes(raw)
    cleaned(tmp_path, Path("a.wet.gz"))
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    assert gzip.decompress((tmp_path / "back" / "a.wet.gz").read_bytes()) == gzip.decompress(raw)


def table() -> pyarrow.Table:
    rows = [{**record, "extra": str(record["extra"]), "text": None if record["n"] == 3 else record["text"]}
            for record in RECORDS]
    return pyarrow.Table.from_pylist(rows).replace_schema_metadata({"made": "by the test"})


def test_tables_come_back_equal(tmp_path):
    """Parquet in groups of rows, an Arrow file, Feather, and a folder of Hugging Face datasets."""
    pyarrow.parquet.write_table(table(), tmp_path / "a.parquet", row_group_size=7, compression="zstd")
    with pyarrow.ipc.new_file(tmp_path / "b.arrow", table().schema) as writer:
        writer.write_table(table(), max_chunksize=9)
    pyarrow.feather.write_feather(table(), tmp_path / "c.feather")
    (tmp_path / "d").mkdir()
    with pyarrow.ipc.new_stream(tmp_path / "d" / "data.arrow", table().schema) as writer:
        writer.write_table(table(), max_chunksize=11)
    (tmp_path / "d" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    (tmp_path / "d" / "dataset_info.json").write_text("{}")
    names = [Path("a.parquet"), Path("b.arrow"), Path("c.feather"), Path("d")]
    cleaned(tmp_path, *names, code=2)
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    back = [
        pyarrow.parquet.read_table(tmp_path / "back" / "a.parquet"),
        pyarrow.ipc.open_file(tmp_path / "back" / "b.arrow").read_all(),
        pyarrow.feather.read_table(tmp_path / "back" / "c.feather"),
        pyarrow.ipc.open_stream(tmp_path / "back" / "d" / "data.arrow").read_all(),
    ]
    for found in back:
        assert found.equals(table(), check_metadata=True)
    assert pyarrow.parquet.ParquetFile(tmp_path / "back" / "a.parquet").num_row_groups == 6
    assert not pyarrow.parquet.read_table(tmp_path / "out" / "a.parquet").equals(table())


def test_folders_of_shards_and_texts_come_back_in_their_places(tmp_path):
    """Shards below folders, texts beside them, through several processes."""
    raw = {"in/a/one.jsonl": b"".join(LINES[:20]), "in/b/two.jsonl": b"".join(LINES[20:]),
           "in/b/note.txt": str(RECORDS[5]["text"]).encode(), "in/c/three.csv": as_csv(",")}  # fmt: skip
    for name, content in raw.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    cleaned(tmp_path, Path("in"), code=2, more=("--jobs", "2"))
    assert "4 files to restore" in dedupe("restore", "run", cwd=tmp_path, code=2)[1]
    dedupe("restore", "run", "-o", "back", cwd=tmp_path)
    assert {name: (tmp_path / "back" / name).read_bytes() for name in raw} == raw


def test_single_removals_are_put_back(tmp_path):
    """Two removals of one record by their ids; every other byte of the cleaned shard stays."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"))
    gone = [row for row in ledger(tmp_path) if row["type"] == "removal" and row["doc"] == "a.jsonl#7"]
    two = [row["id"] for row in gone[:2]]
    before = (tmp_path / "out" / "a.jsonl").read_bytes().splitlines(keepends=True)
    back = dedupe("restore", "run", "--id", two[0], "--id", two[1], cwd=tmp_path)[0].splitlines(keepends=True)
    assert [number for number, (one, other) in enumerate(zip(before, back, strict=True)) if one != other] == [7]
    text = json.loads(back[7])["text"]
    assert len(text) == len(json.loads(before[7])["text"]) + sum(len(str(row["text"])) for row in gone[:2])
    assert str(gone[0]["text"]).strip() in text
    assert "no such removal" in dedupe("restore", "run", "--id", "r000000000000", cwd=tmp_path, code=2)[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: [*lines[:5], lines[5].replace(b'"text": "', b'"text": "!'), *lines[6:]], "#5: is not the text"),
        (lambda lines: lines[:-1], "has 39 documents, and the ledger more"),
        (lambda lines: [*lines, lines[0]], "has more than the 40 documents of the ledger"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "#0: is not the text"),
    ],
    ids=["changed", "cut", "longer", "reordered"],
)
@pytest.mark.parametrize("where", [("--in-place",), ("-o", "back")], ids=" ".join)
def test_a_changed_shard_is_refused_and_nothing_is_written(tmp_path, change, says, where):
    """Exit code 3, also for the files that are as they were."""
    lines = as_lines(RECORDS)
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "b.jsonl").write_bytes(b"".join(lines))
    cleaned(tmp_path, Path("a.jsonl"), Path("b.jsonl"))
    out = tmp_path / "out" / "b.jsonl"
    out.write_bytes(b"".join(change(out.read_bytes().splitlines(keepends=True))))
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("a.jsonl", "b.jsonl")}
    assert says in dedupe("restore", "run", *where, cwd=tmp_path, code=3)[1]
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before
    assert not (tmp_path / "back").exists()


def test_an_edited_ledger_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"))
    place = tmp_path / "run" / "removals.jsonl"
    place.write_bytes(place.read_bytes().replace(b'"text":"Subscribe to our', b'"text":"Subscribe to any'))
    assert "the ledger was edited" in dedupe("restore", "run", "-o", "back", cwd=tmp_path, code=3)[1]


def test_documents_that_were_left_out_are_said_to_be_nowhere(tmp_path):
    """With `--near-duplicates drop` the text is in no file; single removals of what is there can be put back."""
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"), more=("--near-duplicates", "drop"))
    dropped = [row["doc"] for row in ledger(tmp_path) if row.get("near_duplicate_of")]
    said = dedupe("restore", "run", "-o", "back", cwd=tmp_path, code=2)[1]
    assert f"{dropped[0]}: was left out as a near-duplicate" in said
    last = next(row for row in reversed(ledger(tmp_path)) if row["type"] == "removal" and row["doc"] not in dropped)
    back = dedupe("restore", "run", "--id", last["id"], cwd=tmp_path)[0]
    assert len(back.splitlines()) == len(RECORDS) - len(dropped)
    assert str(last["text"]).strip() in json.loads(back.splitlines()[-1])["text"]


def test_a_removal_of_a_record_is_explained_beside_its_copy(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"))
    row = next(row for row in ledger(tmp_path) if row["type"] == "removal")
    assert str(row["text"]).split("\n")[0] in dedupe("explain", "run", row["id"], cwd=tmp_path)[0].decode()


def test_patches_are_for_texts(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"))
    assert "a patch is for texts" in dedupe("report", "run", "--format", "patch", cwd=tmp_path, code=2)[1]


def test_a_report_over_records_reads_each_shard_once(tmp_path, monkeypatch):
    """The page carries texts of records, and the time it takes does not grow with their number times the shard."""
    from dedupe import rebuild

    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(RECORDS)))
    cleaned(tmp_path, Path("a.jsonl"))
    monkeypatch.chdir(tmp_path)
    opened = []
    open_shard = rebuild.open_shard
    monkeypatch.setattr(rebuild, "open_shard", lambda *given: opened.append(given) or open_shard(*given))
    found = rebuild.originals(tmp_path / "run" / "removals.jsonl", 1 << 20)
    assert found == {f"a.jsonl#{record['n']}": str(record["text"]).encode() for record in RECORDS}
    assert len(opened) == 1
    few = rebuild.originals(tmp_path / "run" / "removals.jsonl", 5000)
    assert 0 < sum(map(len, few.values())) <= 5000
