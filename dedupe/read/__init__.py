"""Read texts and records: find the files, tell their format and encoding, hand on `Document`s.

Reading order: `find` (files, folders, globs), `encoding` (bytes to UTF-8 and back), `text` (one file, one document),
`shard` (records of any format), `stream`, `fields`, then a module a format: `jsonl` with `json_scan`, `csv_rows`,
`columns`, `warc`.
"""

from dedupe.formats import InputFile, sniff_format
from dedupe.read.find import find_inputs
from dedupe.read.shard import open_shard
from dedupe.read.text import read_text

__all__ = ["InputFile", "find_inputs", "open_shard", "read_text", "sniff_format"]
