"""Exact simulation by plain torch operations, on any device that torch has.

On a GPU it runs what the kernels of :mod:`qrnn_qiskit.engines.gpu` do not: custom controllers,
resets, and everything where there is no Triton. The same circuit as in
:mod:`qrnn_qiskit.engines.cpu`, lowered and scheduled alike, in few large operations: all matrices
of a step at once, then one batched matrix product for each group of qubits. Backward undoes the
steps, so memory does not grow with their number.
"""

from qrnn_qiskit.engines.dense.simulator import DenseEvolution, DenseSimulator

__all__ = ["DenseEvolution", "DenseSimulator"]
