"""The tools of the table: the model of this package, and peers that compute the same recurrence.

All of them are exact. Each implements L layers of RY and RZ on every qubit and CZ on a line, X, Y
and Z of every qubit after each step, an affine controller on [x ; readouts], and a state that is
carried over all steps.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from dataclasses import dataclass
from typing import Any, Protocol

from peers.problem import Array, Problem, Result


class Tool(Protocol):
    """A problem, prepared in a tool."""

    compile_seconds: float

    def forward(self) -> Array:
        """Return the readouts (B, T, 3 n), without gradients."""

    def train(self) -> Result:
        """Return the readouts and the gradients of their mean square."""


@dataclass(frozen=True)
class Entry:
    """A tool of the table.

    Attributes:
        title: Name in the table.
        module: Module of this package with the function ``build``.
        packages: Required packages, the tool itself first.
        how: Description of how it computes the recurrence.
    """

    title: str
    module: str
    packages: tuple[str, ...]
    how: str

    def find_versions(self) -> dict[str, str]:
        """Return the versions of its packages.

        Raises:
            PackageNotFoundError: A package is not installed.
        """
        return {name: importlib.metadata.version(name) for name in self.packages}

    def build(self, problem: Problem) -> Tool:
        """Import the tool, prepare a problem and compile everything that it compiles."""
        tool: Any = importlib.import_module(f"peers.{self.module}").build(problem)
        return tool


OURS = "qrnn"
TOOLS = {
    OURS: Entry("qrnn_qiskit", "ours", ("torch", "numba", "qiskit"), "fused recurrence, adjoint"),
    "plain": Entry("plain torch", "plain_torch", ("torch",), "gate by gate, autograd"),
    "torchquantum": Entry(
        "TorchQuantum",
        "torchquantum_steps",
        ("torchquantum", "torch"),
        "batched gates by `bmm`, autograd",
    ),
    "pennylane": Entry(
        "PennyLane default.qubit, torch",
        "pennylane_torch",
        ("pennylane", "torch"),
        "a broadcast QNode per step, backprop; it computes in complex128",
    ),
    "pennylane-jax": Entry(
        "PennyLane default.qubit, jax.jit",
        "pennylane_jax",
        ("pennylane", "jax"),
        "a broadcast QNode per layer in jitted scans over layers and steps, backprop",
    ),
    "lightning": Entry(
        "PennyLane lightning.qubit",
        "lightning",
        ("pennylane-lightning", "pennylane", "torch"),
        "adjoint with `device_vjp`; has no derivative with respect to the state, so every prefix "
        "is replayed: of order T²",
    ),
    "tensorcircuit": Entry(
        "TensorCircuit-NG, jax.jit",
        "tensorcircuit_jax",
        ("tensorcircuit-ng", "jax"),
        "`vmap` over the batch, jitted scans over layers and steps, backprop, complex64",
    ),
    "pyqtorch": Entry(
        "PyQTorch",
        "pyqtorch_steps",
        ("pyqtorch", "torch"),
        "autograd on the carried state, complex64; its adjoint mode has no derivative with "
        "respect to the state",
    ),
    "estimator": Entry(
        "qiskit-machine-learning",
        "estimator",
        ("qiskit-machine-learning", "qiskit", "torch"),
        "EstimatorQNN, parameter shift; every prefix is replayed",
    ),
}
