"""How kernels are compiled, and where they are cached between two starts of Python.

Private parts of Numba are overridden here, in :mod:`.lane_vectors` and in :mod:`.threads`. A test
names each of them with what breaks without it, and pyproject.toml bounds the version of Numba.
"""

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
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.event import Event, Listener, register


@contextmanager
def kernel_cache() -> Iterator[None]:
    """Cache the kernels that are defined in this context in a folder of the present sources.

    Numba checks only whether the file of an entry point has changed, not the files of the kernels
    and constants that it contains; the name of the folder therefore holds a hash of all of them.
    Where neither the package nor the user's cache is writable, the kernels last for this process
    only.
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
    # The kernels of this folder, and the neutral modules beside it, whose constants they contain.
    for path in sorted([*package.parent.glob("*.py"), *package.glob("*.py")]):
        sources.update(path.read_bytes())
    name = f"kernels-{sources.hexdigest()[:16]}"
    for parent in (package / "__pycache__", _user_cache()):
        if parent is None:
            continue
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):  # an existing folder may be read-only
                return folder
        except OSError:
            continue
    # A folder with a fixed name in /tmp could belong to another user, and the cache holds code.
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
    """The code of an entry point and of all kernels that it calls, optimized once.

    Numba runs LLVM's passes over every function three times, the last time at level 3. The kernels
    are vectorized, unrolled and inlined by hand, and nothing is left for those passes to find: one
    run at level 1, without LLVM's loop vectorizer, makes equally fast code in four fifths of the
    time.
    """

    def _optimize_final_module(self) -> None:
        passes, builder = self._codegen._module_pass_manager(opt=1, loop_vectorize=False)
        passes.run(self._final_module, builder)


class _LinkedLibrary(_Library):
    """The LLVM code of a kernel, which becomes machine code only inside of an entry point.

    Numba optimizes every function, makes machine code of it even if Python never calls it, and does
    so again for its copy in each of its callers: a third of the time that it takes to compile the
    entry points. This library keeps the unoptimized module for linking and skips the rest.
    """

    @property
    def codegen(self) -> _LinkedLibrary:
        """Return the object whose ``set_env`` Numba calls for a function from the cache."""
        return self

    def _optimize_final_module(self) -> None:
        """Do nothing: the module of the entry point is optimized with all kernels in it."""

    def set_env(self, name: str, environment: object) -> None:
        """Do nothing: a kernel uses no Python object and needs no environment for them."""

    def get_pointer_to_function(self, name: str) -> int:
        """Return 0, no address: Python calls only entry points."""
        self._ensure_finalized()
        return 0

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _Compiler(CompilerBase):
    """Numba's compiler with another library."""

    library_type: type[JITCodeLibrary] = _Library

    def define_pipelines(self) -> list[Any]:
        """Return the usual passes, after choosing the library that they write to."""
        name = self.state.func_id.func_qualname
        self.state.library = self.library_type(self.state.targetctx.codegen(), name)
        self.state.library.enable_object_caching()
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


class _KernelCompiler(_Compiler):
    library_type = _LinkedLibrary


_KERNEL = {
    "error_model": "numpy",  # 0 / 0 is NaN; a Python exception would need a check at each division
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": _KernelCompiler,
}


def kernel(function: Any) -> Any:
    """Decorate a function that only compiled code calls: no Python wrapper, no cache file."""
    return numba.njit(**_KERNEL)(function)


def inline(function: Any) -> Any:
    """Decorate a kernel whose code goes into the loops of its callers.

    LLVM's level 1 cannot be relied on to do so. A call for each lane vector would cost more than
    the few instructions of such a kernel, and pass its vectors through memory.
    """
    return numba.njit(forceinline=True, **_KERNEL)(function)


def entry_point(function: Any) -> Any:
    """Decorate a function that Python calls; it is cached on disk with all kernels in it.

    It releases the GIL, so that other Python threads run beside it.
    """
    options = {"error_model": "numpy", "no_cfunc_wrapper": True, "pipeline_class": _Compiler}
    dispatcher = numba.njit(nogil=True, **options)(function)
    dispatcher._cache = _Cache(function)
    return dispatcher


class _Cache(FunctionCache):
    """Numba's cache on disk, without which a kernel runs all the same."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return a kernel from the cache; None, so that it is compiled, where that fails."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # noqa: BLE001  a file that was cut raises anything
            self._report("cannot be read, and are compiled again", error)
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save a kernel, unless the disk is full or no longer writable."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self._report("cannot be saved, and the next start compiles them again", error)

    def _report(self, what: str, error: Exception) -> None:
        _say(f"qrnn_qiskit: the compiled kernels in {self.cache_path} {what}: {error}\n")


class _Progress(Listener):
    """Prints on stderr why a first call takes so long, and shortens it.

    The garbage collector runs more often the more objects there are, and Numba makes many of them.
    While it is off, compiling takes a sixth less time.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._start = 0.0
        self._collects = False

    def on_start(self, event: Event) -> None:
        """Begin a line when an entry point is compiled, but not for the kernels that it calls."""
        function = event.data["dispatcher"].py_func
        module = function.__module__ or ""  # generated code may have no module
        if self._depth or module.startswith(__package__):
            self._depth += 1
            if self._depth == 1:
                self._start = time.perf_counter()
                self._collects = gc.isenabled()
                gc.disable()
                _say(f"qrnn_qiskit: compiling {function.__name__} (once per version) ... ")

    def on_end(self, event: Event) -> None:
        """End the line with the seconds that it took."""
        if self._depth:
            self._depth -= 1
            if not self._depth:
                if self._collects:
                    gc.enable()
                _say(f"{time.perf_counter() - self._start:.0f} s\n")


def _say(text: str) -> None:
    is_first = os.environ.get("LOCAL_RANK", "0") == "0"  # one of torchrun's processes prints
    if is_first and sys.stderr is not None:
        with suppress(OSError, ValueError):  # a closed stream must not stop the computation
            sys.stderr.write(text)
            sys.stderr.flush()


register("numba:compile", _Progress())
