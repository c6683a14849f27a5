"""Bring inputs in from addresses (hdfs://, s3a://, gs://, file:) through Spark, and take outputs out to them.

Executors copy inputs into a folder that all machines see, file by file, where they are read like any others; a
file that is there already, with its size and time, is not copied again. Outputs are copied by the driver.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dedupe.engines.spark.engine import attempt
from dedupe.errors import ConfigError, InputError
from dedupe.formats import InputFile, show_name
from dedupe.read import find_inputs
from dedupe.write import replacing

_ADDRESS = re.compile(r"(?P<store>[A-Za-z][A-Za-z0-9+.-]+:(?://[^/]*)?)(?P<path>/.*)")
_MAGIC = re.compile(r"[*?\[{]")
_NUM_THREADS = 8
_DONE_SCHEMA = "path string"


@dataclass(frozen=True, slots=True)
class _Found:
    """Name a file that Spark found, and where its copy goes."""

    address: str
    copy: str
    num_bytes: int
    time_ns: int

    def is_copied(self) -> bool:
        try:
            status = os.stat(self.copy)
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.num_bytes, self.time_ns)


def is_address(path: str) -> bool:
    """Tell addresses from paths of this machine.

    >>> [is_address(path) for path in ("s3a://crawl/a.jsonl", "file:/data", "C:/data", "news/a.txt")]
    [True, True, False, False]
    """
    return _ADDRESS.fullmatch(path) is not None


def fetch(session: Any, address: str, folder: Path, on_skip: Callable[[str, str], None]) -> list[InputFile]:
    """Copy the files behind an address (a file, a folder, a pattern) into `folder`; their `uri` is their address.

    Raises: InputError: there is nothing. DedupeError: Spark could not read them; a file may have 2 GB at most.
    """
    found = _list(session, address, folder)
    todo = [file for file in found if not file.is_copied()]
    if todo:
        _copy_in(session, address, todo)
    addresses = {os.path.realpath(file.copy): file.address for file in found}
    files = find_inputs([str(folder)], on_skip)
    return [
        replace(file, uri=addresses[os.path.realpath(file.path)])
        for file in files if os.path.realpath(file.path) in addresses
    ]


def literal(address: str) -> str:
    """Write an address so that Spark takes no character of it for a pattern."""
    return re.sub(r"([\[\]{}*?,\\])", r"\\\1", address)


def _list(session: Any, address: str, folder: Path) -> list[_Found]:
    frame = attempt(f"reading {show_name(address)}", lambda: (
        session.read.format("binaryFile").option("recursiveFileLookup", "true").load(address)
        .selectExpr("path", "length", "unix_micros(modificationTime) AS time").toArrow()
    ))
    if not frame.num_rows:
        raise InputError(f"{show_name(address)}: no file there; hidden ones and those that begin with _ do not count")
    base = _base(address)
    return [
        _Found(row["path"], str(folder / _below(row["path"], base)), row["length"], row["time"] * 1000)
        for row in frame.to_pylist()
    ]


def _base(address: str) -> str:
    """Give the path of the folder that an address or a pattern names, or of the file.

    >>> _base("hdfs://node:8020/crawl/2026-*/part.jsonl"), _base("file:///crawl/")
    ('/crawl', '/crawl')
    """
    match = _ADDRESS.fullmatch(address)
    assert match is not None
    path = re.sub("//+", "/", match["path"])
    magic = _MAGIC.search(path)
    return (path if magic is None else path[:path.rindex("/", 0, magic.start())]).rstrip("/")


def _below(address: str, base: str) -> str:
    """Give the place of a file below the folder; its name, where the file was named itself."""
    match = _ADDRESS.fullmatch(address)
    path = match["path"] if match is not None else address
    inside = path.startswith(base + "/")
    parts = [part for part in (path[len(base):] if inside else os.path.basename(path)).split("/") if part]
    if any(part == ".." for part in parts):
        raise InputError(f"{show_name(address)}: has .. in its name; name the file without")
    return os.path.join(*parts)


def _copy_in(session: Any, address: str, files: Sequence[_Found]) -> None:
    copies = {file.address: file for file in files}

    def store(batches: Iterator[Any]) -> Iterator[Any]:
        return store_files(batches, copies)

    paths = [literal(file.address) for file in files]
    frame = session.read.format("binaryFile").load(paths).select("path", "content")
    setting = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = session.conf.get(setting, "10000")
    session.conf.set(setting, "1")  # a file at a time, however large
    try:
        attempt(f"copying {show_name(address)}", frame.mapInArrow(store, _DONE_SCHEMA).toArrow)
    finally:
        session.conf.set(setting, before)
    for file in files:
        if not file.is_copied():
            raise InputError(f"{show_name(file.address)}: changed while it was read; try again")


def store_files(batches: Iterator[Any], copies: dict[str, _Found]) -> Iterator[Any]:
    """Write files that come as rows of path and content; gives a row for each."""
    import pyarrow

    for batch in batches:
        for path, content in zip(batch.column("path").to_pylist(), batch.column("content"), strict=True):
            file = copies[path]
            with replacing(file.copy) as copy:
                copy.write(content.as_buffer())
            os.utime(file.copy, ns=(file.time_ns, file.time_ns))
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array([path], pyarrow.string())], ["path"])


def send(session: Any, folder: Path, address: str) -> None:
    """Copy all files below a folder to an address, each under its place below the folder.

    Raises: ConfigError: the session is one of Spark Connect, which has no way to do it.
    """
    jvm = getattr(session, "_jvm", None)
    if jvm is None:
        raise ConfigError(f"{show_name(address)}: Spark Connect cannot write files; give -o a folder all machines see")
    store = jvm.org.apache.hadoop.fs.Path(address).getFileSystem(session._jsc.hadoopConfiguration())
    store.setWriteChecksum(False)  # a local file system would leave .crc files
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]

    def copy(path: Path) -> None:
        target = f"{address.rstrip('/')}/{path.relative_to(folder).as_posix()}"
        hadoop = jvm.org.apache.hadoop.fs.Path
        store.copyFromLocalFile(False, True, hadoop(f"file:{path.absolute()}"), hadoop(target))

    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        attempt(f"writing to {show_name(address)}", lambda: list(pool.map(copy, paths)))
