"""Name what can go wrong, by what the user can do about it.

    DedupeError
    ├── ConfigError               mend the flag or the config file
    ├── InputError                mend or skip the input it names
    ├── LedgerMismatchError       use the ledger that belongs to the file
    ├── MissingDependencyError    install the extra it names
    └── StoreError                see to the server it names, then try again

A message says where, what was found, what was expected and what to do next, in one line.
"""

from __future__ import annotations


class DedupeError(Exception):
    """Stand above every error that a user can mend; `exit_code` is the command's exit status."""

    exit_code = 2


class ConfigError(DedupeError):
    """Report a flag, option or config file that cannot be used."""


class InputError(DedupeError):
    """Report input that cannot be read; the message names the file and, where known, the record."""


class LedgerMismatchError(DedupeError):
    """Report a ledger and a text that do not belong together."""

    exit_code = 3


class MissingDependencyError(DedupeError):
    """Report an optional package that is not installed, with the line that installs it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed; "
            f"install it with: pip install 'dedupe-text[{extra}]'"
        )


class StoreError(DedupeError):
    """Report a server that keeps an index and cannot be reached or used; the message names host and port."""
