"""Tasks in a file and in another installed package: every later process finds or names them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from localqpu.control_client import LocalqpuControl

from qrnn_qiskit import load
from qrnn_qiskit.tasks import ExtensionError, extend, registry
from runtime_jobs.cli import run

TASK = """
from qrnn_qiskit.tasks import register
from qrnn_qiskit.tasks.copying_memory import CopyingMemory

@register
class Mine(CopyingMemory):
    name = "{name}"
    summary = "mine"
    source = "generated"
    defaults = {{"data.delay": 2, "data.train_size": 8, "data.validation_size": 4,
                "data.test_size": 5, "model.num_qubits": 2, "train.epochs": 1}}
"""
OTHER = """
import sys
from runtime_jobs.cli import run
for words in sys.argv[1:]:
    code = run(words.split())
    if code:
        sys.exit(code)
"""


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in an empty folder, and forget the extensions of this test."""
    monkeypatch.chdir(tmp_path)
    registry.list_tasks()
    monkeypatch.setattr(registry, "_tasks", dict(registry._tasks))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("qrnn_extension_") or name == "other_package":
            del sys.modules[name]


def call_elsewhere(*commands: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run commands one after the other in another process."""
    found = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", OTHER, *commands],
        env=os.environ | {"PYTHONPATH": found},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def write_package(folder: Path) -> Path:
    """Write an installed package that offers the task "theirs"."""
    info = folder / "other_package-1.2.dist-info"
    info.mkdir(parents=True)
    (folder / "other_package.py").write_text(TASK.format(name="theirs"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[qrnn_qiskit.tasks]\ntheirs = other_package:Mine\n")
    return folder


@pytest.mark.slow
def test_a_task_in_a_file_is_found_by_its_recorded_path_and_hash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = Path("mytasks.py")
    file.write_text(TASK.format(name="mine"))
    assert run(["train", "mine", "--extend", "mytasks.py", "--out", "runs/a"]) == 0
    origin = json.loads(Path("runs/a/provenance.json").read_text())["extension"]
    assert origin["file"] == str(file.absolute())
    Path("runs/a/checkpoint.pt").rename("runs/checkpoint.pt")  # as if killed before the first
    Path("runs/a/metrics.jsonl").write_text("")
    plan = "plan runs/a --on ibm:kingston --shots 100 --sequences 1 --json"
    found = call_elsewhere("resume runs/a", plan)
    assert found.returncode == 0, found.stderr
    assert '"price"' in found.stdout
    file.write_text(TASK.format(name="mine") + "# changed\n")
    before = sorted(path.stat().st_mtime_ns for path in Path("runs/a").rglob("*"))
    capsys.readouterr()
    for words in ("resume runs/a", "show runs/a", "evaluate runs/a", plan):
        assert run(words.split()) == 2
        *_, error = capsys.readouterr().err.splitlines()
        assert error.startswith("error: ")
        assert "mytasks.py has changed since the run was made" in error
    file.unlink()
    with pytest.raises(ExtensionError, match=r"mytasks\.py cannot be read"):
        load("runs/a")
    assert sorted(path.stat().st_mtime_ns for path in Path("runs/a").rglob("*")) == before


@pytest.mark.slow
def test_a_task_of_an_installed_package_is_found_by_its_name(tmp_path: Path) -> None:
    packages = str(write_package(tmp_path / "packages"))
    words = ("tasks", "train theirs --out runs/b", "evaluate runs/b --sequences 2 --json")
    found = call_elsewhere(*words, path=packages)
    assert found.returncode == 0, found.stderr
    assert "theirs" in found.stdout
    origin = json.loads(Path("runs/b/provenance.json").read_text())["extension"]
    assert origin == {
        "task": "theirs",
        "package": "other-package 1.2",
        "entry_point": "other_package:Mine",
    }
    with pytest.raises(ExtensionError, match=r"needs the package other-package 1\.2"):
        load("runs/b")


@pytest.mark.slow
@pytest.mark.service
@pytest.mark.parametrize("name", ["mine", "theirs"])
def test_a_foreign_task_is_killed_resumed_shown_planned_and_submitted(
    tmp_path: Path, service: LocalqpuControl, name: str
) -> None:
    """Each command in a process of its own, none of which knows the task beforehand."""
    packages = str(write_package(tmp_path / "packages")) if name == "theirs" else ""
    Path("mytasks.py").write_text(TASK.format(name="mine"))
    extend = [] if name == "theirs" else ["--extend", "mytasks.py"]
    found = os.pathsep.join(filter(None, [packages, os.environ.get("PYTHONPATH", "")]))
    settings = ["--set", "train.epochs=200", "--set", "model.readout=none"]  # one job, not 22
    training = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "runtime_jobs",
            "train",
            name,
            *extend,
            *settings,
            "--out",
            "runs/a",
        ],
        env=os.environ | {"PYTHONPATH": found},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    metrics = Path("runs/a/metrics.jsonl")
    while training.poll() is None and not (
        metrics.exists() and metrics.read_text().count("\n") > 2
    ):
        Event().wait(0.02)
    training.kill()
    assert training.wait() == -signal.SIGKILL
    epochs = metrics.read_text().count("\n")
    assert 2 < epochs < 200
    for words in (
        "resume runs/a",
        "show runs/a",
        "plan runs/a --on ibm:kingston --shots 100 --sequences 1",
        "submit runs/a --on ibm:kingston --shots 100 --sequences 1 --max-qpu-seconds 300",
        "collect runs/a --wait",
    ):
        done = call_elsewhere(words, path=packages)
        assert done.returncode == 0, done.stderr
    assert metrics.read_text().count("\n") == 200
    assert Path("runs/a/report.html").exists()
    assert len(service.jobs()) == 1


def test_extensions_that_fail_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(ExtensionError, match=r"broken\.py fails with ZeroDivisionError"):
        extend(broken)
    with pytest.raises(ExtensionError, match=r"as a Python file \(\.py\)"):
        extend(shutil.copy(broken, tmp_path / "notes.txt"))
    assert not [name for name in sys.modules if name.startswith("qrnn_extension_")]
    monkeypatch.syspath_prepend(write_package(tmp_path / "packages"))
    (tmp_path / "packages" / "other_package.py").write_text("Mine = 3\n")
    with pytest.raises(ExtensionError, match="to be a Task whose name is 'theirs', got 3"):
        registry.get_task("theirs")


def test_a_file_is_run_once_and_an_unknown_task_says_how_to_extend(tmp_path: Path) -> None:
    file = tmp_path / "mytasks.py"
    file.write_text(TASK.format(name="mine"))
    extend(file)
    extend(file)
    assert registry.get_task("mine").summary == "mine"
    with pytest.raises(registry.UnknownTaskError, match=r"--extend FILE\.py"):
        registry.get_task("absent")


def test_the_list_of_tasks_is_that_of_the_classes() -> None:
    expected = [(task.name, task.summary, task.source) for task in registry.list_tasks()]
    assert [tuple(each) for each in registry.list_summaries()] == expected


@pytest.mark.process
@pytest.mark.parametrize("words", ["tasks", "jobs", "--help", "account --help"])
def test_commands_without_weights_do_not_import_torch(words: str) -> None:
    script = OTHER + "print({'torch', 'qiskit', 'numba'} & set(sys.modules), file=sys.stderr)\n"
    found = subprocess.run(
        [sys.executable, "-c", script, words],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert found.stderr.splitlines()[-1] == "set()"


@pytest.mark.process
def test_the_import_of_the_package_waits_for_nothing() -> None:
    script = (
        "import sys, time, torch; before, start = set(sys.modules), time.process_time(); "
        "import qrnn_qiskit; seconds = time.process_time() - start; "
        "print(seconds < 1, sorted({'qiskit', 'qiskit_aer', 'numba'} & set(sys.modules))); "
        "assert qrnn_qiskit.QRNN.__name__ in dir(qrnn_qiskit)"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert found.stdout.strip() == "True []"
