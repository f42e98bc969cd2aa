"""The face of the package: its names are imported on first use, and all of them are there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import circuits


@pytest.mark.parametrize("name", circuits.__all__)
def test_every_public_name_is_found(name: str) -> None:
    assert getattr(circuits, name) is not None
    assert name in dir(circuits)


def test_the_table_of_homes_has_every_name_once() -> None:
    homes = [name for names in circuits._HOMES.values() for name in names]
    assert sorted([*homes, "PROJECT"]) == sorted(circuits.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'build_anzatz'"):
        circuits.build_anzatz  # noqa: B018


@pytest.mark.process
@pytest.mark.parametrize("name", circuits._HOMES)
def test_modules_are_attributes_before_they_are_used(name: str) -> None:
    code = f"import circuits; print(circuits.{name}.__name__)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == f"circuits.{name}\n"


def test_the_errors_do_not_wait_for_qiskit() -> None:
    code = "import sys, circuits.errors; sys.exit('qiskit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
