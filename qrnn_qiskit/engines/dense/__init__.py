"""Exact simulation by plain torch operations, on any device that torch has.

On a GPU it runs what the kernels of :mod:`qrnn_qiskit.engines.gpu` do not: custom controllers,
resets, and everything where Triton is not installed. The circuit is lowered and scheduled as for
:mod:`qrnn_qiskit.engines.cpu` and run in a few large operations: all matrices of a step at once,
then one batched matrix product for each group of qubits. Backward undoes the steps, so no state of
an earlier step is stored.
"""

from qrnn_qiskit.engines.dense.simulator import DenseEvolution, DenseSimulator

__all__ = ["DenseEvolution", "DenseSimulator"]
