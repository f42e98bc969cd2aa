"""The folder of compiled kernels: one for each state of the sources, wherever it can be written."""

from __future__ import annotations

import gc
import io
import re
from pathlib import Path

import numba
import pytest

from qrnn_qiskit.engines.cpu import numba_compiler


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the simulator's folder, with one source file."""
    folder = tmp_path / "simulator"
    folder.mkdir()
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


def test_a_change_of_any_source_changes_the_folder(package: Path) -> None:
    first = find_folder()
    assert find_folder() == first
    (package / "rotations.py").write_text("b = 2\n")
    assert find_folder() != first


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
