"""Let one process write at a time, and keep files that somebody still reads. Locks end with their process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from dedupe.errors import DedupeError, InputError
from dedupe.formats import show_name
from dedupe.kept.layout import LOCK, READING, SEGMENTS


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of the one writer. Raises: DedupeError: another process has it, or the folder is read-only."""
    try:
        file = open(folder / LOCK, "a+b")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{show_name(str(folder))}: cannot be written: {error.strerror}; check the path") from error
    with file:
        if not _take(file.fileno(), shared=False):
            raise DedupeError(f"{show_name(str(folder))}: another process is writing this index; wait until it is done")
        yield


class Reading:
    """Hold a place among the readers: files of an index are not swept meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._handle: int | None = None
        with contextlib.suppress(OSError):  # a folder that cannot be written to is not swept either
            self._handle = os.open(folder / READING, os.O_RDONLY | os.O_CREAT, 0o666)
            _take(self._handle, shared=True)

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Reading:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sweep(folder: Path, named: set[str]) -> None:
    """Remove the files of segments that the manifest does not name, unless somebody reads; the next write tries again.

    Only the writer may call this.
    """
    handle = os.open(folder / READING, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _take(handle, shared=False):
            return
        for entry in os.scandir(folder / SEGMENTS):
            if entry.name not in named and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):  # Windows, while it is open
                    os.unlink(entry.path)
        for entry in os.scandir(folder):  # a manifest that was never renamed
            if entry.name.startswith(".manifest.json.") and entry.name.endswith(".tmp"):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    finally:
        os.close(handle)


def _take(handle: int, *, shared: bool) -> bool:
    """Take a lock on an open file; False if another has it."""
    try:
        import fcntl
    except ImportError:  # Windows, which removes no open file: only writers need the lock
        import msvcrt

        if shared:
            return True
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # only there
        except OSError:
            return False
        return True
    # a reader waits for a sweep to end; a writer never waits
    flags = fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB
    try:
        fcntl.flock(handle, flags)
    except OSError:
        return False
    return True
