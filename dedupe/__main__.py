"""Run the command line, as `python -m dedupe` and as the command `dedupe`, and lose no time at either end."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import NoReturn

from dedupe.spare import spare_start


def run() -> NoReturn:
    """Run the command line in a process that does one thing and ends."""
    spare_start()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts a thread for every processor, and none has work
    from dedupe.cli import main

    try:
        main()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 0)


def _leave(code: int) -> NoReturn:
    """End the process without taking all modules apart, a sixth of a short run, where nothing waits for that."""
    is_watched = sys.getprofile() or sys.gettrace() or sys.flags.inspect
    if is_watched or "multiprocessing" in sys.modules or threading.active_count() > 1:
        sys.exit(code)
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
