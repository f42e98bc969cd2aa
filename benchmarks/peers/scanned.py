"""The recurrence in jax: the steps of a library in one scan over time, compiled by XLA."""

from __future__ import annotations

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from peers.problem import Array, Problem, Result

# From this many amplitudes in all steps on, the backward pass recomputes a step instead of storing
# the state after each of its gates: as fast or faster, in much less memory. Smaller problems would
# be slower.
RECOMPUTED = 1 << 17

Step = Callable[[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]


class Scanned:
    """Forward, and forward with backward, of a problem.

    Args:
        problem: The problem to compute.
        step: Function from states (B, 2^n) and angles (B, 2 n L) to the states after a step and
            their readouts (B, 3 n).
    """

    def __init__(self, problem: Problem, step: Step) -> None:
        num_qubits, (batch, steps) = problem.num_qubits, problem.x.shape[:2]
        if batch * steps << num_qubits >= RECOMPUTED:
            step = jax.checkpoint(step)

        def read(weight: jax.Array, bias: jax.Array, x: jax.Array) -> jax.Array:
            def advance(carry: tuple[jax.Array, jax.Array], inputs: jax.Array) -> object:
                psi, readouts = carry
                theta = jnp.concatenate((inputs, readouts), 1) @ weight.T + bias
                carry = step(psi, theta)
                return carry, carry[1]

            psi = jnp.zeros((batch, 1 << num_qubits), jnp.complex64).at[:, 0].set(1.0)
            ground = jnp.asarray([0.0] * (2 * num_qubits) + [1.0] * num_qubits, jnp.float32)
            first = (psi, jnp.broadcast_to(ground, (batch, 3 * num_qubits)))
            _, readouts = jax.lax.scan(advance, first, x.swapaxes(0, 1))
            return readouts.swapaxes(0, 1)

        def lose(weight: jax.Array, bias: jax.Array, x: jax.Array) -> object:
            readouts = read(weight, bias, x)
            return jnp.square(readouts).mean(), readouts

        self._arrays = [jnp.asarray(part) for part in (problem.weight, problem.bias, problem.x)]
        start = time.perf_counter()
        self._read = jax.jit(read).lower(*self._arrays).compile()
        gradient = jax.value_and_grad(lose, argnums=(0, 1), has_aux=True)
        self._train = jax.jit(gradient).lower(*self._arrays).compile()
        self.compile_seconds = time.perf_counter() - start

    def forward(self) -> Array:
        """Return the readouts (B, T, 3 n)."""
        return np.asarray(self._read(*self._arrays))

    def train(self) -> Result:
        """Return the readouts and the gradients of the mean square readout."""
        (_, readouts), (weight, bias) = self._train(*self._arrays)
        return Result(np.asarray(readouts), np.asarray(weight), np.asarray(bias))
