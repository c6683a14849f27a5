"""Say what inputs are where their names do not tell, and where the cleaned shards go.

The command line reads standard input and writes standard output; a corpus is read twice and written whole. So what
comes or goes by a stream passes through a file.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from msgspec import Struct

from dedupe.errors import ConfigError
from dedupe.formats import STDIN, InputFile, describe_name, format_named, show_name


class Told(Struct, frozen=True, kw_only=True):
    """Say what the names of inputs do not tell: the format of those whose name says none, and whether texts that were
    named are to be read whatever they look like, for their encoding was given."""

    format: str | None = None
    has_encoding: bool = False


def as_told(inputs: Sequence[InputFile], told: Told, folder: Callable[[], str]) -> list[InputFile]:
    """Correct what was guessed of inputs by their names; records on standard input become a file in `folder()`.

    Raises: ConfigError: the format is none that can be told, or no input takes it.
    """
    form = None if told.format is None else format_named(told.format)
    found = [_as_told(file, form, told) if _tells_nothing(file) else file for file in inputs]
    if form is not None and not any(file.format == form for file in found):
        raise ConfigError(f"--format {form} is for inputs whose names do not tell; those given are told by theirs")
    return [_spooled(file, folder()) if file.path == STDIN and file.format != "text" else file for file in found]


def _tells_nothing(file: InputFile) -> bool:
    return file.root is None and file.format == "text" and file.compression is None


def _as_told(file: InputFile, form: str | None, told: Told) -> InputFile:
    return replace(file, format=format_named(form or "text"), allow_binary=told.has_encoding)


def _spooled(file: InputFile, folder: str) -> InputFile:
    path = os.path.join(folder, f"stdin.{file.format}")
    with open(path, "wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy, 1 << 20)
    return replace(file, path=path, num_bytes=os.path.getsize(path))


def to_stream(inputs: Sequence[InputFile], folder: Callable[[], str]) -> tuple[list[InputFile], str]:
    """Make ready to write one text, or records that came by standard input, to standard output by way of a file in
    `folder()`.

    Raises: ConfigError: it is neither.
    """
    file = inputs[0]
    if len(inputs) > 1 or (file.uri != STDIN and file.format != "text"):
        what = "records go" if len(inputs) == 1 else f"records and several texts ({len(inputs)} files) go"
        raise ConfigError(f"{what} to a folder; give -o DIR")
    if file.path == STDIN:
        file = _spooled(file, folder())
    return [replace(file, to_stream=True)], os.path.join(folder(), "cleaned")


def is_name_for(output: str, inputs: Sequence[InputFile]) -> bool:
    """Say whether -o names a file for the one shard or text that was given, and not a folder.

    >>> is_name_for("b.jsonl", [InputFile("a.jsonl", "a.jsonl", None, "jsonl")])
    True
    >>> [is_name_for(name, [InputFile("a.txt", "a.txt", None, "text")]) for name in ("b.md", "b")]
    [True, False]

    Raises: ConfigError: it names a file of another format.
    """
    if len(inputs) != 1 or inputs[0].root is not None or os.path.isdir(output):
        return False
    file = inputs[0]
    if file.format == "text":
        return bool(os.path.splitext(output)[1])
    found, compression = describe_name(output)
    if found == "text" and compression is None:
        return False
    if (found, compression) != (file.format, file.compression):
        kind = file.format if file.compression is None else f"{file.format}, packed as {file.compression}"
        raise ConfigError(f"-o {show_name(output)}: records are written in the form they came in, which is {kind}")
    return True
