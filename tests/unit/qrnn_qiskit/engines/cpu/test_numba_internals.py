"""The parts of Numba without a promise that the kernels rely on, each with what breaks without it.

A failure here after an update of Numba names the part that moved. Adapt the file named in the
message, run the whole suite, and then raise the upper bound of numba in pyproject.toml.
"""

from __future__ import annotations

import inspect
import operator
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.codegen import CPUCodeLibrary
from packaging.requirements import Requirement

from qrnn_qiskit.engines.cpu import numba_compiler

ROOT = Path(__file__).parents[5]
LIBRARY = "numba.core.codegen:JITCodeLibrary"
COMPILER = "numba_compiler.py: "
VECTORS = "lane_vectors.py: "
THREADS = "threads.py: "
RECORDS = "call_records.py: "

# Where it is, the names of the arguments that are passed by position (None: not called), and what
# breaks without it.
PARTS: list[tuple[str, tuple[str, ...] | None, str]] = [
    (
        f"{LIBRARY}._optimize_final_module",
        ("self",),
        COMPILER + "Numba would optimize every kernel on its own, and compiling takes minutes",
    ),
    (
        f"{LIBRARY}._finalize_final_module",
        ("self",),
        COMPILER + "Numba would make machine code of every kernel, which nobody calls",
    ),
    (
        f"{LIBRARY}._finalize_dynamic_globals",
        ("self",),
        COMPILER + "a kernel's library cannot be finalized without making machine code",
    ),
    (
        f"{LIBRARY}._ensure_finalized",
        ("self",),
        COMPILER + "get_pointer_to_function of a kernel's library cannot finalize it",
    ),
    (
        f"{LIBRARY}.get_pointer_to_function",
        ("self", "name"),
        COMPILER + "Numba would look for the machine code of a kernel, which has none",
    ),
    (
        f"{LIBRARY}.enable_object_caching",
        ("self",),
        COMPILER + "entry points cannot be kept on disk",
    ),
    (
        f"{LIBRARY}.codegen",
        None,
        COMPILER + "set_env of a cached kernel would look for a symbol that is not in memory",
    ),
    (
        "numba.core.codegen:CPUCodegen._module_pass_manager",
        ("self",),
        COMPILER + "the entry points cannot choose the level of LLVM's optimization",
    ),
    (
        "numba.core.codegen:JITCPUCodegen.set_env",
        ("self", "env_name", "env"),
        COMPILER + "_LinkedLibrary.set_env is no longer what Numba calls for a cached kernel",
    ),
    (
        "numba.core.caching:Cache.load_overload",
        ("self", "sig", "target_context"),
        COMPILER + "a damaged file in the cache of kernels stops every later start",
    ),
    (
        "numba.core.caching:Cache.save_overload",
        ("self", "sig", "data"),
        COMPILER + "a full disk stops the first call of a kernel",
    ),
    (
        "numba.core.compiler:CompilerBase.define_pipelines",
        ("self",),
        COMPILER + "the libraries above are never used",
    ),
    (
        "numba.core.compiler:DefaultPassBuilder.define_nopython_pipeline",
        ("state",),
        COMPILER + "there is no pipeline for the kernels",
    ),
    (
        "numba.core.event:register",
        ("kind", "listener"),
        COMPILER + "nothing is printed while kernels compile",
    ),
    ("numba.core.event:Listener.on_start", ("self", "event"), COMPILER + "no progress line"),
    ("numba.core.event:Listener.on_end", ("self", "event"), COMPILER + "no progress line"),
    (
        "numba:config.CACHE_DIR",
        None,
        COMPILER + "kernels of other sources than the present ones could be loaded",
    ),
    (
        "numba.core.base:BaseContext.make_array",
        ("self", "typ"),
        VECTORS + "load and store cannot find the numbers of an array",
    ),
    (
        "numba.core.base:BaseContext.get_dummy_value",
        ("self",),
        VECTORS + "store and share_blocks cannot return nothing",
    ),
    (
        "numba.core.cgutils:get_or_insert_function",
        ("module", "fnty", "name"),
        VECTORS + "LLVM's functions of vectors cannot be called",
    ),
    (
        "numba.core.typing.templates:AbstractTemplate",
        None,
        VECTORS + "lane vectors cannot be added or multiplied",
    ),
    (
        "numba.core.typing.templates:infer_global",
        None,
        VECTORS + "lane vectors cannot be added or multiplied",
    ),
    (
        "numba.core.types:Dispatcher.get_call_type",
        ("self", "context", "args", "kws"),
        THREADS + "share_blocks cannot compile the function that it calls",
    ),
    (
        "numba.core.dispatcher:Dispatcher.get_compile_result",
        ("self", "sig"),
        THREADS + "share_blocks cannot find the code of the function that it calls",
    ),
    (
        f"{LIBRARY}.add_linking_library",
        ("self", "library"),
        THREADS + "the code of a block is not linked into the entry point",
    ),
    (
        "numba.core.base:BaseContext.call_internal_no_propagate",
        ("self", "builder", "fndesc", "sig", "args"),
        THREADS + "a thread cannot call the function of a block",
    ),
    (
        "numba.core.cgutils:gep_inbounds",
        ("builder", "ptr"),
        THREADS + "threads cannot reach the counter that they share",
    ),
    (
        "numba.np.arrayobj:populate_array",
        ("array", "data", "shape", "strides", "itemsize", "meminfo"),
        RECORDS + "an address cannot become an array",
    ),
    (
        "numba.np.unsafe.ndarray:to_fixed_tuple",
        None,
        RECORDS + "a record cannot become a named tuple",
    ),
]


