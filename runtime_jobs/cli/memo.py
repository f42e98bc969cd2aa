"""Results of slow computations that are kept between commands, as JSON in the user's cache.

A result is found again only with the same arguments, the same source of this package and the same
versions of the libraries that it comes from.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["digest_files", "remember"]

_LIBRARIES = ("qiskit", "qiskit-ibm-runtime", "torch")
_ROOT = Path(__file__).resolve().parents[2]
_PACKAGES = ("circuits", "qrnn_qiskit", "runtime_jobs")
_MOST_FILES = 200  # results of each kind that are kept, the newest ones


def remember(
    kind: str, arguments: Sequence[object], compute: Callable[[], Any], *, keep: bool = True
) -> Any:
    """Return the result of ``compute`` for these arguments, kept from an earlier command.

    Args:
        kind: Name of the computation.
        arguments: Everything that its result depends on besides source and versions, as JSON.
        compute: Computes the result, of JSON types.
        keep: Whether the result may be kept; False where it depends on other code.
    """
    if not keep:
        return compute()
    parts = [kind, [version(name) for name in _LIBRARIES], _read_source_state(), *arguments]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    cache = _find_folder()
    if cache is None:
        return json.loads(json.dumps(compute()))
    folder = cache / kind
    file = folder / f"{key}.json"
    # A damaged or unreadable file is computed again.
    with suppress(OSError, ValueError):
        return json.loads(file.read_text(encoding="utf-8"))
    result = compute()
    with suppress(OSError):  # a cache that cannot be written costs time only
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{key}.{os.getpid()}.tmp"
        draft.write_text(json.dumps(result), encoding="utf-8")
        draft.replace(file)
        kept = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in kept[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    return json.loads(json.dumps(result))


def digest_files(folder: Path, patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and SHA-256 of the files of a folder that match one of the patterns."""
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]


def _find_folder() -> Path | None:
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache") / "qrnn_qiskit"
    except RuntimeError:  # a user without a home
        return None


def _read_source_state() -> list[float]:
    """Return number and latest change of the source files, so that a checkout is followed too."""
    times = [file.stat().st_mtime for name in _PACKAGES for file in (_ROOT / name).rglob("*.py")]
    return [len(times), max(times), sum(times)]
