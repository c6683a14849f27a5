"""What README.md and docs/ promise is so: commands, files, examples, and the run on the seed article."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from dedupe import Config

_ROOT = Path(__file__).parents[1]
_README = (_ROOT / "README.md").read_text("utf-8")
_PYTHON = (_ROOT / "docs" / "python.md").read_text("utf-8")
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def help_of(*command):
    environment = {**os.environ, "PYTHONPATH": str(_ROOT), "TERMINAL_WIDTH": "200", "NO_COLOR": "1"}
    words = [sys.executable, "-m", "dedupe", *command, "--help"]
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout


def seed_run():
    sys.path.insert(0, str(_ROOT / "benchmarks"))
    try:
        return import_module("readme_run")
    finally:
        sys.path.pop(0)


def test_the_run_on_the_seed_is_up_to_date():
    """The block in README.md is what the command says today; `python benchmarks/readme_run.py` writes it."""
    tool = seed_run()
    assert tool.updated(_README, tool.block()) == _README


def test_the_run_shows_headlines_and_teaser_gone_and_the_paragraph_whole():
    shown = {int(line): mark for mark, line in re.findall(r"^([- ]) +(\d+) (?=\S)", _README, re.MULTILINE)}
    assert [shown[line] for line in (1, 3, 5, 9, 15, 35, 84)] == [" ", "-", "-", " ", "-", " ", "-"]


def test_there_are_two_set_up_commands():
    """One makes an environment and cleans the seed, one runs the tests; each is a single line."""
    first, second = blocks(_README, "sh")
    assert first.count("\n") == second.count("\n") == 1
    assert "dedupe clean seeds/" in first
    assert second.rstrip().endswith("-m pytest -n auto")


def test_help_tells_the_defaults_that_settings_have():
    """In the words of a help text brackets are markup, which swallowed them."""
    shown = help_of("clean")
    for setting in ("preset", "near_duplicates", "min_resemblance", "min_containment", "keep", "encoding", "on_error"):
        default = str(Config.__dataclass_fields__[setting].default)
        (line,) = re.findall(rf"^│ --{setting.replace('_', '-')} .*$", shown, re.MULTILINE)
        assert f"{default} (default)" in line or f"default: {default}." in line
    assert "these removals and no others" in help_of("decide")


def test_every_command_named_is_a_command_with_these_options():
    """Names and options after `dedupe` in README.md are in the command's help."""
    commands = {name: help_of(name) for name in re.findall(r"^│ (\w+)", help_of(), re.MULTILINE)}
    named = re.findall(r"`(?:\.venv/bin/)?dedupe (\w+)", _README)
    assert set(named) <= set(commands)
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", "".join(commands.values())))
    prose = re.sub(r"^```sh\n.*?^```$", "", _README, flags=re.MULTILINE | re.DOTALL)
    mentioned = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose))
    assert mentioned - options <= {"--install-completion"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_every_file_named_exists(page):
    """Paths of the project in running text, and links between pages."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    named = re.findall(r"(?<![\w/.-])((?:docs|benchmarks|tests|seeds|dedupe)/[\w./-]+\.\w+)", text)
    linked = [(page.parent / name).relative_to(_ROOT) for name in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    assert [str(name) for name in (*named, *linked) if not (_ROOT / name).exists()] == []


def test_the_python_example_of_the_readme_runs():
    seed = (_ROOT / "seeds" / "000_76ba97706a32af6b.txt").read_text("utf-8")
    (example,) = blocks(_README, "python")
    names = {"text": seed}
    exec(compile(example, "README.md", "exec"), names)
    assert names["result"].restore() == seed
    assert len(names["result"].removals) > 20


def example_names():
    """Run the examples of docs/python.md that need nothing else installed, in their order."""
    names = {"__name__": "__main__"}
    for example in blocks(_PYTHON, "python"):
        if not re.search(r"^import (pandas|polars|datasets)$", example, re.MULTILINE):
            exec(compile(example, "docs/python.md", "exec"), names)
    return names


def test_the_examples_of_the_python_page_run(capsys):
    """Cleaning, removals, settings and processes."""
    names = example_names()
    assert names["config"].preset == "standard"
    assert len(names["results"]) == 2
    shown = capsys.readouterr().out
    assert "preset is 'brave'; expected one of careful, standard, thorough" in shown
    assert "headline-copy" in shown


@pytest.mark.parametrize("package", ["pandas", "polars", "datasets"])
def test_the_examples_with_other_packages_run(package):
    """With the extra `test` none is missing; without it they are skipped, but not in CI."""
    if not os.environ.get("CI"):
        pytest.importorskip(package)
    names = example_names()
    (example,) = [each for each in blocks(_PYTHON, "python") if f"import {package}\n" in each]
    exec(compile(example, "docs/python.md", "exec"), names)


def test_the_python_page_lists_every_field_of_a_result():
    """One table of fields for one text, and one for the texts of a corpus."""
    from dataclasses import fields

    from dedupe import CleanResult, CorpusResult

    tables = [after.split("\n\n")[0] for after in _PYTHON.split("| field | holds |")[1:]]
    listed = [re.findall(r"`(\w+)", " ".join(re.findall(r"^\| (`.*?`) \|", each, re.MULTILINE))) for each in tables]
    assert listed[0] == [*(item.name for item in fields(CleanResult)), "restore"]
    assert listed[1] == [item.name for item in fields(CorpusResult)]


def test_the_settings_example_is_read_as_it_is_written(tmp_path):
    """The file in docs/settings.md and the record beside it are the same settings."""
    from dedupe import load_config

    page = (_ROOT / "docs" / "settings.md").read_text("utf-8")
    (file,), (record,) = blocks(page, "toml"), blocks(page, "python")
    (tmp_path / "dedupe.toml").write_text(file, "utf-8")
    names = {}
    exec(compile(record, "docs/settings.md", "exec"), names)
    assert load_config(tmp_path / "dedupe.toml") == names["config"]


@pytest.mark.parametrize("page", ["sites", "settings"])
def test_examples_that_stand_alone_run_in_a_process_of_their_own(page):
    """Where nothing else has imported the modules that they name."""
    for example in blocks((_ROOT / "docs" / f"{page}.md").read_text("utf-8"), "python"):
        subprocess.run([sys.executable, "-c", example], cwd=_ROOT, check=True)


def test_the_page_about_cues_names_every_category():
    import tomllib

    known = tomllib.loads((_ROOT / "dedupe" / "data" / "cues" / "categories.toml").read_text("utf-8"))
    (listed,) = re.findall(r"^The categories are (.*?)\.", (_ROOT / "docs" / "cues.md").read_text("utf-8"), re.M | re.S)
    assert re.findall(r"`(\w+)`", listed) == list(known)
