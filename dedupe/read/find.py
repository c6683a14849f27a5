"""Find the files that were meant: files, folders, globs and standard input.

Folders are walked in sorted order, through links to folders too. Hidden, empty-handed and binary files in them
are skipped and reported to `on_skip`; a file that is named itself is never skipped, only refused.
"""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from dedupe.errors import InputError
from dedupe.formats import (
    HEAD_BYTES,
    STDIN,
    InputFile,
    clean_uri,
    describe_name,
    is_datasets_folder,
    show_name,
    sniff_format,
)
from dedupe.read.encoding import why_binary

OnSkip = Callable[[str, str], None]

# Text by its bytes, but no article text by its kind; named itself, such a file is read as plain text.
_MARKUP = {
    ".html": "HTML", ".htm": "HTML", ".xhtml": "HTML", ".xml": "XML", ".svg": "XML", ".css": "CSS", ".js": "JavaScript",
}
_MEMORY_DEVICES, _NULL_DEVICE = 1, 3  # of Linux: mem, null, zero, full, random, urandom, kmsg
_NEAR_NAMES = 3
_MAX_NAMES = 20_000  # names compared with a missing one; a larger folder is not searched further


def find_inputs(paths: Sequence[str], on_skip: OnSkip | None = None) -> list[InputFile]:
    """List the files behind `paths` in the order given, each once; folders sorted by name.

    `on_skip(uri, reason)` hears of every file in a folder that is left out.
    Raises: InputError: a path does not exist or cannot be read, a glob or folder has no text, folders form a loop.
    """
    if not paths:
        raise InputError("no input; expected files, folders, or - for standard input")
    skip = on_skip or _ignore
    found: list[InputFile] = []
    seen: set[str] = set()
    for path in _expanded(paths):
        for file in _below(path, skip):
            real = os.path.realpath(file.path) if file.path != STDIN else STDIN
            if real in seen:
                skip(file.uri, "is listed already under another name")
            else:
                seen.add(real)
                found.append(file)
    return found


def _ignore(uri: str, reason: str) -> None:
    """Take no notice of skipped files."""


def _expanded(paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path == STDIN or os.path.lexists(path) or not glob.has_magic(path):
            yield path
            continue
        matches = sorted(glob.glob(path, recursive=True))
        if not matches:
            raise InputError(f"{show_name(path)}: no file matches this pattern; {_near_names(path)}")
        # "**" lists a folder and its files: the files come with the folder
        yield from matches if "**" not in path else [match for match in matches if not os.path.isdir(match)]


def _below(path: str, skip: OnSkip) -> Iterator[InputFile]:
    if path == STDIN:
        yield InputFile(STDIN, STDIN, None, "text")
        return
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise InputError(_missing(path)) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not stat.S_ISDIR(status.st_mode) or is_datasets_folder(path):
        yield _named(path, status)
        return
    count = 0
    for file in _walk(path, skip):
        count += 1
        yield file
    if not count:
        raise InputError(
            f"{show_name(path)}: the folder has no text to clean (hidden and binary files do not count); "
            "name a file, or a folder with .txt, .jsonl, .parquet, .csv or .warc files"
        )


def _named(path: str, status: os.stat_result) -> InputFile:
    """Describe a file that was named itself; pipes and devices are told by their name only, not read."""
    if _is_endless(status):
        raise InputError(f"{show_name(path)}: found a device without an end; expected a file, a folder or a pipe")
    found, compression = describe_name(path)
    if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
        try:
            found = sniff_format(path)
        except OSError as error:
            raise unreadable(path, error) from error
    return InputFile(path, clean_uri(path), None, found, compression, status.st_size)


def _is_endless(status: os.stat_result) -> bool:
    """Say whether a file is a disk, or a device of memory or chance such as /dev/zero; /dev/null and terminals end."""
    is_of_memory = stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) == _MEMORY_DEVICES
    return stat.S_ISBLK(status.st_mode) or (is_of_memory and os.minor(status.st_rdev) != _NULL_DEVICE)


