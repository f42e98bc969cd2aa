"""Settings of Sphinx for ``make docs``."""

from __future__ import annotations

import re
import shutil
from importlib.metadata import version as find_version
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

HERE = Path(__file__).parent

project = "qrnn-qiskit"
author = "The qrnn-qiskit contributors"
release = version = find_version("qrnn-qiskit")
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "qrnn-qiskit"
html_show_copyright = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks are saved with their outputs; the tests run them

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_custom_sections = [("Other arguments", "params_style")]
napoleon_use_ivar = True


def _copy_notebook(source: str, place: str) -> None:
    """Copy a notebook into the documentation, with its links to pages adapted."""
    text = Path(source).read_text(encoding="utf-8")
    Path(place).write_text(text.replace("](../docs/", "](../"), encoding="utf-8")


# Sphinx reads below this folder only.
shutil.copytree(
    HERE.parent / "notebooks",
    HERE / "notebooks",
    copy_function=_copy_notebook,
    dirs_exist_ok=True,
)

# Formulas become MathML, which browsers draw without an external script.
html_math_renderer = "mathml"


def setup(app: Any) -> None:
    """Register the renderer of formulas and the escaping of mathematics in docstrings."""
    app.connect("autodoc-process-docstring", _escape_mathematics, priority=900)
    app.add_html_math_renderer("mathml", (_write_formula, None), (_write_block, None))


def _escape_mathematics(*event: Any) -> None:
    """Escape kets |psi> and projectors P_+, which are markup in reStructuredText."""
    lines = event[-1]
    marks = r"\|(?=[\w.()+-]+>)|(?<=<psi_t)\||(?<=\bP)_(?=[+-])"
    lines[:] = [re.sub(marks, r"\\\g<0>", line) for line in lines]


def _write_formula(writer: Any, node: nodes.Element) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _write_block(writer: Any, node: nodes.Element) -> None:
    writer.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode
