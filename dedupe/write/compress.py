"""Compress what is written, the same bytes for the same content: no names, no times."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
from collections.abc import Iterator
from typing import BinaryIO, Protocol

from dedupe.formats import Compression

_GZIP_LEVEL = 6  # the gzip command's default


class Output(Protocol):
    """Take bytes."""

    def write(self, content: bytes, /) -> int | None: ...


@contextlib.contextmanager
def compressed(file: BinaryIO, compression: Compression | None) -> Iterator[Output]:
    """Write into `file` through a compressor; its end is written when the block ends, `file` stays open."""
    match compression:
        case None:
            yield file
        case "gz":
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as packed:
                yield packed
        case "bz2":
            with bz2.BZ2File(file, "wb") as bz2_file:
                yield bz2_file
        case "xz":
            with lzma.LZMAFile(file, "wb") as xz_file:
                yield xz_file
        case "zst":
            import pyarrow

            # pyarrow would close the file below it, which is still to be flushed to the disk
            with pyarrow.CompressedOutputStream(pyarrow.PythonFile(_Open(file), "w"), "zstd") as stream:
                yield stream


class _Open:
    """Stand for a file that closing leaves open."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.flush, self.tell = file.write, file.flush, file.tell

    def close(self) -> None:
        """Leave the file open."""

    def readable(self) -> bool:
        """Say that it only takes."""
        return False

    def writable(self) -> bool:
        """Say that it takes."""
        return True

    def seekable(self) -> bool:
        """Say that it goes forward only."""
        return False