def _walk(root: str, skip: OnSkip) -> Iterator[InputFile]:
    """Give the files below a folder in sorted order, however deep; links to folders are followed."""
    open_folders = [_Folder(root, root, frozenset())]
    while open_folders:
        folder = open_folders[-1]
        name = next(folder.names, None)
        if name is None:
            open_folders.pop()
            continue
        path = os.path.join(folder.path, name)
        if name.startswith("."):
            skip(clean_uri(path), "is hidden")
        elif not os.path.isdir(path) or is_datasets_folder(path):
            yield from _in_folder(path, root, skip)
        else:
            try:
                open_folders.append(_Folder(path, root, folder.identities))
            except OSError as error:
                skip(clean_uri(path), f"cannot be read: {error.strerror}")


class _Folder:
    """Hold the names in a folder still to be visited and which folders it lies in.

    Raises: InputError: it is one of the folders above it, or it is the root and cannot be read.
    Raises: OSError: it lies below the root and cannot be read.
    """

    def __init__(self, path: str, root: str, above: frozenset[tuple[int, int]]) -> None:
        try:
            status = os.stat(path)
            self.names = iter(sorted(os.listdir(path)))
        except OSError as error:
            if path == root:
                raise unreadable(path, error) from error
            raise
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            raise InputError(
                f"{show_name(path)}: leads back to a folder above it ({show_name(os.path.realpath(path))}); "
                "remove the link or name the folders below it"
            )
        self.path, self.identities = path, above | {identity}


def _in_folder(path: str, root: str, skip: OnSkip) -> Iterator[InputFile]:
    """Describe one file found in a folder, or say why it is left out."""
    try:
        status = os.stat(path)
        reason = _why_skipped(path, status)
        found = "text" if reason else sniff_format(path, is_named=False)
    except InputError as error:
        reason = str(error).partition(": ")[2]
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    if reason:
        skip(clean_uri(path), reason)
    else:
        yield InputFile(path, clean_uri(path), root, found, describe_name(path)[1], status.st_size)


def _why_skipped(path: str, status: os.stat_result) -> str | None:
    if stat.S_ISDIR(status.st_mode):
        return None
    if not stat.S_ISREG(status.st_mode):
        return "is a pipe, socket or device"
    if describe_name(path)[0] != "text":
        return None
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _MARKUP:
        return f"is {_MARKUP[suffix]}, not text; extract its text first"
    with open(path, "rb") as file:
        return why_binary(file.read(HEAD_BYTES))


def unreadable(path: str, error: OSError | ValueError) -> InputError:
    """Say in one line why the operating system refused a path."""
    reason = getattr(error, "strerror", None) or str(error)
    advice = "check who may read it" if isinstance(error, PermissionError) else "check the path and the disk"
    return InputError(f"{show_name(path)}: cannot be read: {reason}; {advice}")


def _missing(path: str) -> str:
    if os.path.islink(path):
        return f"{show_name(path)}: links to {show_name(os.readlink(path))}, which does not exist; mend or remove it"
    return f"{show_name(path)}: no such file or folder; {_near_names(path)}"


def _near_names(path: str) -> str:
    """Say which names near a missing one exist, or which folder of the path is missing first."""
    from difflib import get_close_matches

    folder, name = os.path.split(path.rstrip("/") or path)
    while folder and not os.path.isdir(folder):
        folder, name = os.path.split(folder)
    try:
        names = sorted(os.listdir(folder or "."))[:_MAX_NAMES]
    except OSError:
        return "check the path"
    by_fold = {entry.casefold(): entry for entry in names if not entry.startswith(".")}
    near = [by_fold[match] for match in get_close_matches(name.casefold(), by_fold, _NEAR_NAMES)]
    if near:
        return "near names: " + ", ".join(show_name(os.path.join(folder, entry)) for entry in near)
    if os.path.split(path)[1] != name:
        return f"the folder {show_name(os.path.join(folder, name))} does not exist"
    return f"nothing in {show_name(folder or '.')} has a name like it ({len(by_fold)} looked at)"
