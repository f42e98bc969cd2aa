"""Exact simulation by plain torch operations: the engine for GPUs, on any device that torch has.

The same circuit as in :mod:`qrnn_qiskit.simulator`, lowered and scheduled alike, in few large
operations: all matrices of a step at once, then one batched matrix product for each group of
qubits. Backward undoes the steps, so memory does not grow with their number.
"""

from qrnn_qiskit.dense.evolution import DenseEvolution
from qrnn_qiskit.dense.simulator import DenseSimulator

__all__ = ["DenseEvolution", "DenseSimulator"]
