"""Clean a DataFrame of texts on Spark: cleaned rows and removals, each a DataFrame.

The rows are put in shards, by a hash of their id and sorted by it, which are then cleaned like any other corpus.
So the same rows give the same answers, however the DataFrame is partitioned, and the same as on one machine.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from dedupe.config import Config
from dedupe.corpus.folder import open_folder, run_digest
from dedupe.corpus.run import LEDGER, run_corpus
from dedupe.engines.spark.engine import SparkEngine, attempt
from dedupe.engines.spark.files import literal
from dedupe.engines.spark.work import MANIFEST_SCHEMA
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.formats import InputFile
from dedupe.write import replacing

_SHARD = "_dedupe_shard"
_GROUP_BYTES = 8 << 20
_MEMORY_BYTES = 1 << 30
_ID_TYPES = ("string", "bigint", "int")
_EVIDENCE = "array<struct<name: string, weight: double, value: double, note: string>>"
_PLACE = "struct<doc: string, byte: array<bigint>, char: array<bigint>, line: array<bigint>>"
_ROW_SCHEMA = (
    "type string, id string, doc string, byte array<bigint>, char array<bigint>, line array<bigint>, "
    "output_byte bigint, output_char bigint, rule string, confidence double, "
    f"evidence {_EVIDENCE}, resemblance double, containment double, num_words bigint, num_words_lost bigint, "
    f"fingerprint string, text string, text_base64 string, kept {_PLACE}"
)


def clean(
    df: Any, config: Config | None = None, *, text: str = "text", id: str = "id", url: str | None = "url",
    folder: str | None = None, num_shards: int = 64, memory_bytes: int = _MEMORY_BYTES,
) -> tuple[Any, Any]:
    """Clean a DataFrame as one corpus.

    Args:
        df: any columns; those named hold the text, an id (a string or a whole number) that no two rows share, and the
            address (None: no column).
        config: settings; the names of fields in it do not count here, but for `site_field` and `keep`.
        folder: where the shards and results are, seen by all machines under one path; it must not exist, or be empty,
            and is yours to remove. None: a temporary one that goes with this program; on one machine only.
        num_shards: into how many files the rows go; best some hundred megabytes each. The names of documents in the
            ledger follow from it, nothing else does.
        memory_bytes: for one task.

    Returns:
        (cleaned, removals). `cleaned`: the rows with the columns of `df`, the text cleaned; without near-duplicates
        where the config says "drop". `removals`: a row for each removal with the columns of schema removals/1, and
        `document` and `kept_document`, the ids of the rows that the passage went from and stands in. The ledger is
        `removals.jsonl` in the folder.

    Raises: InputError: an id is missing or there twice. ConfigError: no such column; a folder is needed.
        DedupeError: Spark gave up.
    """
    session = df.sparkSession
    settings = replace(config or Config(), text_field=text, id_field=id, url_field=url)
    _check_columns(df, [text, id, *([url] if url else [])])
    work = _work_folder(session, folder)
    shards = _write_shards(df, id, work / "in", num_shards)
    inputs = [InputFile(str(path), path.name, None, "parquet", None, path.stat().st_size) for path in shards]
    outputs = [str(work / "out" / path.name) for path in shards]
    with (
        open_folder(work / "work", run_digest(inputs, outputs, settings), resume=False),
        SparkEngine(work / "work", session) as engine,
    ):
        run_corpus(inputs, outputs, settings, engine, report=str(work), memory_bytes=memory_bytes)
    shutil.rmtree(work / "work", ignore_errors=True)
    cleaned = session.read.schema(df.schema).parquet(literal(f"file:{work / 'out'}"))
    return cleaned, _removals(session, work / LEDGER)


def _check_columns(df: Any, names: list[str]) -> None:
    for name in names:
        if name not in df.columns:
            raise ConfigError(f"no column {name!r}; the DataFrame has {', '.join(df.columns)}")
    if dict(df.dtypes)[names[1]] not in _ID_TYPES:
        raise ConfigError(f"column {names[1]!r} is {dict(df.dtypes)[names[1]]}; expected {' or '.join(_ID_TYPES)}")


def _work_folder(session: Any, folder: str | None) -> Path:
    if folder is not None:
        path = Path(folder).absolute()
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise ConfigError(f"{path}: is not empty; give a new folder for the shards and results")
        return path
    if not str(session.conf.get("spark.master", "")).startswith("local"):
        raise ConfigError("on several machines clean() needs a folder that all of them see; give folder=")
    path = Path(tempfile.mkdtemp(prefix="dedupe-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _write_shards(df: Any, id: str, folder: Path, num_shards: int) -> list[Path]:
    """Write all columns to Parquet, by hash of the id and sorted by it."""
    from pyspark.sql import functions

    folder.mkdir()
    target = str(folder)

    def write(batches: Iterator[Any]) -> Iterator[Any]:
        return write_shard(batches, id, target)

    key = functions.col(f"`{id}`").cast("string")
    shard = functions.pmod(functions.xxhash64(key), functions.lit(num_shards)).cast("int")
    rows = df.withColumn(_SHARD, shard).repartitionById(num_shards, _SHARD).drop(_SHARD)
    made = attempt("reading the DataFrame", rows.sortWithinPartitions(key).mapInArrow(write, MANIFEST_SCHEMA).toArrow)
    for row in made.to_pylist():
        if row["error"]:
            raise InputError(row["message"])
    return sorted(folder.glob("*.parquet"))


def write_shard(batches: Iterator[Any], id: str, folder: str) -> Iterator[Any]:
    """Write the rows of a partition to a shard of its number; a row of `MANIFEST_SCHEMA` tells of a bad id."""
    from pyspark import TaskContext

    from dedupe.engines.spark.work import row_of

    context = TaskContext.get()
    assert context is not None
    path = Path(folder) / f"part-{context.partitionId():06}.parquet"
    try:
        _write_rows(path, batches, id)
    except InputError as error:
        yield row_of(path.name, "", "InputError", str(error))


def _write_rows(path: Path, batches: Iterator[Any], id: str) -> None:
    import pyarrow
    import pyarrow.parquet as parquet

    writer: Any = None
    last: bytes | None = None
    held: list[Any] = []
    size = 0
    with replacing(str(path)) as file:
        for batch in batches:
            last = _last_id(batch.column(id), last)
            held.append(batch)
            size += batch.nbytes
            writer = writer or parquet.ParquetWriter(file, batch.schema, compression="zstd")
            if size >= _GROUP_BYTES:
                writer.write_table(pyarrow.Table.from_batches(held))
                held, size = [], 0
        if writer is not None:
            if held:
                writer.write_table(pyarrow.Table.from_batches(held))
            writer.close()
    if writer is None:  # nothing hashed to this number
        path.unlink()


def _last_id(column: Any, last: bytes | None) -> bytes | None:
    """Check that ids ascend; equal ones have the same hash, and so they meet here."""
    if column.null_count:
        raise InputError("a row has no id; every row needs one, such as its address")
    for value in column.to_pylist():
        key = str(value).encode("utf-8", "surrogateescape")
        if last is not None and key <= last:
            if key == last:
                raise InputError(f"two rows have the id {value!r}; ids must tell rows apart")
            raise DedupeError("rows are not sorted by their ids; what shuffles them dropped the sort")
        last = key
    return last


def _removals(session: Any, ledger: Path) -> Any:
    """Read the removals of a ledger, with the ids of documents beside their names."""
    from pyspark.sql import functions

    rows = session.read.schema(_ROW_SCHEMA).json(literal(f"file:{ledger}"))
    ids = rows.where("type = 'doc'").select("doc", functions.col("id").alias("document"))
    kept = ids.select(functions.col("doc").alias("_kept"), functions.col("document").alias("kept_document"))
    removals = rows.where("type = 'removal'").drop("type").join(ids, "doc")
    return removals.join(kept, functions.col("kept.doc") == functions.col("_kept"), "left").drop("_kept")
