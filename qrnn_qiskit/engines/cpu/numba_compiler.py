"""How kernels are compiled, and where they are kept between two starts of Python."""

from __future__ import annotations

import atexit
import gc
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.event import Event, Listener, register


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
    for path in sorted([*package.parent.glob("*.py"), *package.glob("*.py")]):
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
    own = Path(tempfile.mkdtemp(prefix="qrnn_qiskit-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def _user_cache() -> Path | None:
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(chosen) if chosen else Path.home() / ".cache") / "qrnn_qiskit"
    except RuntimeError:  # a user without a home
        return None


class _Library(JITCodeLibrary):
    """The code of an entry point and of all kernels that it calls, optimised once.

    Numba runs LLVM's passes over every function three times, the last time with all that the third
    level has. Kernels are written in vectors, unrolled and inlined by hand: one run of the first
    level makes code as fast, in four fifths of the time.
    """

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(opt=1, loop_vectorize=False)
        passes.run(self._final_module, builder)


class _LinkedLibrary(_Library):
    """The code of a kernel until an entry point is compiled, which contains it.

    Numba optimises every function and makes machine code of it, whoever calls it, and again of its
    copy in each of its callers: a third of the time that it takes to compile the entry points.
    """

    @property
    def codegen(self) -> _LinkedLibrary:
        """What has :meth:`set_env`."""
        return self

    def _optimize_final_module(self) -> None:
        """Nothing: the entry point's module has the code of all that it calls."""

    def set_env(self, name: str, environment: object) -> None:
        """Nothing: a kernel calls nothing of Python's, and one from the cache has none either."""

    def get_pointer_to_function(self, name: str) -> int:
        """No address: Python calls entry points alone."""
        self._ensure_finalized()
        return 0

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _Compiler(CompilerBase):
    """Numba's compiler, with a library of ours."""

    library_type: type[JITCodeLibrary] = _Library

    def define_pipelines(self) -> list[Any]:
        """The usual passes."""
        name = self.state.func_id.func_qualname
        self.state.library = self.library_type(self.state.targetctx.codegen(), name)
        self.state.library.enable_object_caching()
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


class _KernelCompiler(_Compiler):
    library_type = _LinkedLibrary


_KERNEL = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _KernelCompiler,
}


def kernel(function: Any) -> Any:
    """Decorate what compiled code alone calls: no wrapper for Python, no file of its own."""
    return numba.njit(**_KERNEL)(function)


def inline(function: Any) -> Any:
    """Decorate a kernel whose code goes into the loops of its callers."""
    return numba.njit(forceinline=True, **_KERNEL)(function)


def entry_point(function: Any) -> Any:
    """Decorate what Python calls; it is kept on disk with all the kernels that it calls."""
    options = {"error_model": "numpy", "no_cfunc_wrapper": True, "pipeline_class": _Compiler}
    return numba.njit(cache=True, nogil=True, **options)(function)


class _Progress(Listener):
    """Says on stderr why a first call takes so long, and makes it shorter.

    Python looks for garbage the more often the more objects there are; without that Numba takes a
    sixth less time.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._start = 0.0
        self._collects = False

    def on_start(self, event: Event) -> None:
        """Begin a line when an entry point is compiled, not for what it calls."""
        function = event.data["dispatcher"].py_func
        module = function.__module__ or ""  # generated code may be in none
        if self._depth or module.startswith(__package__):
            self._depth += 1
            if self._depth == 1:
                self._start = time.perf_counter()
                self._collects = gc.isenabled()
                gc.disable()
                _say(f"qrnn_qiskit: compiling {function.__name__} (once per version) ... ")

    def on_end(self, event: Event) -> None:
        """End the line with the seconds."""
        if self._depth:
            self._depth -= 1
            if not self._depth:
                if self._collects:
                    gc.enable()
                _say(f"{time.perf_counter() - self._start:.0f} s\n")


def _say(text: str) -> None:
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"  # of torchrun's processes one speaks
    if is_first and sys.stderr is not None:
        with suppress(OSError, ValueError):  # closed: who cannot read this still wants a result
            sys.stderr.write(text)
            sys.stderr.flush()


register("numba:compile", _Progress())
