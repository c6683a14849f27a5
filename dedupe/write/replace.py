"""Put whole files in place: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from dedupe.errors import DedupeError
from dedupe.formats import STDIN, show_name

_TEMPORARY = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp(\.old)?", re.DOTALL)  # also the folders of dedupe.write.columns


def write_text(
    path: str | os.PathLike[str], content: bytes, *, inputs: Iterable[str] = (), in_place: bool = False
) -> None:
    """Write `content` to `path` in one step; mode bits stay, links are written through, folders are made.

    `inputs`: files that must not be overwritten unless `in_place`.
    Raises: DedupeError: the path is an input, a folder, or cannot be written; the old file is left as it was.
    """
    name = os.fspath(path)
    if not in_place:
        refuse_inputs([name], inputs)
    with replacing(name) as file:
        file.write(content)


def refuse_inputs(outputs: Iterable[str], inputs: Iterable[str]) -> None:
    """Check that no output is one of the inputs, whatever links lead to it.

    Raises: DedupeError: naming the first that is.
    """
    real = {os.path.realpath(path) for path in inputs if path != STDIN}
    for path in outputs:
        if os.path.realpath(path) in real:
            raise DedupeError(f"{show_name(path)}: is an input and would be overwritten; give another -o or --in-place")


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a temporary file in the folder of `path` that takes its place when the block ends without an error.

    What is no regular file (a pipe, a terminal, /dev/null) is written to directly.
    Raises: DedupeError: the file cannot be written; the temporary file is gone and `path` as it was.
    """
    target = os.path.realpath(path)
    try:
        status = _status(target)
        if status is not None and not stat.S_ISREG(status.st_mode):
            with open(target, "wb") as file:
                yield file
            return
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with _temporary(target, status) as file:
            yield file
    except BrokenPipeError:  # whoever reads has seen enough
        raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _status(target: str) -> os.stat_result | None:
    try:
        return os.stat(target)
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _temporary(target: str, status: os.stat_result | None) -> Iterator[BinaryIO]:
    folder, name = os.path.split(target)
    # A hidden name, so that a folder walked meanwhile does not take it for input; cut to leave room within 255 bytes.
    temporary = os.path.join(folder, f".{_cut(name)}.{secrets.token_hex(4)}.tmp")
    # O_EXCL: no one else's file or link is followed; 0o666 leaves the mode to the umask, as for any new file
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            _keep_owner_and_mode(temporary, status)
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def remove_leftovers(paths: Iterable[str]) -> None:
    """Delete what killed processes left beside `paths`: temporary files and folders that never took their place.

    A folder that had made way for one that never came goes back. Nobody may be writing these paths meanwhile.
    """
    names: dict[str, set[str]] = {}
    for path in paths:
        folder, name = os.path.split(os.path.realpath(path))
        names.setdefault(folder, set()).add(_cut(name))
    for folder, wanted in names.items():
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(folder)):
                match = _TEMPORARY.fullmatch(name)
                if match is not None and _cut(match[1]) in wanted:
                    _remove_leftover(os.path.join(folder, name), match[2] and os.path.join(folder, match[1]))


def _remove_leftover(path: str, made_way_for: str | None) -> None:
    if made_way_for is not None and not os.path.lexists(made_way_for):
        os.rename(path, made_way_for)
    elif os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        os.unlink(path)


def _cut(name: str) -> str:
    """Leave room for what makes a temporary name, within 255 bytes."""
    return os.fsdecode(os.fsencode(name)[:200])


def _keep_owner_and_mode(temporary: str, status: os.stat_result | None) -> None:
    if status is None:
        return
    if hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only the superuser may give files away
            os.chown(temporary, status.st_uid, status.st_gid)
    os.chmod(temporary, stat.S_IMODE(status.st_mode))


def _unwritable(path: str, error: OSError) -> DedupeError:
    reason = error.strerror or str(error)
    advice = "the file is as it was"
    if isinstance(error, PermissionError):
        advice = "choose another place with -o, or check who may write there"
    elif isinstance(error, IsADirectoryError):
        advice = "give a file name"
    return DedupeError(f"{show_name(path)}: cannot be written: {reason}; {advice}")
