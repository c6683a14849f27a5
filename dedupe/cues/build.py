"""Compile dedupe/data/cues/*.toml into compiled.json: `python -m dedupe.cues.build`.

Nothing is decided here but what happens when languages disagree: of two equal phrases of the same kind
the one with the lower strength stays, so that a word that is harmless in one language stays weak.
"""

from __future__ import annotations

import json
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from dedupe.cues.lists import COMPILED, MAX_BLOCK_BYTES, Cue, assemble
from dedupe.cues.phrases import KINDS, ends_in_colon, num_tokens
from dedupe.errors import ConfigError

FOLDER = Path(__file__).parent.parent / "data" / "cues"
CATEGORIES_FILE = "categories.toml"
# Each token more makes every block of a run dearer: 16 cost 1.6 times as much as 10.
MAX_PHRASE_TOKENS = 10


def read_language(path: Path, categories: dict[str, dict[str, Any]]) -> list[Cue]:
    """Read the list of one language.

    Raises:
        ConfigError: an unknown category or setting, a phrase twice, a phrase that cannot match.
    """
    tables = tomllib.loads(path.read_text("utf-8"))
    tables.pop("language")
    scale = tables.pop("tokens_per_word", 1)
    cues: list[Cue] = []
    for category, table in tables.items():
        if category not in categories:
            raise ConfigError(f"{path.name}: found category {category!r}, expected one of {CATEGORIES_FILE}")
        for cue in _read_table(category, {**categories[category], **table}, scale):
            _check(cue, f"{path.name}, {category}")
            cues.append(cue)
    _check_repeats(cues, path.name)
    return cues + list(_whole_forms(cues))


def _whole_forms(cues: list[Cue]) -> Iterator[Cue]:
    """Yield a whole phrase for every start and end that has none: "Also read:" may stand alone."""
    seen = {(cue.stream, cue.needs_colon) for cue in cues if cue.kind == "whole"}
    for cue in cues:
        key = (cue.stream, cue.needs_colon)
        if cue.kind != "whole" and key not in seen:
            seen.add(key)
            yield _as_whole(replace(cue, kind="whole"))


def _as_whole(cue: Cue) -> Cue:
    """Let a whole phrase be as long as it is; masked numbers may add a few tokens."""
    return replace(cue, max_tokens=num_tokens(cue.text) + 12, in_sentence=True)


def _read_table(category: str, table: dict[str, Any], scale: float) -> Iterator[Cue]:
    for kind in KINDS[1:]:
        phrases = table.get(kind, [])
        assert isinstance(phrases, list)
        for entry in phrases:
            own = entry if isinstance(entry, dict) else {"text": entry}
            limit = table["colon_max_tokens"] if ends_in_colon(own["text"]) else table["max_tokens"]
            settings = {
                "strength": table["strength"],
                "in_sentence": kind == "starts" and table["in_sentence"],
                "max_tokens": limit,
            }
            settings.update(own)
            settings["max_tokens"] = round(settings["max_tokens"] * scale)
            try:
                cue = Cue(category=category, kind=kind, **settings)
            except TypeError as error:
                raise ConfigError(f"{category}: found {entry!r}: {error}") from None
            yield _as_whole(cue) if kind == "whole" else cue


def _check(cue: Cue, where: str) -> None:
    problem = ""
    if not cue.stream:
        problem = "has no letter or digit"
    elif cue.stream == b"0" and not cue.exact:
        problem = "is a number, which no list may claim; make it exact"
    elif cue.exact and cue.kind == "ends":
        problem = "is exact at the end of a block, where marks are not compared"
    elif not 0 < cue.strength <= 1:
        problem = f"has strength {cue.strength}, expected above 0 and up to 1"
    elif cue.kind == "ends" and cue.needs_colon:
        problem = "asks for a colon at the end of a block"
    elif len(cue.stream) > MAX_BLOCK_BYTES:
        problem = f"is longer than {MAX_BLOCK_BYTES} bytes"
    elif cue.kind != "whole" and num_tokens(cue.text) > cue.max_tokens:
        problem = f"is longer than its own max_tokens {cue.max_tokens}"
    elif cue.kind != "whole" and num_tokens(cue.text) > MAX_PHRASE_TOKENS:
        problem = f"has more than {MAX_PHRASE_TOKENS} tokens; its first or last words will do"
    if problem:
        raise ConfigError(f"{where}: phrase {cue.text!r} {problem}")


def _check_repeats(cues: list[Cue], name: str) -> None:
    seen: dict[tuple[bytes, str, bool, str], Cue] = {}
    for cue in cues:
        first = seen.setdefault(cue.key, cue)
        if first is not cue:
            raise ConfigError(
                f"{name}: phrase {cue.text!r} ({cue.category}, {cue.kind}) stands twice; the first is "
                f"{first.text!r} ({first.category}); drop one"
            )


def read_lists(folder: Path = FOLDER) -> tuple[dict[str, dict[str, Any]], list[Cue]]:
    """Read the categories and the lists of all languages, equal phrases merged to the weakest."""
    categories = tomllib.loads((folder / CATEGORIES_FILE).read_text("utf-8"))
    chosen: dict[tuple[bytes, str, bool, str], Cue] = {}
    for path in sorted(folder.glob("*.toml")):
        if path.name == CATEGORIES_FILE:
            continue
        for cue in read_language(path, categories):
            weakest = chosen.get(cue.key, cue)
            chosen[cue.key] = cue if cue.strength < weakest.strength else weakest
    return categories, list(chosen.values())


def compile_lists(folder: Path = FOLDER) -> str:
    """Return the text of compiled.json, one column a line; `lists` reads it."""
    categories, cues = read_lists(folder)
    continues = [False, *(bool(table["continues"]) for table in categories.values())]
    table = assemble(["", *categories], continues, cues)
    flags = table.needs_colon + 2 * table.in_sentence + 4 * table.exact
    columns = {
        "categories": table.categories,
        "continues": continues,
        "max_phrase_tokens": table.max_phrase_tokens,
        "phrases": "\n".join(table.phrases),
        "stream": table.stream.tobytes().decode(),
        "stream_bytes": _base64(np.diff(table.stream_start), "<u2"),
        "category": _base64(table.category, "u1"),
        "kind": _base64(table.kind, "u1"),
        "strength": _base64(table.strength, "<f4"),
        "max_tokens": _base64(table.max_tokens, "<u2"),
        "flags": _base64(flags, "u1"),
        "keys": _base64(table.keys, "<u8"),
    }
    lines = [
        f"{json.dumps(name)}: {json.dumps(column, ensure_ascii=False, separators=(',', ':'))}"
        for name, column in columns.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _base64(column: NDArray[np.generic], dtype: str) -> str:
    return b64encode(column.astype(dtype).tobytes()).decode()


def main() -> None:
    """Write compiled.json beside the lists."""
    (FOLDER / COMPILED).write_text(compile_lists(), "utf-8", newline="\n")


if __name__ == "__main__":
    main()
