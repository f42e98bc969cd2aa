"""The documentation is correct: examples give the output they show, links have targets."""

from __future__ import annotations

import doctest
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from localqpu.control_client import LocalqpuControl

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("circuits", "qrnn_qiskit", "runtime_jobs")
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]
PAGES = [
    *ROOT.glob("*.md"),
    *(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts),
    *ROOT.glob("changes/*.md"),
]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_examples() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(PACKAGES)


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=OPTIONS)
    assert result.attempted
    assert not result.failed


def read_examples(page: Path) -> str:
    blocks = re.findall(
        r"^```(?:python|pycon)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return "\n".join(block for block in blocks if block.startswith(">>> "))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.training] * ("train(" in read_examples(page)))
        for page in PAGES
    ],
    ids=name,
)
def test_examples_of_pages(page: Path) -> None:
    test = doctest.DocTestParser().get_doctest(read_examples(page), {}, page.name, str(page), 0)
    assert doctest.DocTestRunner(optionflags=OPTIONS).run(test).failed == 0


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name)
def test_relative_links_have_targets(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.split("#")[0] for link in links if not re.match(r"[a-z]+:|#", link)]
    assert not [link for link in local if not (page.parent / link).exists()]


def test_every_row_about_reliability_names_tests_that_exist() -> None:
    known = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        known |= {path.name, *re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    lines = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| ---")]
    rows = [row for row in rows if not re.search(r"\| tests? \|$", row, re.IGNORECASE)]
    assert len(rows) > 60
    for row in rows:
        named = re.findall(r"(test_\w+(?:\.py)?)", row.rstrip(" |").rpartition(" | ")[2])
        assert named, row
        assert set(named) <= known, row


@pytest.mark.slow
@pytest.mark.service
def test_the_python_of_the_readme_runs_as_written(
    tmp_path: Path,
    service: LocalqpuControl,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every line, in the folder of a new user, with the stand-in as the account at IBM."""
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    lines = [line for line in program.splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 15
    imported = re.findall(
        r"^(?:from|import) (qrnn_qiskit|runtime_jobs)(\S*)", program, re.MULTILINE
    )
    assert imported
    assert not [below for _, below in imported if below]
    names: dict[str, Any] = {}
    exec(compile(program, "README.md", "exec"), names)
    assert (tmp_path / "runs/mine/report.html").exists()
    assert len(service.jobs()) == 1  # the first step; the others need its readouts
    assert names["jobs"].read()[0].circuits == names["p"].jobs[0].circuits
    shown = capsys.readouterr().out
    assert "aer:kingston?shots=1000" in shown
    assert "cap: --max-qpu-seconds" in shown
