"""Trained runs that ship with the package, for use without training.

``example:digits`` can be given wherever the folder of a run is read: to
:func:`qrnn_qiskit.load`, and as DIR on the command line. It is the run of ``qrnn train digits``
with all defaults (4 qubits, 2 layers, seed 0); ``make example`` trains it again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from circuits.errors import InvalidValueError

__all__ = ["EXAMPLES", "copy_example", "find_example"]

EXAMPLES = ("digits",)
_PREFIX = "example:"
_PLACE = Path(__file__).parent


class UnknownExampleError(InvalidValueError):
    """A name after ``example:`` without a shipped run."""


def find_example(path: str | os.PathLike[str]) -> Path | None:
    """Find the folder of a shipped run inside the package, read-only; None for any other path.

    ``path`` is ``example:NAME``, or that folder itself.

    >>> find_example("example:digits").name
    'digits'
    >>> find_example("runs/a") is None
    True

    Raises:
        UnknownExampleError: ``path`` begins with ``example:``, but no shipped run has this name.
    """
    text = os.fspath(path)
    if Path(text).parent == _PLACE:
        return Path(text)
    if not text.startswith(_PREFIX):
        return None
    name = text.removeprefix(_PREFIX)
    if name not in EXAMPLES:
        known = ", ".join(_PREFIX + example for example in EXAMPLES)
        raise UnknownExampleError(f"{text!r} is not shipped with qrnn-qiskit; known: {known}")
    return _PLACE / name


def copy_example(
    path: str | os.PathLike[str], root: str | os.PathLike[str] = "runs"
) -> Path | None:
    """Copy a shipped run to root/example-NAME, where evaluations and pictures can be written.

    An existing copy is kept.

    Returns:
        Its folder; None for any other path.

    Raises:
        UnknownExampleError: See :func:`find_example`.
    """
    source = find_example(path)
    if source is None:
        return None
    copy = Path(root) / f"example-{source.name}"
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=copy.parent) as place:
            whole = shutil.copytree(source, Path(place) / source.name)
            os.rename(whole, copy)  # atomic: a kill before this leaves no partial run behind
    return copy
