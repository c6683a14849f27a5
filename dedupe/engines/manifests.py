"""Do one task and leave a manifest of what it made, or tell from the manifest that it was done before."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from dedupe.corpus.tasks import Made, Manifest, Task
from dedupe.errors import DedupeError
from dedupe.write import replacing

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def do_task(function: Any, task: Task, folder: Path, spread: Any) -> Manifest:
    """Do one task and leave its manifest; `function`: a `MapFunction`.

    Raises: DedupeError: naming the task; its cause is an OSError where a file could not be read or written.
    """
    try:
        made: Made = function(task, folder, spread)
        return leave_manifest(folder, task.name, made)
    except OSError as error:
        raise _no_room(task, folder, error) from error
    except DedupeError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_ROOM:
            raise _no_room(task, folder, error.__cause__) from error.__cause__
        raise


def _no_room(task: Task, folder: Path, error: OSError) -> DedupeError:
    return DedupeError(f"{task.label}: {error.strerror or error} ({folder}); make room, then give --resume to go on")


def leave_manifest(folder: Path, name: str, made: Made) -> Manifest:
    """Write down what a task made, with the sizes of its files."""
    files = {file: os.path.getsize(folder / file) for file in made.files}
    manifest = Manifest(name, dict(made.counts), files)
    content = json.dumps({"task": name, "counts": manifest.counts, "files": files}, sort_keys=True)
    with replacing(str(_manifest_path(folder, name))) as file:
        file.write(content.encode())
    return manifest


def read_manifest(folder: Path, name: str) -> Manifest | None:
    """Read what a task made; None where it was not done, or its files are not as it left them."""
    try:
        content = json.loads(_manifest_path(folder, name).read_bytes())
        sizes = {file: os.path.getsize(folder / file) for file in content["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Manifest(name, content["counts"], content["files"]) if sizes == content["files"] else None


def forget_manifest(folder: Path, name: str) -> None:
    """Let a task count as not done."""
    _manifest_path(folder, name).unlink(missing_ok=True)


def _manifest_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.done.json"
