"""Run the command line as `python -m dedupe`."""

from dedupe.cli import main

main()
