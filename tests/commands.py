"""Run `dedupe` in a process of its own that need not start from nothing.

A server that has loaded the program forks a process for each command, with a folder, an environment, streams and an
exit code of its own: all of a command but its loading, which takes a short one longer than its work. What depends on
how a process begins or ends (pipes, signals, closed streams, what is imported) is tested from nothing, and so are the
commands of README.md.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
_TIMEOUT_SECONDS = 120
_MAX_REQUEST_BYTES = 100_000


def run(
    *words: object, cwd: str | os.PathLike[str], env: dict[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run `dedupe` with these words; streams are files, as in `dedupe … < stdin > stdout 2> stderr`."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        code = start(*words, cwd=cwd, env=env, streams=(given.fileno(), out.fileno(), said.fileno()))()
        out.seek(0)
        said.seek(0)
        return subprocess.CompletedProcess(["dedupe", *map(str, words)], code, out.read(), said.read())


def start(
    *words: object, cwd: str | os.PathLike[str], env: dict[str, str], streams: tuple[int, int, int]
) -> Callable[[], int]:
    """Start `dedupe` with these streams; gives what waits for its exit code. One command runs at a time."""
    server = _server()
    names = [os.fsdecode(word) if isinstance(word, bytes | os.PathLike) else str(word) for word in words]
    request = json.dumps([names, os.fspath(cwd), env]).encode()
    assert len(request) < _MAX_REQUEST_BYTES
    socket.send_fds(server, [request], streams)
    return lambda: int(server.recv(100))


@functools.cache
def _server() -> socket.socket:
    """Start the server of this process; it ends when the socket is closed, with this process at the latest."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, str(Path(__file__)), str(theirs.fileno())]
    process = subprocess.Popen(words, env=environment, pass_fds=[theirs.fileno()], start_new_session=True)
    theirs.close()
    ours.settimeout(_TIMEOUT_SECONDS)
    atexit.register(_end, process, ours)
    assert ours.recv(100) == b"ready"
    return ours


def _end(process: subprocess.Popen[bytes], ours: socket.socket) -> None:
    ours.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _serve(here: socket.socket) -> None:
    while True:
        request, streams, _, _ = socket.recv_fds(here, _MAX_REQUEST_BYTES, 3)
        if not request:
            return
        child = os.fork()
        if not child:
            here.close()
            try:
                _become(streams, *json.loads(request))
            finally:
                os._exit(70)  # what went wrong is ours
        for stream in streams:
            os.close(stream)
        here.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())


def _become(streams: list[int], words: list[str], folder: str, environment: dict[str, str]) -> None:
    """Make this process what `python -m dedupe` would be by now."""
    from dedupe.__main__ import run as run_command

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(ROOT / "dedupe" / "__main__.py"), *words]
    code = 1
    try:
        run_command()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _load() -> None:
    """Load what most commands load, and the lists that they read."""
    import pyarrow.parquet

    import dedupe.cli
    import dedupe.corpus_api
    import dedupe.ledgers
    import dedupe.pipeline
    import dedupe.read.jsonl
    import dedupe.review.html
    import dedupe.runs
    from dedupe.corpus.sites import registrable

    dedupe.clean("Also read:\nthe lists of cues and suffixes")
    registrable("example.org")
    assert pyarrow.parquet
    assert threading.active_count() == 1, "a thread would be missing after a fork"
    gc.freeze()


if __name__ == "__main__":
    connection = socket.socket(fileno=int(sys.argv[1]))
    _load()
    connection.send(b"ready")
    _serve(connection)
