"""Commands of a user without a home: no variable HOME, and no entry in the list of users."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from runtime_jobs.cli import run
from runtime_jobs.cli.failures import ExitCode
from runtime_jobs.cli.memo import remember


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def find(_: object) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", find)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError):
        Path.home()


@pytest.mark.parametrize(
    "words",
    [
        "tasks --extend ~/task.py",
        "train sequences --set data.file=~/data.csv",
        "train text --set data.file=~/data.csv",
        "predict example:digits ~/data.csv",
        "evaluate ~/run",
    ],
)
def test_a_file_at_home_is_missing(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words.split()) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "~/" in error


def test_results_are_computed_and_not_kept(tmp_path: Path) -> None:
    assert remember("plans", [], lambda: 3) == 3
    assert not list(tmp_path.iterdir())
