"""PennyLane under jax.jit: default.qubit, backprop, the whole sequence in one compiled scan."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pennylane as qml

from peers.pennylane_torch import apply_layer, list_readouts
from peers.problem import Problem
from peers.scanned import Scanned


def build(problem: Problem) -> Scanned:
    """Build a QNode for a layer and one for the readouts, broadcast over the batch.

    Layers are a scan too: one large QNode per step takes longer to compile and is no faster.
    """
    wires = range(problem.num_qubits)
    make = {"interface": "jax", "diff_method": "backprop"}
    device = qml.device("default.qubit", wires=problem.num_qubits)

    @qml.qnode(device, **make)
    def layer(psi: jax.Array, theta: jax.Array) -> object:
        qml.StatePrep(psi, wires=wires, validate_norm=False)
        apply_layer(problem.num_qubits, theta)
        return qml.state()

    @qml.qnode(device, **make)
    def read(psi: jax.Array) -> list[object]:
        qml.StatePrep(psi, wires=wires, validate_norm=False)
        return list_readouts(problem.num_qubits)

    def advance(psi: jax.Array, theta: jax.Array) -> tuple[jax.Array, None]:
        return layer(psi, theta).astype(jnp.complex64), None

    def step(psi: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        theta = theta.reshape(len(theta), problem.num_layers, -1).swapaxes(0, 1)
        psi, _ = jax.lax.scan(advance, psi, theta)
        return psi, jnp.stack(read(psi), 1).astype(jnp.float32)

    return Scanned(problem, step)
