"""Say where each input's output goes below an output folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from dedupe.errors import DedupeError
from dedupe.formats import STDIN, InputFile, show_name
from dedupe.write.replace import refuse_inputs

_STDIN_NAME = "stdin.txt"


def plan_outputs(inputs: Sequence[InputFile], folder: str) -> list[str]:
    """Give each input a path below `folder`, no two the same and none a folder of another.

    Files found in a folder keep their place below it, files named themselves keep their name. Where two would
    meet, those inputs get the names of the folders they came from in front; ".." never leads out.

    >>> plan_outputs([InputFile(name, name, None, "text") for name in ("a/x.txt", "b/x.txt", "c/y.txt")], "out")
    ['out/a/x.txt', 'out/b/x.txt', 'out/y.txt']

    Raises: DedupeError: an output would overwrite an input, or `folder` is a file.
    """
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise DedupeError(f"{show_name(folder)}: is a file; give a folder to -o for several outputs")
    names = [_short(file) for file in inputs]
    for longer in (_given, _absolute):
        names = [longer(file) if clash else name
                 for file, name, clash in zip(inputs, names, _clashes(names), strict=True)]
    names = _numbered(names)
    outputs = [os.path.join(folder, *name) for name in names]
    refuse_inputs(outputs, [file.path for file in inputs])
    return outputs


def _short(file: InputFile) -> tuple[str, ...]:
    if file.path == STDIN:
        return (_STDIN_NAME,)
    if file.root is None:
        return _parts(os.path.basename(os.path.abspath(file.path)))
    return _parts(os.path.relpath(file.path, file.root))


def _given(file: InputFile) -> tuple[str, ...]:
    return (_STDIN_NAME,) if file.path == STDIN else _parts(os.path.normpath(file.path))


def _absolute(file: InputFile) -> tuple[str, ...]:
    return (_STDIN_NAME,) if file.path == STDIN else _parts(os.path.abspath(file.path))


def _parts(path: str) -> tuple[str, ...]:
    """Cut a path at its separators, without drive, root, and steps upwards."""
    parts = os.path.splitdrive(path)[1].replace("\\", "/") if os.sep == "\\" else path
    return tuple(part for part in parts.split("/") if part not in ("", ".", ".."))


def _clashes(names: Sequence[tuple[str, ...]]) -> list[bool]:
    """Tell which names are another's, or a folder of another, or lie in one that is also a file."""
    counts = Counter(names)
    folders = {name[:size] for name in counts for size in range(1, len(name))}
    return [
        counts[name] > 1 or name in folders or any(name[:size] in counts for size in range(1, len(name)))
        for name in names
    ]


def _numbered(names: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Put the input's number in front of names that still meet (a file given as `x` and another in `../x/`)."""
    return [(f"input-{number}", *name) if clash else name
            for number, (name, clash) in enumerate(zip(names, _clashes(names), strict=True), 1)]
