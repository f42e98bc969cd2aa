"""Tasks whose sequences are outcomes of quantum measurements, in several files.

- ``paulis``, ``renewal`` and ``error_model``: exact generators of outcomes and of their
  probabilities.
- ``task``: what the tasks share: the excess log-loss, metrics and files.
- ``measurements``: the tasks ``square`` and ``stabilizer``, whose inputs choose observables.
- ``process``: the task ``process``, a renewal process without inputs.
- ``syndromes``: the task ``syndromes``, detection events of a repetition code.
- ``model``: a model that is conditioned on a record, or that reads it.
"""

from qrnn_qiskit.tasks.records.measurements import Square, Stabilizer
from qrnn_qiskit.tasks.records.process import Process
from qrnn_qiskit.tasks.records.syndromes import Syndromes

__all__ = ["Process", "Square", "Stabilizer", "Syndromes"]
