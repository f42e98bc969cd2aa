"""PennyLane under jax.jit: default.qubit, backprop, the whole sequence in one compiled scan."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import pennylane as qml

from peers.pennylane_torch import run_step
from peers.problem import Problem
from peers.scanned import Scanned


def build(problem: Problem) -> Scanned:
    """One QNode a step, broadcast over the batch."""
    device = qml.device("default.qubit", wires=problem.num_qubits)
    run = partial(run_step, problem.num_qubits, problem.num_layers)
    node = qml.QNode(run, device, interface="jax", diff_method="backprop")

    def step(psi: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        *values, psi = node(psi, theta)
        return psi.astype(jnp.complex64), jnp.stack(values, 1).astype(jnp.float32)

    return Scanned(problem, step)
