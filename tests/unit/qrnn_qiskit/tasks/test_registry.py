from __future__ import annotations

import pytest

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
