"""TensorCircuit-NG on jax: complex64, vmap over the batch, the whole sequence in one jit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import tensorcircuit as tc

from peers.problem import Problem
from peers.scanned import Scanned

tc.set_backend("jax")
tc.set_dtype("complex64")


def build(problem: Problem) -> Scanned:
    """Build a circuit per step on the carried state, and read the state after it."""
    qubits = range(problem.num_qubits)

    def apply_layer(psi: jax.Array, theta: jax.Array) -> tuple[jax.Array, None]:
        circuit = tc.Circuit(problem.num_qubits, inputs=psi)
        for qubit in qubits:
            circuit.ry(qubit, theta=theta[qubit, 0])
            circuit.rz(qubit, theta=theta[qubit, 1])
        for qubit in qubits[:-1]:
            circuit.cz(qubit, qubit + 1)
        return circuit.state(), None

    def step(psi: jax.Array, theta: jax.Array) -> tuple[jax.Array, jax.Array]:
        theta = theta.reshape(problem.num_layers, problem.num_qubits, 2)
        psi, _ = jax.lax.scan(apply_layer, psi, theta)
        read = tc.Circuit(problem.num_qubits, inputs=psi).expectation_ps
        paulis = [{letter: [qubit]} for letter in "xyz" for qubit in qubits]
        return psi, jnp.stack([jnp.real(read(**pauli)) for pauli in paulis])

    return Scanned(problem, jax.vmap(step))
