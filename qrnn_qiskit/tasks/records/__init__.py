"""Tasks whose sequences are outcomes of quantum measurements, in several files.

- ``paulis`` and ``renewal``: exact generators of outcomes and of their probabilities.
- ``task``: what the tasks share: the excess log-loss, metrics and files.
- ``measurements``: the tasks ``square`` and ``stabilizer``, whose inputs choose observables.
- ``process``: the task ``process``, a renewal process without inputs.
- ``model``: a model that is conditioned on a record, or that reads it.
"""

from qrnn_qiskit.tasks.records.measurements import Square, Stabilizer
from qrnn_qiskit.tasks.records.process import Process

__all__ = ["Process", "Square", "Stabilizer"]