@pytest.mark.parametrize(("place", "arguments", "breaks"), PARTS, ids=lambda part: str(part)[:70])
def test_a_private_part_is_there(
    place: str, arguments: tuple[str, ...] | None, breaks: str
) -> None:
    module, _, path = place.partition(":")
    try:
        part = operator.attrgetter(path)(import_module(module))
    except (ImportError, AttributeError) as error:
        pytest.fail(f"Numba {numba.__version__} has no {place}. {breaks}. ({error})")
    if arguments is not None:
        found = tuple(inspect.signature(part).parameters)
        assert found[: len(arguments)] == arguments, f"{place} takes {found}. {breaks}."


@pytest.mark.parametrize("step", ["_optimize_final_module", "_finalize_final_module"])
def test_numba_takes_the_steps_that_are_overridden(step: str) -> None:
    source = inspect.getsource(CPUCodeLibrary.finalize)
    assert f"self.{step}()" in source, (
        f"{COMPILER}CodeLibrary.finalize no longer calls {step}, and overriding it has no effect"
    )


def test_numba_optimizes_the_entry_point_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overridden methods are those that Numba calls: once for the whole program."""
    optimized: list[str] = []
    optimize = numba_compiler._Library._optimize_final_module

    def note(self: Any) -> None:
        optimized.append(self.name)
        optimize(self)

    monkeypatch.setattr(numba_compiler._Library, "_optimize_final_module", note)

    @numba_compiler.inline
    def twice(a: float) -> float:
        return a + a

    @numba_compiler.kernel
    def four_times(a: float) -> float:
        total: float = twice(twice(a))
        return total

    @numba.njit(pipeline_class=numba_compiler._Compiler)
    def enter(a: float) -> float:
        total: float = four_times(a)
        return total

    assert enter(1.5) == 6.0
    assert len(optimized) == 1, f"{COMPILER}every kernel was optimized, not only the entry point"
    assert "enter" in optimized[0]
    (result,) = four_times.overloads.values()
    assert isinstance(result.library, numba_compiler._LinkedLibrary)
    (inlined,) = twice.overloads.values()
    assert "alwaysinline" in inlined.library.get_llvm_str(), (
        f"{COMPILER}forceinline no longer marks a function for LLVM, and loops over amplitudes "
        "would call one for every vector"
    )


def test_numba_has_an_upper_bound_that_admits_the_installed_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = [Requirement(each) for each in project["dependencies"]]
    (bound,) = [each.specifier for each in requirements if each.name == "numba"]
    assert any(each.operator == "<" for each in bound), "private parts of Numba may move"
    assert numba.__version__ in bound
