"""A foreign package named `circuits` in front of this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import circuits

pytestmark = pytest.mark.process


def import_with(folder: Path) -> subprocess.CompletedProcess[str]:
    """Import qrnn_qiskit in a fresh Python whose path has ``folder`` before everything else."""
    repository = Path(circuits.__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-c", "import qrnn_qiskit"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(repository)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("name", ["circuits.py", "circuits/__init__.py"])
def test_a_foreign_package_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    foreign = tmp_path / name
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_text("ANSWER = 42\n")
    result = import_with(tmp_path)
    assert result.returncode == 1
    assert "ImportError: qrnn_qiskit needs its own package 'circuits'" in result.stderr
    assert str(foreign) in result.stderr
    assert "Rename or move" in result.stderr
    assert "pip uninstall circuits" in result.stderr


def test_a_plain_folder_named_circuits_does_no_harm(tmp_path: Path) -> None:
    """A folder without __init__.py loses against a package further down the path."""
    (tmp_path / "circuits").mkdir()
    (tmp_path / "circuits" / "notes.txt").write_text("not Python\n")
    result = import_with(tmp_path)
    assert result.returncode == 0, result.stderr
