"""The folder of compiled kernels: one for each state of the sources, wherever it can be written."""

from __future__ import annotations

import ast
import gc
import io
import re
import resource
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.dispatcher import Dispatcher

from qrnn_qiskit.engines.cpu import numba_compiler


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for ``engines/cpu``, with one source file in it and one beside it."""
    folder = tmp_path / "engines" / "cpu"
    folder.mkdir(parents=True)
    (folder.parent / "program.py").write_text("a = 0\n")
    (folder / "numba_compiler.py").write_text("a = 1\n")
    monkeypatch.setattr(numba_compiler, "__file__", str(folder / "numba_compiler.py"))
    return folder


def find_folder() -> Path:
    with numba_compiler.kernel_cache():
        return Path(numba.config.CACHE_DIR)


def test_folder_is_inside_the_package_and_the_setting_comes_back(package: Path) -> None:
    before = numba.config.CACHE_DIR
    folder = find_folder()
    assert folder.parent == package / "__pycache__"
    assert folder.is_dir()
    assert before == numba.config.CACHE_DIR


def test_a_new_or_changed_source_changes_the_folder(package: Path) -> None:
    folders = [find_folder()]
    assert find_folder() == folders[0]
    for path in (
        package / "rotations.py",
        package / "numba_compiler.py",
        package.parent / "program.py",
        package.parent / "contract.py",
    ):
        path.write_text("b = 2\n")
        folders.append(find_folder())
    assert len(set(folders)) == len(folders)


def list_kernel_sources() -> list[Path]:
    """The files of all kernels, and of all project modules that these files import."""
    waiting, found = [_find_source(module) for module in _list_kernel_modules()], set[Path]()
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qrnn_qiskit"):
                waiting += [_find_source(name) for name in _list_modules(node)]
    return sorted(found)


def _list_kernel_modules() -> list[str]:
    """The modules in which a function is compiled by Numba."""
    folder = Path(numba_compiler.__file__).parent
    names = [f"{numba_compiler.__package__}.{path.stem}" for path in folder.glob("*.py")]
    return [
        name
        for name in names
        if any(
            isinstance(each, Dispatcher) and each.py_func.__module__ == name
            for each in vars(import_module(name)).values()
        )
    ]


def _list_modules(node: ast.ImportFrom) -> list[str]:
    """The modules that an import reads: one, or of a package those that it names."""
    assert node.module
    if _find_source(node.module).name == "__init__.py":
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [node.module]


def _find_source(module: str) -> Path:
    spec = find_spec(module)
    assert spec
    assert spec.origin
    return Path(spec.origin)


@pytest.mark.parametrize("source", list_kernel_sources(), ids=lambda path: path.name)
def test_every_file_that_a_kernel_reads_is_in_the_name_of_the_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale kernel would load silently where a file that it reads were left out."""
    engines = Path(numba_compiler.__file__).parents[1]
    copy = tmp_path / "engines"
    shutil.copytree(engines, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(numba_compiler, "__file__", str(copy / "cpu" / "numba_compiler.py"))
    before = find_folder()
    changed = copy / source.relative_to(engines)  # a ValueError names a file outside of engines/
    changed.write_text(changed.read_text() + "\n")
    assert find_folder() != before


def test_read_only_package_falls_back_to_the_users_cache(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "__pycache__").write_text("no folder can be made here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert find_folder().parent == tmp_path / "cache" / "qrnn_qiskit"


def test_without_any_place_kernels_live_for_this_process(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "__pycache__").write_text("no folder can be made here")
    (tmp_path / "cache").write_text("nor here")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    first, second = find_folder(), find_folder()
    assert first != second
    assert {first.parent, second.parent} == {tmp_path}


def test_a_cold_compilation_says_so_and_a_warm_one_is_silent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def kernel(a: float) -> float:
        return a + 1.0

    def stranger(a: float) -> float:
        return a + 2.0

    kernel.__module__ = "qrnn_qiskit.engines.cpu.test"
    stranger.__module__ = None  # type: ignore[assignment]  # as generated functions have none
    ours, theirs = numba.njit(kernel), numba.njit(stranger)
    assert ours(1.0) == 2.0
    assert re.fullmatch(r"qrnn_qiskit: compiling kernel .* \d+ s\n", capsys.readouterr().err)
    assert ours(2.0) == 3.0
    assert theirs(1.0) == 3.0
    assert capsys.readouterr().err == ""


def test_who_cannot_write_progress_compiles_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(a: float) -> float:
        return a + 1.0

    kernel.__module__ = "qrnn_qiskit.engines.cpu.test"
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr("sys.stderr", stream)
        assert numba.njit(kernel)(1.0) == 2.0
        assert gc.isenabled()


def keep_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A kernel that is cached in ``folder``."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder))
    return numba_compiler.entry_point(plus_one)


def plus_one(a: float) -> float:
    return a + 1.0


def test_a_full_disk_leaves_the_cache_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kernel = keep_kernel(tmp_path, monkeypatch)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # as on a full disk
    try:
        assert kernel(1.0) == 2.0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    printed = capsys.readouterr().err
    assert re.search(r"kernels in .* cannot be saved, .*: .*File too large\n", printed)
    assert printed.count("\n") == 1


def test_damaged_files_of_the_cache_are_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keep_kernel(tmp_path, monkeypatch)(1.0) == 2.0
    for ending, content in (("nbi", b""), ("nbc", b"x"), ("nbi", b"\xff" * 99)):
        (file,) = tmp_path.rglob(f"*.{ending}")
        file.write_bytes(content)
        capsys.readouterr()
        assert keep_kernel(tmp_path, monkeypatch)(1.0) == 2.0
        assert "cannot be read, and are compiled again" in capsys.readouterr().err
        assert file.stat().st_size > 100  # written anew
        assert keep_kernel(tmp_path, monkeypatch)(1.0) == 2.0
        assert capsys.readouterr().err == ""
