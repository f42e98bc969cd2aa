from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
import typer

import circuits
import qrnn_qiskit
import runtime_jobs
from circuits.errors import UserError
from qrnn_qiskit.training.trainer import TrainingDiverged
from runtime_jobs import parse_device_name
from runtime_jobs.cli.failures import ExitCode, RunInterrupted, report_failure
from runtime_jobs.runs.opening import NotReadyError


def raise_and_report(error: Exception) -> ExitCode:
    try:
        raise error
    except type(error) as caught:
        return report_failure(caught)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (typer.BadParameter("no such thing"), ExitCode.BAD_INPUT),
        (NotReadyError("no epoch yet"), ExitCode.NOT_READY),
        (RunInterrupted("stopped"), ExitCode.INTERRUPTED),
        (OSError(28, "No space left on device", "runs/a"), ExitCode.FAILED),
    ],
)
def test_expected_failures_are_one_line_without_traceback(
    error: Exception, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raise_and_report(error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


def test_our_own_value_error_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="unknown device") as caught:
        parse_device_name("[red]")
    assert report_failure(caught.value) == ExitCode.BAD_INPUT
    assert "[red]" in capsys.readouterr().err  # shown as it came, not taken as markup


def test_divergence_is_a_failure_without_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert raise_and_report(TrainingDiverged("the loss is nan")) == ExitCode.FAILED
    assert capsys.readouterr().err == "error: the loss is nan\n"


def test_an_error_of_python_in_our_own_code_keeps_its_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(TypeError, match="string") as caught:
        parse_device_name(3)  # type: ignore[arg-type]
    assert report_failure(caught.value) == ExitCode.FAILED
    assert "Traceback" in capsys.readouterr().err


def test_an_error_of_a_library_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="axis 4") as caught:
        np.array([[1.0]]).mean(axis=4)
    assert report_failure(caught.value) == ExitCode.FAILED
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.splitlines()[-1].startswith("error: unexpected AxisError; please report it")


def list_subclasses(kind: type) -> list[type]:
    return [found for child in kind.__subclasses__() for found in (child, *list_subclasses(child))]


def test_every_error_of_the_project_is_for_users() -> None:
    for package in (circuits, qrnn_qiskit, runtime_jobs):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__") and ".gpu" not in module.name:
                importlib.import_module(module.name)
    roots = tuple(package.__name__ for package in (circuits, qrnn_qiskit, runtime_jobs))
    ours = [
        kind
        for kind in list_subclasses(Exception)
        if kind.__module__.startswith(roots) and not issubclass(kind, Warning)
    ]
    assert len(ours) > 20
    assert [kind for kind in ours if not issubclass(kind, UserError)] == []
