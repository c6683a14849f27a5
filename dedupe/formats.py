"""Name the formats of input, recognize them, and define what `read` hands to `write`.

A format is told by a file's name, and by its first bytes where the name says too little (".json").
Nothing here reads more than the head of a file or imports a package for a format.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct

from dedupe.errors import ConfigError, InputError
from dedupe.records import BadRecord, Document

Format = Literal["text", "jsonl", "csv", "tsv", "parquet", "arrow", "warc", "datasets"]
Compression = Literal["gz", "zst", "bz2", "xz"]

STDIN: Final = "-"
HEAD_BYTES: Final = 8192
BATCH_BYTES: Final = 8 << 20  # a batch of texts that the kernels take in one pass and a worker can hold often
BATCH_RECORDS: Final = 1 << 14  # no more, however short they are: each has a signature, and rows of its own

_COMPRESSIONS: Final[dict[str, Compression]] = {
    ".gz": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2", ".xz": "xz",
}
_FORMATS: Final[dict[str, Format]] = {
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json-lines": "jsonl", ".jsonlines": "jsonl", ".csv": "csv", ".tsv": "tsv",
    ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".warc": "warc", ".wet": "warc",
}
_DATASETS_FILES: Final = ("state.json", "dataset_info.json")  # what save_to_disk writes beside the .arrow files
# What can be told of standard input, and of a file whose name says nothing.
_TOLD: Final[dict[str, Format]] = {"text": "text", "jsonl": "jsonl", "csv": "csv", "tsv": "tsv"}
# Parquet and Arrow compress inside; a .gz around them cannot be read by place.
_COMPRESSIBLE: Final = frozenset({"jsonl", "csv", "tsv", "warc"})


@dataclass(frozen=True, slots=True)
class InputFile:
    """Name one file to read.

    `path`: as the operating system knows it. `uri`: the same as given, in POSIX form and free of bytes that
    are not UTF-8; it is the key of the document. `root`: the folder that was given and the file stands below,
    None for a file that was named itself. `format` and `compression`: how its bytes are read. `allow_binary`: as a
    text whatever it is, for its encoding was named. `to_stream`: its output goes on to a stream, which no ledger names.
    """

    path: str
    uri: str
    root: str | None
    format: Format
    compression: Compression | None = None
    num_bytes: int = 0
    allow_binary: bool = False
    to_stream: bool = False


class Drop(enum.Enum):
    """Mark a record that is left out of the output."""

    DROP = "drop"


DROP: Final = Drop.DROP
# What becomes of a document: its new bytes in its own encoding, None for unchanged, DROP for left out.
Outcome: TypeAlias = bytes | Drop | None


class Spliced(Struct, frozen=True):
    """Hold records as bytes of the file, to be written back around the new texts.

    `content`: all bytes of the batch, whatever is between records too. `rows`, `values`: for each document,
    half-open spans in `content` of its record (with its line end) and of its text as the file spells it. `members`:
    gives the other fields of document number n of the batch by name; None for JSON lines, which tell them themselves.
    """

    content: bytes
    rows: list[tuple[int, int]]
    values: list[tuple[int, int]]
    members: Callable[[int], dict[str, str]] | None = None


class Columns(Struct, frozen=True):
    """Hold records as an Arrow record batch (pyarrow.RecordBatch).

    `rows`: for each document, its row in the batch. `group`: number of the row group, record batch or file the
    rows came from, all of which the writer puts back together; batches come in order of their groups.
    `file`: number of the file in the shard.
    """

    batch: Any
    rows: list[int]
    group: int
    file: int = 0


class RecordBatch(Struct, frozen=True):
    """Hold consecutive records of a shard, about `BATCH_BYTES` of them and at most `BATCH_RECORDS`.

    `first`: number of the first record, from 0. `num_records`: documents, bad records and what is passed over
    (empty lines, WARC records that hold no text). `rows`: what the writer of the format needs.
    """

    first: int
    num_records: int
    documents: list[Document]
    bad: list[BadRecord]
    rows: Spliced | Columns


class ShardReader(Protocol):
    """Read one shard, in batches; iterate once.

    `broken`: why reading stopped before the end of the file, None where it did not. What was read until then
    counts. `num_records`: records handed out so far. `delimiter`: of CSV, else empty.
    """

    path: str
    uri: str
    format: Format
    compression: Compression | None
    text_field: str | None
    broken: str | None
    num_records: int
    delimiter: str

    def __iter__(self) -> Iterator[RecordBatch]: ...


def format_named(name: str) -> Format:
    """Give the format that people tell by its name, of inputs whose own name tells nothing.

    Raises: ConfigError: it is none that can be told.
    """
    if name not in _TOLD:
        raise ConfigError(f"--format is {name!r}; expected one of {', '.join(_TOLD)}")
    return _TOLD[name]


def describe_name(path: str) -> tuple[Format, Compression | None]:
    """Tell format and compression by a file's name alone; "text" where the name says nothing else.

    >>> describe_name("part-00.jsonl.gz"), describe_name("notes.txt")
    (('jsonl', 'gz'), ('text', None))
    """
    stem, suffix = os.path.splitext(os.path.basename(path).lower())
    compression = _COMPRESSIONS.get(suffix)
    if compression:
        inner = _FORMATS.get(os.path.splitext(stem)[1])
        return (inner, compression) if inner in _COMPRESSIBLE else ("text", compression)
    return _FORMATS.get(suffix, "text"), None


def sniff_format(path: str, *, is_named: bool = True) -> Format:
    """Tell the format of a file or of a folder written by Hugging Face `datasets`.

    `is_named`: the file was named itself; one found in a folder is taken for JSON lines only if it has two.
    Raises: InputError: a `.json` file holds one value over several lines, not one record a line.
    """
    if is_datasets_folder(path):
        return "datasets"
    found, compression = describe_name(path)
    if found == "text" and compression is None and path.lower().endswith(".json"):
        return _sniff_json(path, is_named)
    return found


def is_datasets_folder(path: str) -> bool:
    """Tell whether a folder was written by Hugging Face's `save_to_disk` (one split of a data set)."""
    return all(os.path.isfile(os.path.join(path, name)) for name in _DATASETS_FILES)


