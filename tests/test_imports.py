"""Imports run strictly downward; heavy packages are imported where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[1] / "dedupe"
_FILES = sorted(path for path in _PACKAGE.rglob("*.py"))

# A part is a top-level module or package. Parts of one level never import each other, and each imports only
# levels below its own; what is not listed is a stage.
_LEVELS = {
    **dict.fromkeys(("errors", "hosts", "pieces", "records", "spare", "version"), 0),
    **dict.fromkeys(("config", "code_points", "hashing", "formats", "decisions"), 1),
    **dict.fromkeys(("draft", "learned", "naming", "pipeline", "plain"), 3),
    "corpus": 4,  # what the pipeline is for one document, this is for many
    "kept": 4.5,  # an index that outlives runs, made with what corpora are made with
    **dict.fromkeys(("compare", "gates"), 4),  # they read ledgers
    **dict.fromkeys(("api", "corpus_api", "learn", "live", "near_api", "streaming", "engines", "review"), 5),
    **dict.fromkeys(("places", "rebuild", "ledgers", "runs"), 5),
    **dict.fromkeys(("cli", "cli_index", "cli_learn", "__main__", "__init__"), 5),
}
_STAGE = 2
# Within a level: the draft of a document is what the pipeline works on, the command line calls the rest, and
# the compiled kernels do what some stages do, with their constants; those stages hand their loops to them.
_ALLOWED = {
    ("pipeline", "draft"), ("pipeline", "learned"), ("pipeline", "naming"), ("pipeline", "plain"), ("naming", "draft"),
    ("__init__", "near_api"), ("__init__", "live"), ("__init__", "streaming"), ("streaming", "corpus_api"),
    ("__init__", "api"), ("__init__", "corpus_api"), ("__init__", "runs"),
    ("__main__", "cli"), ("cli", "api"), ("cli", "corpus_api"), ("cli", "runs"), ("cli", "review"), ("cli", "engines"),
    ("cli", "cli_index"), ("cli", "cli_learn"),
    ("cli_learn", "learn"), ("cli_learn", "runs"), ("learn", "engines"), ("cli_index", "learn"),
    ("corpus_api", "engines"), ("runs", "corpus_api"), ("runs", "engines"),
    ("runs", "ledgers"), ("runs", "places"), ("cli", "places"), ("cli", "ledgers"),
    ("ledgers", "review"), ("ledgers", "rebuild"),
    ("code_points", "hashing"),
    ("hashing", "kernels"), ("sketch", "kernels"), ("cluster", "kernels"), ("normalize", "kernels"),
    ("match", "kernels"), ("passages", "kernels"), ("debris", "kernels"), ("kernels", "debris"),
    ("cues", "kernels"), ("kernels", "cues"), ("segment", "kernels"),
    ("kernels", "sketch"), ("kernels", "cluster"), ("kernels", "normalize"), ("kernels", "shingle"),
}  # fmt: skip
_HEAVY = {"pyarrow", "numba", "datasketch", "tabulate", "typer", "rich", "fastwarc", "pyspark", "tldextract",
          "starlette", "uvicorn", "pandas", "redis", "tomli_w"}
_ALWAYS_LAZY_BUT = {
    **{part: {"typer"} for part in ("cli", "cli_index", "cli_learn", "__main__")}, "kernels": {"numba"},
}  # fmt: skip


def part_of(path):
    return path.relative_to(_PACKAGE).with_suffix("").parts[0]


def level_of(part):
    return _LEVELS.get(part, _STAGE)


def imported_modules(tree, package):
    """Yield the absolute names of all modules that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package[:len(package) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            if base == "dedupe":
                yield from (f"dedupe.{alias.name}" for alias in node.names)


def arrows():
    """Yield (file, importing part, imported part) for every import inside the package."""
    for path in _FILES:
        package = ("dedupe", *path.relative_to(_PACKAGE).parent.parts)
        for name in imported_modules(ast.parse(path.read_bytes()), package):
            parts = name.split(".")
            if parts[0] == "dedupe" and len(parts) > 1 and (_PACKAGE / parts[1]).with_suffix(".py").exists() | (
                _PACKAGE / parts[1]
            ).is_dir():
                yield path.relative_to(_PACKAGE.parent).as_posix(), part_of(path), parts[1]


def test_imports_are_found_at_all():
    found = {(one, two) for _, one, two in arrows()}
    assert {("pipeline", "segment"), ("decide", "records"), ("segment", "records"), ("api", "pipeline")} <= found


def test_no_import_goes_up_or_sideways():
    """A stage sees records, errors and settings, never another stage; only the pipeline knows the order."""
    wrong = []
    for file, one, two in arrows():
        down = level_of(two) < level_of(one)
        if one != two and not down and (one, two) not in _ALLOWED:
            wrong.append(f"{file} ({one}, level {level_of(one)}) imports {two} (level {level_of(two)})")
    assert sorted(set(wrong)) == []


def at_import(tree):
    """Yield the packages that are imported when the module is: not those inside functions."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").split(".")[0]
        pending.extend(ast.iter_child_nodes(node))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: path.relative_to(_PACKAGE).as_posix())
def test_heavy_packages_are_imported_where_they_are_used(path):
    found = set(at_import(ast.parse(path.read_bytes()))) & _HEAVY
    assert found <= _ALWAYS_LAZY_BUT.get(part_of(path), set())


def test_importing_the_package_and_cleaning_a_text_loads_nothing_heavy():
    """What a user of one article waits for at start-up."""
    code = (
        "import sys, dedupe; dedupe.clean('Also read:\\n\\nA text.\\n');"
        f"print(sorted({sorted(_HEAVY)!r} & sys.modules.keys()))"
    ).replace("[", "{", 1).replace("]", "}", 1)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


_NOT_FOR_A_TEXT = _HEAVY - {"typer"} | {
    "numpy.ma", "numpy.random", "unittest", "multiprocessing", "json", "csv", "gzip", "tempfile", "importlib.resources",
    "dedupe.report.table", "dedupe.report.sarif", "dedupe.ledgers", "dedupe.gates", "dedupe.write", "dedupe.corpus",
    "dedupe.review", "dedupe.near_api", "dedupe.streaming", "dedupe.kept", "dedupe.live",
}  # fmt: skip
_LATE = {"numpy", "msgspec", "regex", "rapidfuzz", "dedupe.config", "dedupe.runs", "dedupe.pipeline"}


def modules_after(words):
    """Give the names of all modules that a command loaded."""
    code = (
        "import sys; from dedupe.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code, *sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_the_command_on_one_text_loads_only_what_it_needs(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("The bridge is closed\n\nThe bridge is closed\n\nAlso read:\n\nA text of some words.\n", "utf-8")
    loaded = modules_after(["clean", str(text), "-q"])
    assert "dedupe.pipeline" in loaded
    assert sorted(_NOT_FOR_A_TEXT & loaded) == []


def test_help_and_completion_load_no_stage():
    assert sorted((_NOT_FOR_A_TEXT - {"json"} | _LATE) & modules_after(["--version"])) == []


def test_the_function_is_meant_by_dedupe_clean_whatever_was_imported_before():
    """The stage of that name stands in a module that the import system would put over it."""
    code = (
        "import dedupe.clean, dedupe.runs, dedupe; print(dedupe.clean('A text.\\n').text, sorted(set(dedupe.__all__)"
        " - {name for name in dedupe.__all__ if getattr(dedupe, name) is not None}), dedupe.Config.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "A text.\n [] Config\n"
