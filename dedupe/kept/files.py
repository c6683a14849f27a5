"""Write the files of segments, whole and with checksums, and read Parquet tables back with theirs checked."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dedupe.errors import DedupeError
from dedupe.kept.layout import SEGMENTS, FileInfo, damaged, file_name
from dedupe.records import Offsets
from dedupe.write import replacing

KEYED_ROWS = 1 << 14  # a single query reads one group for every key
GROUP_ROWS = 1 << 12  # and one for every document it names
_COMPRESSED = ("docs", "blocks", "gone")  # keys are as good as random: nothing to gain, and decoding costs


class Summed(io.RawIOBase):
    """Pass bytes on to a file and keep their number and CRC-32."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self.num_bytes, self.crc = file, 0, 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        self.crc = zlib.crc32(content, self.crc)
        size = len(memoryview(content).cast("B"))
        self.num_bytes += size
        self._file.write(content)
        return size

    def tell(self) -> int:
        return self.num_bytes

    def info(self, num_rows: int) -> FileInfo:
        return FileInfo(num_rows, self.num_bytes, self.crc)


@contextlib.contextmanager
def new_file(folder: Path, name: str, kind: str) -> Iterator[Summed]:
    """Open a new file of a segment; it appears, synced to the disk, when the block ends without an error."""
    with replacing(str(folder / SEGMENTS / file_name(name, kind))) as file:
        yield Summed(file)


def write_table(
    folder: Path, name: str, kind: str, columns: Mapping[str, Any], schema: Mapping[str, str]
) -> FileInfo:
    """Write a Parquet file whose pages have checksums; `columns` as arrays, or lists of bytes and None."""
    import pyarrow
    import pyarrow.parquet as parquet

    types = arrow_schema(schema)
    table = pyarrow.table([pyarrow.array(columns[each], types.field(each).type) for each in schema], schema=types)
    sorted_by = [parquet.SortingColumn(0)] if "key" in schema else None
    with new_file(folder, name, kind) as file:
        parquet.write_table(
            table, file, row_group_size=KEYED_ROWS if "key" in schema else GROUP_ROWS, write_page_checksum=True,
            use_dictionary=False, sorting_columns=sorted_by,
            compression="zstd" if kind in _COMPRESSED else "none",
        )
    return file.info(table.num_rows)


def arrow_schema(schema: Mapping[str, str]) -> Any:
    """Turn names of types into an Arrow schema."""
    import pyarrow

    types = {"binary": pyarrow.binary(), "bool": pyarrow.bool_()}
    return pyarrow.schema([(name, types.get(kind) or pyarrow.from_numpy_dtype(np.dtype(kind)))
                           for name, kind in schema.items()])


class Table:
    """Read a Parquet file of a segment; every page that is read is checked.

    Raises: DedupeError: it is damaged.
    """

    def __init__(self, folder: Path, name: str, kind: str, info: FileInfo) -> None:
        import pyarrow.parquet as parquet

        self.path = folder / SEGMENTS / file_name(name, kind)
        with self._checked():
            # read ahead, or every page is read and checked by itself: twice the time
            self._file = parquet.ParquetFile(self.path, page_checksum_verification=True, pre_buffer=True)
            if self._file.metadata.num_rows != info.num_rows:
                raise damaged(self.path, f"has {self._file.metadata.num_rows:,} rows, expected {info.num_rows:,}")
        self.num_rows = info.num_rows
        self._bounds: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None

    def close(self) -> None:
        self._file.close()

    def key_bounds(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Give the least and the greatest key of every row group."""
        if self._bounds is None:
            meta = self._file.metadata
            with self._checked():
                stats = [meta.row_group(group).column(0).statistics for group in range(meta.num_row_groups)]
                low, high = ([getattr(each, name) for each in stats] for name in ("min", "max"))
            self._bounds = np.array(low, np.uint64), np.array(high, np.uint64)
        return self._bounds

    def columns(self, names: Sequence[str], groups: Sequence[int] | None = None) -> list[NDArray[Any]]:
        """Read columns of numbers, of all row groups or some in a row."""
        table = self.arrow(names, groups)
        return [np.asarray(table.column(name).combine_chunks().to_numpy(zero_copy_only=False)) for name in names]

    def arrow(self, names: Sequence[str], groups: Sequence[int] | None = None) -> Any:
        """Read columns as an Arrow table."""
        with self._checked():
            if groups is None:
                return self._file.read(list(names), use_threads=False)
            return self._file.read_row_groups(list(groups), columns=list(names), use_threads=False)

    def take(self, names: Sequence[str], rows: Offsets) -> Any:
        """Read some rows as an Arrow table, in their order; only the row groups they stand in."""
        meta = self._file.metadata
        sizes = np.array([meta.row_group(group).num_rows for group in self.groups()], np.int64)
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        groups, at = np.unique(np.searchsorted(start, rows, side="right") - 1, return_inverse=True)
        first = np.cumsum(sizes[groups]) - sizes[groups]
        return self.arrow(names, groups.tolist()).take(first[at.ravel()] + rows - start[groups][at.ravel()])

    def groups(self) -> range:
        return range(self._file.metadata.num_row_groups)

    @contextlib.contextmanager
    def _checked(self) -> Iterator[None]:
        import pyarrow

        try:
            yield
        except DedupeError:
            raise
        except (OSError, pyarrow.ArrowException, AttributeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise damaged(self.path, f"cannot be read ({reason})") from error


def crc_of(path: Path) -> int:
    """Give the CRC-32 of a whole file."""
    crc = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 22):
            crc = zlib.crc32(piece, crc)
    return crc
