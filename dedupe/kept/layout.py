"""Say what stands in the folder of a kept index, and read and replace its manifest.

    manifest.json          what is valid: format, settings, segments and tombstones, with sizes and checksums
    lock, reading          locks: one writer at a time; files that somebody reads are not swept
    segments/sNNNNNNNN.*   documents, in files that never change
    segments/tNNNNNNNN.*   documents that are gone

The manifest is the only point where a write takes hold: it is replaced by a rename, after everything it names is on
the disk. What it does not name is left over from a write that was killed, or from before a compaction.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dedupe.config import Config, HostRules
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.formats import show_name
from dedupe.index import choose_bands
from dedupe.kept.probe import normalization, winnowing
from dedupe.shingle import SHINGLE_TOKENS
from dedupe.version import VERSION
from dedupe.write import replacing

FORMAT = "dedupe-kept-index"
FORMAT_VERSION = 1
MANIFEST, LOCK, READING, SEGMENTS = "manifest.json", "lock", "reading", "segments"

DOCS = {
    "id": "binary", "doc": "binary", "uri": "binary", "record": "int64", "url": "binary", "host": "binary",
    "site_name": "binary", "encoding": "binary", "errors": "binary", "site": "uint64", "tie": "uint64",
    "rank": "float64", "content": "uint64", "num_tokens": "int64", "num_shingles": "int64", "num_seeds": "int64",
    "shingle_start": "int64", "shingle_crc": "uint32", "text_start": "int64", "text_size": "int64",
    "text_crc": "uint32", "num_text_bytes": "int64", "num_raw_bytes": "int64",
}  # fmt: skip
BANDS = {"key": "uint64", "row": "uint32"}
SEEDS = {"key": "uint64", "row": "uint32", "at": "uint32"}
BLOCKS = {
    "key": "uint64", "row": "uint32", "site": "uint64", "block_row": "int32", "at_edge": "bool",
    "prose_tokens": "int32",
}  # fmt: skip
GONE = {"segment": "binary", "row": "uint32"}
TABLES = {"docs": DOCS, "bands": BANDS, "seeds": SEEDS, "blocks": BLOCKS}
FLAT = {"shingles": "<u4", "texts": "zstd"}

_ADVICE = "build the index again, or use the version that wrote it"


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Describe a file: rows (0 where it has none), bytes, and the CRC-32 of all of them."""

    num_rows: int
    num_bytes: int
    crc: int


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """Describe a segment; `files`: by kind ("docs", "bands", …)."""

    name: str
    num_docs: int
    num_shingles: int
    files: Mapping[str, FileInfo]


