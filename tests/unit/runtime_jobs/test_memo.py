from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.cli.memo import digest_files, remember


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_result_is_computed_once_for_its_arguments(cache: Path) -> None:
    calls: list[int] = []

    def compute(number: int) -> dict[str, list[int]]:
        calls.append(number)
        return {"found": [number]}

    for number in (1, 2, 1, 2):
        assert remember("plans", [number, None], lambda n=number: compute(n)) == {"found": [number]}
    assert calls == [1, 2]
    for file in (cache / "qrnn_qiskit" / "plans").iterdir():
        file.write_text("{")  # damaged
    assert remember("plans", [1, None], lambda: compute(1)) == {"found": [1]}
    assert calls == [1, 2, 1]


def test_a_failure_is_not_kept_and_no_cache_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        remember("plans", [], lambda: 1 // 0)
    assert remember("plans", [], lambda: 3) == 3
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("not a folder")
    assert remember("plans", [], lambda: 4) == 4


def test_a_changed_file_has_another_digest(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("a")
    before = digest_files(tmp_path, ["config.toml", "ansatz.*"])
    (tmp_path / "ansatz.qasm").write_text("b")
    both = digest_files(tmp_path, ["config.toml", "ansatz.*"])
    assert [name for name, _ in both] == ["ansatz.qasm", "config.toml"]
    assert before == both[1:]
    (tmp_path / "config.toml").write_text("c")
    assert digest_files(tmp_path, ["config.toml"]) != before


@pytest.mark.process
def test_light_commands_answer_without_torch(cache: Path, tmp_path: Path) -> None:
    assert run(["tasks", "digits"]) == ExitCode.DONE  # keeps the list, which needs torch
    script = (
        "import sys; from runtime_jobs.cli import run; "
        "codes = [run(words) for words in (['tasks'], ['tasks', 'digits'], ['jobs'])]; "
        "import runtime_jobs.ibm.service; "  # of qrnn account
        "sys.exit(1 if any(codes) or 'torch' in sys.modules else 0)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_a_list_that_may_change_is_not_kept(cache: Path) -> None:
    calls: list[int] = []
    for _ in range(2):
        remember("settings", ["mine"], lambda: calls.append(1), keep=False)
    assert len(calls) == 2
    assert not cache.exists()
