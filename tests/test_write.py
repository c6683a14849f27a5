"""Check that files are put in place whole, or the old ones left as they were."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe.errors import DedupeError
from dedupe.formats import InputFile
from dedupe.write import plan_outputs, replacing, write_text


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_new_file_gets_the_mode_of_any_new_file_and_its_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a/b/c.txt", b"x\r\n")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"x\r\n"
    assert (tmp_path / "a/b/c.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert names(tmp_path / "a/b") == ["c.txt"]


def test_an_old_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_text(path, b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/real.txt").write_bytes(b"old")
    (tmp_path / "link.txt").symlink_to("d/real.txt")
    write_text(tmp_path / "link.txt", b"new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "d/real.txt").read_bytes() == b"new"
    assert names(tmp_path / "d") == ["real.txt"]


def test_an_input_is_not_overwritten_unless_in_place(tmp_path: Path) -> None:
    path, other = tmp_path / "a.txt", tmp_path / "other.txt"
    path.write_bytes(b"old")
    other.symlink_to("a.txt")
    with pytest.raises(DedupeError, match=r"other\.txt: is an input and would be overwritten"):
        write_text(other, b"new", inputs=[str(path)])
    assert path.read_bytes() == b"old"
    write_text(other, b"new", inputs=[str(path)], in_place=True)
    assert path.read_bytes() == b"new"


def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(str(path)) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_one_line_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    # a limit on file size fails in write() like a full disk does, and needs no disk of its own
    code = (
        "import resource, sys\n"
        "from dedupe.errors import DedupeError\n"
        "from dedupe.write import write_text\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text(sys.argv[1], b'x' * 100000)\n"
        "except DedupeError as error: print(error)\n"
    )
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: cannot be written: File too large; the file is as it was\n"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_devices_are_written_to_and_not_replaced(tmp_path: Path) -> None:
    write_text("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(DedupeError, match="/dev/full: cannot be written: No space left on device"):
        write_text("/dev/full", b"x")
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize(("path", "message"), [("folder", "Is a directory; give a file name"),
                                               ("file/x.txt", "cannot be written: (Not a directory|File exists)")])
def test_places_that_cannot_be_written_are_one_line(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DedupeError, match=message):
        write_text(tmp_path / path, b"x")


def test_a_folder_one_may_not_write_to_is_one_line() -> None:
    code = (
        "import os, sys\n"
        "from dedupe.errors import DedupeError\n"
        "from dedupe.write import write_text\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: write_text(sys.argv[1], b'x')\n"
        "except DedupeError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users, all the way up
        os.chmod(folder, 0o555)
        path = os.path.join(folder, "a.txt")
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
        assert "cannot be written: Permission denied; choose another place with -o" in done.stdout
        assert os.listdir(folder) == []


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("ж" * 127), b"x")
    assert names(tmp_path) == ["ж" * 127]


# Where outputs go


def inputs(*paths: str, root: str | None = None) -> list[InputFile]:
    return [InputFile(path, path, root, "text") for path in paths]


PLANS = [
    ("a file keeps its name", inputs("x/a.txt"), ["a.txt"]),
    ("a folder keeps its tree", inputs("x/y/a.txt", "x/y/z/a.txt", root="x/y"), ["a.txt", "z/a.txt"]),
    ("equal names get their folders", inputs("x/a.txt", "y/a.txt", "y/b.txt"), ["x/a.txt", "y/a.txt", "b.txt"]),
    ("steps upwards never lead out", inputs("../a.txt", "../../z/b.txt"), ["a.txt", "b.txt"]),
    ("a root above does not lead out", inputs("../n/a.txt", root="../n"), ["a.txt"]),
    ("standard input has a name", inputs("-"), ["stdin.txt"]),
    ("two roots with the same tree", inputs("x/t/a", root="x") + inputs("y/t/a", root="y"), ["x/t/a", "y/t/a"]),
]


@pytest.mark.parametrize(("name", "files", "expected"), PLANS)
def test_outputs_mirror_inputs(tmp_path: Path, name: str, files: list[InputFile], expected: list[str]) -> None:
    out = tmp_path / "out"
    assert plan_outputs(files, str(out)) == [str(out / path) for path in expected], name


PART = st.sampled_from(["a", "b", "..", ".", "c.txt"])


@given(st.lists(st.tuples(st.lists(PART, min_size=1, max_size=4), st.integers(0, 2)), min_size=1, max_size=8))
def test_no_two_outputs_meet_and_none_leaves_the_folder(given_paths: list[tuple[list[str], int]]) -> None:
    files = [
        InputFile("/".join(parts) + "/f", "u", "/".join(parts[:depth]) or None, "text") for parts, depth in given_paths
    ]
    outputs = plan_outputs(files, "/nowhere/out")
    assert len(set(outputs)) == len(outputs)
    for output in outputs:
        assert os.path.normpath(output).startswith("/nowhere/out/")
        assert not any(other.startswith(output + "/") for other in outputs)


def test_an_output_folder_that_holds_the_inputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(DedupeError, match="is an input and would be overwritten"):
        plan_outputs(inputs(str(tmp_path / "a.txt")), str(tmp_path))


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x")
    with pytest.raises(DedupeError, match="is a file; give a folder to -o"):
        plan_outputs(inputs("b.txt"), str(tmp_path / "a.txt"))
