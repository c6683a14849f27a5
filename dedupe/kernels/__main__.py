"""Compile the kernels ahead of the first run: `python -m dedupe.kernels`."""

from __future__ import annotations

import sys
import time

from dedupe.errors import DedupeError
from dedupe.kernels import compile_all


def main() -> int:
    begin = time.monotonic()
    try:
        num_modules = compile_all()
    except DedupeError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"the kernels of {num_modules} modules are ready after {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
