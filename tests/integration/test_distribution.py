"""The contents of the wheel: code, types, the trained run and the template of the report."""

from __future__ import annotations

import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from hatchling.build import build_wheel

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return zipfile.ZipFile(folder / build_wheel(str(folder)))


@pytest.mark.parametrize("package", ["circuits", "qrnn_qiskit", "runtime_jobs"])
def test_a_package_is_complete_and_typed(wheel: zipfile.ZipFile, package: str) -> None:
    names = set(wheel.namelist())
    assert f"{package}/py.typed" in names
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
    assert modules <= names


def test_files_that_are_not_code_are_included(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    example = ROOT / "qrnn_qiskit" / "examples" / "digits"
    assert {str(path.relative_to(ROOT)) for path in example.iterdir() if path.is_file()} <= names
    assert "runtime_jobs/report/report.html.jinja" in names
    assert not [name for name in names if "tests" in name or "__pycache__" in name]


def test_the_extras_are_those_of_the_documentation(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = message_from_bytes(wheel.read(name))
    extras = set(metadata.get_all("Provides-Extra", []))
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert extras == documented
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
