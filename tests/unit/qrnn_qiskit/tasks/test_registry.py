from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from qrnn_qiskit import tasks
from qrnn_qiskit.tasks import UnknownTaskError, get_task, list_tasks, register, registry
from qrnn_qiskit.tasks.digits import Digits


@pytest.fixture
def clean_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    list_tasks()
    monkeypatch.setattr(registry, "_tasks", dict(registry._tasks))


def test_tasks_of_the_folder_are_found() -> None:
    names = [task.name for task in list_tasks()]
    assert names == sorted(names)
    assert {"copying-memory", "digits", "series", "text"} <= set(names)
    assert get_task("digits") is Digits


@pytest.mark.usefixtures("clean_registry")
def test_a_task_is_a_module_or_a_package_and_the_shared_readers_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new module and a new package are found without an edit; ``data`` is not even imported."""
    source = """
from qrnn_qiskit.tasks import register
from qrnn_qiskit.tasks.digits import Digits

@register
class Found(Digits):
    name = __name__.rpartition(".")[2]
"""
    (tmp_path / "one_file.py").write_text(source)
    for package in ("one_package", "data"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(source)
    before = {task.name for task in list_tasks()}
    imported: list[str] = []

    def note(name: str) -> ModuleType:
        imported.append(name)
        return import_module(name)

    monkeypatch.setattr(registry, "import_module", note)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    try:
        found = list_tasks()
    finally:
        for name in ("one_file", "one_package"):
            sys.modules.pop(f"qrnn_qiskit.tasks.{name}", None)
            vars(tasks).pop(name, None)
    assert {task.name for task in found} - before == {"one_file", "one_package"}
    assert "qrnn_qiskit.tasks.digits" in imported
    assert "qrnn_qiskit.tasks.data" not in imported
    assert not any(".tasks.data" in task.__module__ for task in found)


def test_unknown_name_gives_the_nearest_and_all_known() -> None:
    with pytest.raises(UnknownTaskError, match=r"did you mean 'copying-memory'.*digits, .*series"):
        get_task("copying_memory")


@pytest.mark.usefixtures("clean_registry")
def test_a_new_task_is_one_decorated_class() -> None:
    @register
    class MoreDigits(Digits):
        name = "more-digits"

    assert get_task("more-digits") is MoreDigits
    assert MoreDigits in list_tasks()


@pytest.mark.usefixtures("clean_registry")
def test_a_taken_name_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'digits' is taken by qrnn_qiskit\.tasks\.digits\.Digits"
    ):

        @register
        class Other(Digits):
            pass

    assert get_task("digits") is Digits
