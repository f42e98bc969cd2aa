"""The report of a run and the first page of the documentation, as a browser shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qrnn_qiskit.examples import copy_example
from runtime_jobs.cli import run

ROOT = Path(__file__).resolve().parents[3]
IMAGES = """[...document.images].map(image => ({
    source: image.src.slice(0, 60), loaded: image.complete && image.naturalWidth > 0,
    width: image.getBoundingClientRect().width,
    shown: image.checkVisibility(), described: image.alt.length > 20}))"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_example("example:digits", root=tmp_path_factory.mktemp("runs"))
    assert folder is not None
    for device in ("simulator", "aer?shots=500", "aer:kingston?shots=500"):
        assert run(["evaluate", str(folder), "--on", device, "--sequences", "10"]) == 0
    assert run(["show", str(folder)]) == 0
    return folder / "report.html"


@pytest.fixture(params=["report", "documentation"])
def page(request: pytest.FixtureRequest) -> Path:
    if request.param == "report":
        return Path(request.getfixturevalue("report"))
    return ROOT / "docs" / "_build" / "html" / "index.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_a_page_is_complete(
    page: Path, width: int, dark: bool, browser: Any, tmp_path: Path
) -> None:
    assert page.exists(), f"{page} is missing; 'make docs' builds the documentation"
    browser.problems.clear()
    browser.open(page, width, dark)
    images = browser.ask(IMAGES)
    browser.photograph(tmp_path / f"{page.parent.name}-{width}.png")
    assert browser.problems == []
    assert images
    shown = [image for image in images if image["shown"]]
    assert shown
    for image in shown:
        assert image["loaded"], image
        assert image["width"] > 200, image
        assert image["described"], image
    assert browser.ask("document.documentElement.scrollWidth") <= width