@dataclass(frozen=True, slots=True)
class GoneInfo:
    """Describe a file of tombstones."""

    name: str
    file: FileInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Say which files make up an index.

    `generation`: how often it was changed. `next_number`: of the next segment; names are never used twice.
    `recipe`: what signatures and hashes depend on. `settings`: the configuration it was built with.
    """

    recipe: Mapping[str, Any]
    settings: Mapping[str, Any]
    generation: int = 0
    next_number: int = 0
    segments: tuple[SegmentInfo, ...] = ()
    gone: tuple[GoneInfo, ...] = ()
    written_by: str = field(default=VERSION)

    @property
    def num_docs(self) -> int:
        """Count documents, without those that are gone."""
        return sum(each.num_docs for each in self.segments) - sum(each.file.num_rows for each in self.gone)

    def file_names(self) -> set[str]:
        """Name all files in the folder of segments."""
        names = {file_name(each.name, kind) for each in self.segments for kind in each.files}
        return names | {file_name(each.name, "gone") for each in self.gone}


def file_name(name: str, kind: str) -> str:
    """Name a file of a segment.

    >>> file_name("s00000001", "docs"), file_name("s00000001", "shingles")
    ('s00000001.docs.parquet', 's00000001.shingles')
    """
    return f"{name}.{kind}" if kind in FLAT else f"{name}.{kind}.parquet"


def recipe_of(config: Config) -> dict[str, Any]:
    """List what two sides must have in common, so that their signatures and hashes can be compared."""
    bands, rows = choose_bands(config.min_resemblance, config.num_perm)
    return {
        "num_perm": config.num_perm, "seed": config.seed, "bands": bands, "rows": rows,
        "shingle_tokens": SHINGLE_TOKENS, "normalization": normalization(), "winnowing": winnowing(),
    }  # fmt: skip


def schema_hash() -> str:
    """Hash the names and types of all columns."""
    content = json.dumps({**TABLES, "gone": GONE, "flat": FLAT}, sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def config_of(manifest: Manifest) -> Config:
    """Make the configuration an index was built with; settings of other versions are passed over."""
    known = {each.name for each in fields(Config)}
    settings = {name: value for name, value in manifest.settings.items() if name in known}
    for name in ("cues", "protect", "hosts"):
        settings[name] = _as_tuples(settings.get(name, ()))
    settings["hosts"] = tuple(HostRules(*rules) for rules in settings["hosts"])
    return Config(**settings)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list | tuple) else value


def check_recipe(folder: Path, manifest: Manifest, config: Config) -> None:
    """Compare what an index was built with to what is asked of it now.

    Raises: ConfigError: naming what differs, with both values.
    """
    wanted = recipe_of(config)
    for name, value in wanted.items():
        found = manifest.recipe.get(name)
        if found != value:
            raise ConfigError(
                f"{show_name(str(folder))}: {_LONG_NAMES.get(name, name)} is {found} in the index and {value} now; "
                f"{_MEND.get(name, _ADVICE)}"
            )


_LONG_NAMES = {"bands": "the number of bands (min_resemblance)", "rows": "the rows of a band (min_resemblance)"}
_MEND = dict.fromkeys(
    ("num_perm", "seed", "bands", "rows"), "give the settings it was built with (index info shows them), or build again"
)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest; when this returns, the change is on the disk."""
    content = {
        "format": FORMAT, "version": FORMAT_VERSION, "schema": schema_hash(),
        "config_hash": _hash_of(manifest.recipe), **asdict(manifest),
    }  # fmt: skip
    with replacing(str(folder / MANIFEST)) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power failure, where the system can."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest and check that this version can use the index.

    Raises: InputError: there is none, it is broken, or from another version.
    """
    path = folder / MANIFEST
    name = show_name(str(path))
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{show_name(str(folder))}: no kept index here; make one with dedupe index build") from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}; check the path") from error
    except ValueError as error:
        raise InputError(f"{name}: is not valid JSON: {error}; restore it from a backup, or {_ADVICE}") from error
    _check_version(content, name)
    try:
        manifest = _parsed(content)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: lacks what a manifest has ({error!r}); {_ADVICE}") from error
    if content.get("schema") != schema_hash():
        raise InputError(f"{name}: has columns {content.get('schema')}, this version {schema_hash()}; {_ADVICE}")
    if content.get("config_hash") != _hash_of(manifest.recipe):
        raise InputError(f"{name}: settings do not match their hash {content.get('config_hash')}; {_ADVICE}")
    return manifest


def _hash_of(recipe: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(dict(recipe), sort_keys=True).encode(), digest_size=8).hexdigest()


def _check_version(content: Any, name: str) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{name}: is no manifest of a kept index; name the folder that index build wrote")
    version = content.get("version")
    if version != FORMAT_VERSION:
        by = show_name(str(content.get("written_by", "an unknown version")))
        raise InputError(
            f"{name}: has format {version!r}, written by dedupe {by}, and this version ({VERSION}) reads "
            f"{FORMAT_VERSION}; {_ADVICE}"
        )


def _parsed(content: dict[str, Any]) -> Manifest:
    segments = tuple(
        SegmentInfo(
            _plain(each["name"]), int(each["num_docs"]), int(each["num_shingles"]),
            {kind: FileInfo(**info) for kind, info in each["files"].items() if kind in (*TABLES, *FLAT)},
        )
        for each in content["segments"]
    )
    gone = tuple(GoneInfo(_plain(each["name"]), FileInfo(**each["file"])) for each in content["gone"])
    return Manifest(
        recipe=dict(content["recipe"]), settings=dict(content["settings"]), generation=int(content["generation"]),
        next_number=int(content["next_number"]), segments=segments, gone=gone, written_by=str(content["written_by"]),
    )


def _plain(name: str) -> str:
    """Accept no name that could lead out of the folder."""
    if not name.isalnum():
        raise ValueError(f"a segment is called {name!r}")
    return name


def check_sizes(folder: Path, manifest: Manifest) -> None:
    """See that every file is there and has the size it was written with.

    Raises: DedupeError: naming the first that is not.
    """
    infos = [(file_name(each.name, kind), info) for each in manifest.segments for kind, info in each.files.items()]
    infos += [(file_name(each.name, "gone"), each.file) for each in manifest.gone]
    for name, info in infos:
        path = folder / SEGMENTS / name
        try:
            size = os.path.getsize(path)
        except OSError as error:
            raise damaged(path, f"cannot be read: {error.strerror}") from error
        if size != info.num_bytes:
            raise damaged(path, f"has {size:,} bytes, expected {info.num_bytes:,}")


def damaged(path: Path | str, what: str) -> DedupeError:
    """Say that a file is not as it was written, and what to do."""
    return DedupeError(f"{show_name(str(path))}: {what}; the index is damaged: restore this file, or build it again")