def _sniff_json(path: str, is_named: bool) -> Format:
    """Tell JSON lines from one JSON value spread over the file."""
    with open(path, "rb") as file:
        head = file.read(1 << 20)
    lines = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)
    first = lines[0].strip()
    is_cut = len(lines) == 1 and len(head) == 1 << 20
    is_enough = is_named or is_cut or (lines[-1].lstrip().startswith(b"{") and len(lines) == 2)
    if first.startswith(b"{") and (is_cut or first.endswith(b"}")) and is_enough:
        return "jsonl"
    raise InputError(
        f"{show_name(path)}: is JSON, but not one record a line; turn an array into lines with: jq -c '.[]' file.json"
    )


def show_name(path: str) -> str:
    """Give a path as it may stand in a message: no control characters, nothing that is not UTF-8.

    >>> show_name("a\\x1b[31m.txt")
    'a\\\\x1b[31m.txt'
    """
    text = clean_uri(path)
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def clean_uri(path: str) -> str:
    """Give a path in POSIX form; bytes of a name that are not UTF-8 become `\\xNN`.

    >>> clean_uri("./news//a.txt"), clean_uri("b\\udcff.txt")
    ('news/a.txt', 'b\\\\xff.txt')
    """
    if path == STDIN:
        return path
    return Path(path).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def error_handler(encoding: str) -> str:
    """Name the error handler under which text of `encoding` comes back byte for byte.

    It serves both directions, for the codec and for the UTF-8 of `Document.utf8`: lone surrogates are kept in
    UTF-16 and UTF-32, bytes that fit no character in the others.
    """
    return "surrogatepass" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
