"""Read the bytes of a shard, compressed or not, in blocks of whole lines, and stop at bombs and breaks."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from dedupe.errors import InputError
from dedupe.formats import BATCH_BYTES, Compression, show_name
from dedupe.read.find import unreadable

MAX_RECORD_BYTES = 256 << 20  # a longer record is passed through unread: it would be held in memory several times
# Text compresses 3 to 20 times, the dullest log 100 to 200 times; deflate's limit is 1,032, which zeros reach.
MAX_EXPANSION = 500
MIN_BOMB_BYTES = 64 << 20  # a record below this does no harm, however it expands
_PIECE_BYTES = 1 << 20
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


class ByteStream:
    """Read a file's bytes, decompressed, and say in `broken` where they ended too early.

    Raises: InputError: the file cannot be opened or read from the disk.
    """

    def __init__(self, path: str, compression: Compression | None) -> None:
        self.path = path
        self.broken: str | None = None
        try:
            self._file = open(path, "rb", buffering=0 if compression is None else -1)  # noqa: SIM115 - closed by close()
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        self._compressed = compression is not None
        self._unpacked = self._open(compression)
        self._num_read = 0

    def _open(self, compression: Compression | None) -> Any:
        match compression:
            case "gz":
                return gzip.GzipFile(fileobj=self._file)
            case "bz2":
                return _Streams(self._file, bz2.BZ2Decompressor)
            case "xz":
                return _Streams(self._file, lzma.LZMADecompressor, padding=b"\0")
            case "zst":
                import pyarrow

                return pyarrow.CompressedInputStream(pyarrow.PythonFile(self._file, "r"), "zstd")
            case None:
                return self._file

    def read(self, num_bytes: int = BATCH_BYTES) -> bytes:
        """Give the next bytes, `num_bytes` of them unless the file ends; b"" at its end or where it is broken."""
        pieces: list[bytes] = []
        missing = num_bytes
        while missing > 0 and self.broken is None:
            piece = self._piece(min(missing, _PIECE_BYTES) if self._compressed else missing)
            if not piece:
                break
            pieces.append(piece)
            missing -= len(piece)
        self._num_read += num_bytes - missing
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, num_bytes: int) -> bytes:
        read = getattr(self._unpacked, "read1", self._unpacked.read)
        try:
            piece: bytes = read(num_bytes)
        except _BROKEN as error:
            self.broken = f"the compressed file is broken or cut off: {error}"
            return b""
        except OSError as error:
            if self._compressed and error.errno is None:  # how bz2 and zstd report broken data
                self.broken = f"the compressed file is broken or cut off: {error}"
                return b""
            raise unreadable(self.path, error) from error
        return piece

    def check_expansion(self, num_bytes: int) -> None:
        """Refuse to go on with a record of `num_bytes` so far that a tiny part of the file expands to.

        Raises: InputError: it looks like a decompression bomb.
        """
        if not self._compressed or num_bytes < MIN_BOMB_BYTES:
            return
        expansion = self._num_read / max(1, self._file.tell())
        if expansion > MAX_EXPANSION:
            raise InputError(
                f"{show_name(self.path)}: looks like a decompression bomb: one record has {num_bytes:,} bytes "
                f"or more, and the file expands {expansion:,.0f} times; if it is meant, unpack the file first"
            )

    def close(self) -> None:
        """Close the file; what was read stays valid."""
        self._unpacked.close()
        self._file.close()


class _Streams:
    """Read compressed streams that stand one after another, to the last byte of the file.

    The readers of Python's own libraries stop without a word at what is no stream: at garbage, and at the padding
    that xz files may have between two streams.
    """

    def __init__(self, file: Any, make: Callable[[], Any], padding: bytes = b"") -> None:
        self._file, self._make, self._padding = file, make, padding
        self._unpack: Any = None
        self._left = b""  # read from the file, not given to a stream yet

    def read(self, num_bytes: int) -> bytes:
        while True:
            if self._unpack is None:
                self._left = self._left.lstrip(self._padding) if self._padding else self._left
            if not self._left and (self._unpack is None or self._unpack.needs_input):
                self._left = self._file.read(_PIECE_BYTES)
                if not self._left:
                    if self._unpack is None:
                        return b""
                    raise EOFError("it ends before the end of its stream")
                continue
            if self._unpack is None:
                self._unpack = self._make()
            piece: bytes = self._unpack.decompress(self._left, num_bytes)
            self._left = b""
            if self._unpack.eof:
                self._left, self._unpack = self._unpack.unused_data, None
            if piece:
                return piece

    def close(self) -> None:
        self._unpack = None


def line_blocks(stream: ByteStream) -> Iterator[tuple[bytes, bool]]:
    """Give the stream in blocks of whole lines of about `BATCH_BYTES`.

    The second value tells whether the block is a part of one line longer than `MAX_RECORD_BYTES`: such a line comes
    in several blocks, all but the last without a line end.
    """
    carry: list[bytes] = []
    num_carried, overlong = 0, False
    while piece := stream.read():
        cut = piece.find(b"\n") + 1 if overlong else piece.rfind(b"\n") + 1
        if overlong:
            yield (piece[:cut] or piece), True
            overlong = not cut
            carry, num_carried = ([piece[cut:]], len(piece) - cut) if cut else ([], 0)
        elif cut:
            yield b"".join([*carry, memoryview(piece)[:cut]]), False
            carry, num_carried = [piece[cut:]], len(piece) - cut
        else:
            carry.append(piece)
            num_carried += len(piece)
            stream.check_expansion(num_carried)
            if num_carried > MAX_RECORD_BYTES:
                yield b"".join(carry), True
                carry, num_carried, overlong = [], 0, True
    if num_carried:
        yield b"".join(carry), False
