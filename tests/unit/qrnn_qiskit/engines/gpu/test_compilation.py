"""The Triton kernels compile to machine code of GPUs, which needs none of them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from qrnn_qiskit import QRNN

pytestmark = pytest.mark.triton

triton = pytest.importorskip("triton", reason="Triton is not on this platform")

REGISTERS, SHARED_MEMORY = 65_536, 48 << 10  # of a processor, and what every launch may ask for

TINY = {
    "num_qubits": 1,
    "controller_hidden": 1,
    "rotations": ["ry"],
    "observables": "z",
    "readout": "none",
}  # sizes of 1, for which Triton compiles a separate kernel
MODELS = [
    pytest.param({"num_qubits": 8, "num_layers": 2}, torch.float32, 90, id="n=8"),
    pytest.param(TINY, torch.float64, 90, id="sizes of 1", marks=pytest.mark.slow),
    *(
        pytest.param({"num_qubits": n}, dtype, capability, marks=pytest.mark.slow)
        for n in (8, 14)
        for dtype in (torch.float32, torch.float64)
        for capability in (80, 90)
    ),
    *(
        pytest.param({"num_qubits": 3, **more}, torch.float32, 90, marks=pytest.mark.slow)
        for more in (
            {"activation": "linear"},
            {"activation": "relu", "dropout": 0.1},
            {"activation": "glu"},
            {"observables": ["XXX", "ZIZ", "YZI"], "readout": "none"},
        )
    ),
]


@pytest.fixture
def compile_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], list[Any]]:
    """Make launches compile for a GPU of a compute capability, and return the compiled kernels."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver, jit

    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path))
    monkeypatch.setattr("qrnn_qiskit.modes.expectation.has_kernels", lambda device: True)
    launch = jit.JITFunction.run
    compiled: list[Any] = []

    def compile_only(self: Any, *arguments: Any, **options: Any) -> None:
        compiled.append(launch(self, *arguments, **{**options, "warmup": True}))

    def choose(capability: int) -> list[Any]:
        target = GPUTarget("cuda", capability, 32)
        fake = SimpleNamespace(
            get_current_device=lambda: capability,
            get_current_stream=lambda device: 0,
            get_current_target=lambda: target,
        )
        monkeypatch.setattr(driver, "_active", fake)
        monkeypatch.setattr(jit.JITFunction, "run", compile_only)
        return compiled

    return choose


@pytest.mark.parametrize(("arguments", "dtype", "capability"), MODELS)
def test_both_kernels_compile(
    arguments: dict[str, Any],
    dtype: torch.dtype,
    capability: int,
    compile_for: Callable[[int], list[Any]],
    tmp_path: Path,
) -> None:
    model = QRNN(1, dtype=dtype, **arguments)
    compiled = compile_for(capability)
    output, state = model(torch.rand(2, 3, 1, dtype=dtype))
    assert state.vector is not None
    (output.sum() + state.vector.real.sum()).backward()
    assert [kernel.metadata.name for kernel in compiled] == ["run_sequences", "reverse_sequences"]
    for kernel in compiled:
        code = tmp_path / "kernel.cubin"
        code.write_bytes(kernel.asm["cubin"])
        registers = count_registers(code)
        assert registers * 32 * kernel.metadata.num_warps <= REGISTERS
        assert kernel.metadata.shared <= SHARED_MEMORY


def count_registers(code: Path) -> int:
    """Registers of a thread, as NVIDIA's tool reads them in the machine code."""
    tool = triton.knobs.nvidia.cuobjdump.path
    printed = subprocess.run(
        [tool, "--dump-resource-usage", str(code)], check=True, capture_output=True, text=True
    ).stdout
    found = re.search(r"REG:(\d+)", printed)
    assert found
    return int(found[1])
