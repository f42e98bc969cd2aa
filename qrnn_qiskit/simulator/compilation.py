"""Where the compiled kernels are kept between two starts of Python."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba


@contextmanager
def kernel_cache() -> Iterator[None]:
    """Let kernels that are defined in this context be kept in a folder of this version's own.

    Numba asks only whether the file of a kernel has changed, not the files of the kernels that it
    calls; the name of the folder therefore holds a hash of them all. Where neither the package nor
    the user's cache can be written to, kernels are kept for this process alone.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_find_folder())
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def _find_folder() -> Path:
    package = Path(__file__).parent
    sources = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        sources.update(path.read_bytes())
    name = f"kernels-{sources.hexdigest()[:16]}"
    for parent in (package / "__pycache__", _user_cache()):
        if parent is None:
            continue
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    # A folder of a fixed name in /tmp could be somebody else's, and the cache holds code.
    return Path(tempfile.mkdtemp(prefix="qrnn_qiskit-"))


def _user_cache() -> Path | None:
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache") / "qrnn_qiskit"
    except RuntimeError:  # a user without a home
        return None
